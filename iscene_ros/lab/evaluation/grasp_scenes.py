"""Grasps of settled scenes, planned on several kinds of meshes and executed in the true scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Relation, Scene
from iscene_ros.core.scene_graph import SceneGraph
from iscene_ros.lab.evaluation.grasp_methods import (
    BASELINES,
    COMPLETED,
    TRUE_MESHES,
    baseline_scene,
    completed_scene,
    true_scene,
)
from iscene_ros.lab.evaluation.relation_truth import true_relations
from iscene_ros.lab.synthetic.grasp_simulation import GraspSimulation, Outcome
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene, physics_scenes
from iscene_ros.lab.synthetic.physics_shapes import shape_pool
from iscene_ros.lab.synthetic.physics_views import observe_physics
from iscene_ros.planning.grasp_obstacles import Obstacles
from iscene_ros.planning.grasps import Grasps, plan_grasps
from iscene_ros.planning.grippers import Gripper

# Cameras drawn for each scene, and how many of them a method sees.
VIEWS = (1, 3)
# Grasps of each object that a fit learns from: the best, and others of the ranking.
FITTED_RANKS = (0, 4, 12)


@dataclass(frozen=True)
class GraspOptions:
    """Choice of settled scenes.

    Attributes:
        scenes, seed: Number of scenes, and their seed.
        held_out: Whether shape families are those that training never sees, or those that it does.
        shapes: Number of shapes that scenes are made of.
        directory: Folder in which the shapes are kept, since they take minutes to make.
        gripper: That executes.
        fit: Whether completed meshes alone are grasped, several times, for a fit of the score.
        report: Called with a line while shapes are made.
    """

    scenes: int
    seed: int
    held_out: bool
    shapes: int
    directory: Path
    gripper: Gripper
    fit: bool = False
    report: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Trial:
    """One object, grasped by one method.

    Attributes:
        scene, target: Numbers of scene and object.
        arrangement, family: Of them.
        method, views: Kind of meshes, and number of views that they were made of.
        reason: Why no grasp was found; "" where one was executed.
        score, features: Of the grasp.
        outcome: What came of it; None where there was no grasp.
    """

    scene: int
    target: int
    arrangement: str
    family: str
    method: str
    views: int
    reason: str = ""
    score: float = 0.0
    features: tuple[float, ...] = ()
    outcome: Outcome | None = None

    @property
    def success(self) -> bool:
        """Whether the object was picked."""
        return self.outcome is not None and self.outcome.success


def grasp_trials(completer: SceneCompleter, options: GraspOptions) -> Iterator[list[Trial]]:
    """Yield the trials of scene after scene: objects that nothing lies on and that are seen.

    Args:
        completer: Without relations.
        options: Which scenes.

    Raises:
        InputError: Mujoco or coacd is not installed.
    """
    for number, scene in enumerate(settled_scenes(options)):
        yield _trials(number, scene, completer, options)


def settled_scenes(options: GraspOptions) -> Iterator[PhysicsScene]:
    """Yield scenes at rest; the shapes that they are made of take minutes the first time."""
    families = "held_out" if options.held_out else "training"
    pool = shape_pool(
        options.shapes,
        options.held_out,
        options.directory / f"shapes_{families}_{options.shapes}.npz",
        lambda number: options.report(f"shape {number} of {options.shapes}"),
    )
    yield from physics_scenes(pool, options.scenes, options.seed)


def scene_views(options: GraspOptions, number: int, scene: PhysicsScene) -> list[Observation]:
    """Return what the cameras of a scene see; equal instance ids are the same object."""
    rng = np.random.default_rng([options.seed, number, 1])
    drawn = (observe_physics(rng, scene) for _ in range(max(VIEWS)))
    return [view for view in drawn if view is not None]


def _trials(
    number: int, scene: PhysicsScene, completer: SceneCompleter, options: GraspOptions
) -> list[Trial]:
    views = scene_views(options, number, scene)
    if not views:
        return []
    targets = [i for i in free_objects(scene) if i in views[0].instance_ids]
    simulation = GraspSimulation(scene, options.gripper)
    found = []
    for method, count, made in _scenes(scene, views, completer, options):
        obstacles = Obstacles(made, views[:count])
        completed = {item.id for item in made.objects}
        for target in targets:
            about = (number, target, scene.arrangement.value, scene.shapes[target - 1].family)
            about = (*about, method, count)
            if target not in completed:
                found.append(Trial(*about, "not completed"))
                continue
            grasps = plan_grasps(made, target, options.gripper, obstacles)
            if not len(grasps):
                found.append(Trial(*about, grasps.reason))
            for rank in FITTED_RANKS if options.fit else (0,):
                if rank < len(grasps):
                    outcome = _executed(simulation, target, grasps, rank)
                    score, features = grasps.scores[rank], tuple(grasps.features[rank])
                    found.append(Trial(*about, "", float(score), features, outcome))
    return found


def _scenes(
    scene: PhysicsScene, views: list[Observation], completer: SceneCompleter, options: GraspOptions
) -> Iterator[tuple[str, int, Scene]]:
    """Yield method, number of views and the scene that it makes."""
    if not options.fit:
        yield TRUE_MESHES, 0, true_scene(scene)
    for count in VIEWS:
        if len(views) < count:
            continue
        yield COMPLETED, count, completed_scene(completer, views[:count])
        if not options.fit:
            for name, shape in BASELINES.items():
                yield name, count, baseline_scene(views[:count], shape)


def _executed(simulation: GraspSimulation, target: int, grasps: Grasps, rank: int) -> Outcome:
    pose, opening = grasps.frame_from_grasp[rank], float(grasps.openings[rank])
    return simulation.execute(target - 1, pose, opening, grasps.approach)


def free_objects(scene: PhysicsScene) -> list[int]:
    """Return the ids (index + 1) of the objects that nothing truly lies on, in or against."""
    relations = (Relation(s, p.value, o, 1.0) for s, p, o in true_relations(scene))
    nodes = ((i + 1, shape.family, 1.0) for i, shape in enumerate(scene.shapes))
    graph = SceneGraph(nodes, relations)
    return [i for i in graph.ids if not graph.blockers(i)]
