"""Evaluation of relations on scenes settled by a physics engine: true and completed meshes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.observation import Observation
from iscene_ros.core.predicate import Predicate
from iscene_ros.geometry.environment import BoxEnvironment
from iscene_ros.geometry.scene_geometry import measure
from iscene_ros.lab.evaluation.relation_fit import DEFINED, Examples
from iscene_ros.lab.evaluation.relation_scores import Edge, RelationScores
from iscene_ros.lab.evaluation.relation_truth import true_bodies, true_relations
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene, physics_scenes
from iscene_ros.lab.synthetic.physics_shapes import shape_pool
from iscene_ros.lab.synthetic.physics_views import observe_physics
from iscene_ros.relations.build import (
    decide,
    find_candidates,
    named_edges,
    scene_bodies,
)

TRUE_MESHES, COMPLETED_MESHES = "true meshes", "completed meshes"


@dataclass(frozen=True)
class RelationOptions:
    """Choice of settled scenes.

    Attributes:
        scenes: Number of scenes.
        seed: Seed of the scenes.
        held_out: Whether shape families are those that training never sees, or those that it does.
        shapes: Number of shapes that scenes are made of.
        steps: Steps of the sampler; None = the model's default.
        cache: Folder in which the shapes are kept, since they take minutes to make; None = none.
    """

    scenes: int = 40
    seed: int = 1000
    held_out: bool = True
    shapes: int = 48
    steps: int | None = None
    cache: Path | None = None


def evaluate_relations(
    completer: SceneCompleter | None,
    options: RelationOptions,
    examples: Examples | None = None,
    report: Callable[[str], None] | None = None,
) -> Iterator[RelationScores]:
    """Yield the scores over all scenes so far, after each scene.

    Args:
        completer: Completes what a camera sees; None = true meshes only.
        options: Choice of scenes.
        examples: Collects candidates for a calibration, if given.
        report: Called with a line while shapes are made.

    Raises:
        InputError: mujoco or coacd is not installed.
    """
    name = f"shapes_{'held_out' if options.held_out else 'training'}_{options.shapes}.npz"
    cache = None if options.cache is None else options.cache / name
    report = report or (lambda line: None)
    count = options.shapes
    pool = shape_pool(
        count, options.held_out, 0, cache, lambda number: report(f"shape {number} of {count}")
    )
    scores = RelationScores()
    for number, scene in enumerate(physics_scenes(pool, options.scenes, options.seed)):
        _evaluate(number, scene, completer, options, scores, examples)
        yield scores


def _evaluate(
    number: int,
    scene: PhysicsScene,
    completer: SceneCompleter | None,
    options: RelationOptions,
    scores: RelationScores,
    examples: Examples | None,
) -> None:
    truth = true_relations(scene) | _copies(scene)
    rng = np.random.default_rng([options.seed, number, 1])
    observation = observe_physics(rng, scene)
    pose = None if observation is None else observation.world_from_camera
    geometry = measure(true_bodies(scene), BoxEnvironment(scene.boxes))
    candidates = find_candidates(geometry, pose, shapes=True)
    relations = named_edges(candidates, decide(candidates))
    all_ids = set(range(len(scene.shapes) + 1))
    defined = {
        (r.subject, Predicate(r.predicate), r.object)
        for r in relations
        if Predicate(r.predicate) in DEFINED
    }
    own = [r for r in relations if Predicate(r.predicate) not in DEFINED]
    scores.add(TRUE_MESHES, number, own, truth, all_ids)
    if examples is not None:
        examples.add(candidates, truth)
    if completer is not None and observation is not None:
        _evaluate_completed(
            number, observation, completer, options, scores, examples, truth | defined
        )


def _evaluate_completed(
    number: int,
    observation: Observation,
    completer: SceneCompleter,
    options: RelationOptions,
    scores: RelationScores,
    examples: Examples | None,
    truth: set[Edge],
) -> None:
    completed = completer.complete(observation, options.steps)
    bodies, environment, pose = scene_bodies(completed, observation)
    if not bodies:
        return
    candidates = find_candidates(measure(bodies, environment), pose, shapes=True)
    known = {body.id for body in bodies} | {0}
    relations = named_edges(candidates, decide(candidates))
    scores.add(COMPLETED_MESHES, number, relations, truth, known)
    if examples is not None:
        examples.add(candidates, {e for e in truth if e[0] in known and e[2] in known})


def _copies(scene: PhysicsScene) -> set[Edge]:
    return {
        (one + 1, Predicate.SAME_SHAPE, other + 1)
        for one, other in combinations(range(len(scene.shape_ids)), 2)
        if scene.shape_ids[one] == scene.shape_ids[other]
    }
