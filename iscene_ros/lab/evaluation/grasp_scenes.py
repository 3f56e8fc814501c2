"""Grasps of settled scenes, planned on several kinds of meshes and executed in the true scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
from iscene_ros.lab.evaluation.settled_scenes import (
    VIEWS,
    SettledOptions,
    scene_views,
    settled_scenes,
)
from iscene_ros.lab.synthetic.grasp_simulation import GraspSimulation, Outcome
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene
from iscene_ros.planning.grasp_obstacles import Obstacles
from iscene_ros.planning.grasps import Grasps, plan_grasps
from iscene_ros.planning.grippers import Gripper

# Grasps of each object that a fit learns from: the best, and others of the ranking.
FITTED_RANKS = (0, 4, 12)


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


def grasp_trials(
    completer: SceneCompleter, options: SettledOptions, gripper: Gripper, fit: bool
) -> Iterator[Trial]:
    """Yield the trials of scene after scene: objects that nothing lies on and that are seen.

    Args:
        completer: Without relations.
        options: Which scenes.
        gripper: That executes.
        fit: Whether completed meshes alone are grasped, several times, for a fit of the score.

    Raises:
        InputError: Mujoco or coacd is not installed.
    """
    for number, scene in enumerate(settled_scenes(options)):
        views = scene_views(options, number, scene)
        if not views:
            continue
        targets = [i for i in free_objects(scene) if i in views[0].instance_ids]
        simulation = GraspSimulation(scene, gripper)
        for method, count, made in _made_scenes(scene, views, completer, fit):
            obstacles = Obstacles(made, views[:count])
            completed = {item.id for item in made.objects}
            for target in targets:
                family = scene.shapes[target - 1].family
                about = (number, target, scene.arrangement.value, family, method, count)
                if target not in completed:
                    yield Trial(*about, "not completed")
                    continue
                grasps = plan_grasps(made, target, gripper, obstacles)
                if not len(grasps):
                    yield Trial(*about, grasps.reason)
                for rank in FITTED_RANKS if fit else (0,):
                    if rank < len(grasps):
                        outcome = execute_grasp(simulation, target - 1, grasps, rank)
                        score, features = grasps.scores[rank], tuple(grasps.features[rank])
                        yield Trial(*about, "", float(score), features, outcome)


def _made_scenes(
    scene: PhysicsScene, views: list[Observation], completer: SceneCompleter, fit: bool
) -> Iterator[tuple[str, int, Scene]]:
    """Yield method, number of views and the scene that it makes."""
    if not fit:
        yield TRUE_MESHES, 0, true_scene(scene)
    for count in VIEWS:
        if len(views) < count:
            continue
        yield COMPLETED, count, completed_scene(completer, views[:count])
        if not fit:
            for name, shape in BASELINES.items():
                yield name, count, baseline_scene(views[:count], shape)


def execute_grasp(
    simulation: GraspSimulation, index: int, grasps: Grasps, rank: int = 0
) -> Outcome:
    """Execute one of the grasps of the object of an index."""
    pose, opening = grasps.frame_from_grasp[rank], float(grasps.openings[rank])
    return simulation.execute(index, pose, opening, grasps.approach)


def free_objects(scene: PhysicsScene) -> list[int]:
    """Return the ids (index + 1) of the objects that nothing truly lies on, in or against."""
    relations = (Relation(s, p.value, o, 1.0) for s, p, o in true_relations(scene))
    nodes = ((i + 1, shape.family, 1.0) for i, shape in enumerate(scene.shapes))
    graph = SceneGraph(nodes, relations)
    return [i for i in graph.ids if not graph.blockers(i)]
