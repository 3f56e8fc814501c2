"""Relations of scenes that a physics engine put to rest, from true and from completed meshes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.observation import Observation
from iscene_ros.core.predicate import Predicate
from iscene_ros.geometry.bodies import Body
from iscene_ros.geometry.environment import BoxEnvironment
from iscene_ros.geometry.scene_geometry import measure
from iscene_ros.lab.evaluation.relation_fit import DEFINED, Examples
from iscene_ros.lab.evaluation.relation_scores import Edge, RelationScores
from iscene_ros.lab.evaluation.relation_truth import true_relations
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
    """What is evaluated.

    Attributes:
        scenes: number of scenes.
        seed: of the scenes.
        held_out: shape families that training never sees, or those that it does.
        shapes: size of the pool of shapes.
        steps: of the sampler, None = default.
        cache: folder in which the shapes are kept; they take minutes to make.
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
    """Scores after each scene, growing.

    Args:
        completer: completes what a camera sees; None = only true meshes are asked.
        options: what is evaluated.
        examples: gathers candidates for a calibration.
        report: is told what is being made.

    Raises:
        InputError: mujoco or coacd is not installed.
    """
    name = f"shapes_{'held_out' if options.held_out else 'training'}_{options.shapes}.npz"
    cache = None if options.cache is None else options.cache / name
    say = report or (lambda text: None)
    pool = shape_pool(
        options.shapes, options.held_out, 0, cache, lambda n: say(f"shape {n} of {options.shapes}")
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
    everyone = set(range(len(scene.shapes) + 1))
    defined = {
        (r.subject, Predicate(r.predicate), r.object)
        for r in relations
        if Predicate(r.predicate) in DEFINED
    }
    own = [r for r in relations if Predicate(r.predicate) not in DEFINED]
    scores.add(TRUE_MESHES, number, own, truth, everyone)
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


def true_bodies(scene: PhysicsScene) -> list[Body]:
    """The objects of a scene as bodies without any error; ids are index + 1."""
    bodies = []
    for index, shape in enumerate(scene.shapes):
        mesh = shape.mesh.transformed(scene.world_from_object[index])
        bodies.append(Body.of(index + 1, mesh.vertices, mesh.faces))
    return bodies


def _copies(scene: PhysicsScene) -> set[Edge]:
    return {
        (one + 1, Predicate.SAME_SHAPE, other + 1)
        for one, other in combinations(range(len(scene.shape_ids)), 2)
        if scene.shape_ids[one] == scene.shape_ids[other]
    }
