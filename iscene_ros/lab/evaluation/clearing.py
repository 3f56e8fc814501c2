"""Clearing whole scenes object by object, in the order of the graph and in a random one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import networkx as nx
import numpy as np

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene
from iscene_ros.core.scene_graph import ENVIRONMENT
from iscene_ros.lab.evaluation.grasp_scenes import execute_grasp
from iscene_ros.lab.evaluation.reports import markdown_table
from iscene_ros.lab.evaluation.settled_scenes import SettledOptions, completed_scenes
from iscene_ros.lab.synthetic.grasp_simulation import GraspSimulation, Outcome
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene
from iscene_ros.planning.grasp_obstacles import Obstacles
from iscene_ros.planning.grasps import plan_grasps
from iscene_ros.planning.grippers import Gripper
from iscene_ros.relations.build import with_relations

GRAPH, RANDOM = "order of the graph", "random order"


@dataclass(frozen=True)
class Clearing:
    """One scene cleared in one order: completed objects, and what came of the grasps of some."""

    objects: int
    outcomes: tuple[Outcome, ...]


def evaluate_clearing(completer: SceneCompleter, options: SettledOptions, gripper: Gripper) -> str:
    """Return the table of both orders.

    Raises:
        InputError: Mujoco or coacd is not installed, or there was nothing to see.
    """
    found: dict[tuple[str, int], list[Clearing]] = defaultdict(list)
    for number, scene, views, completed in completed_scenes(completer, options):
        made = with_relations(completed, views[0], shapes=False)
        rng = np.random.default_rng([options.seed, number, 2])
        shuffled = rng.permutation([item.id for item in made.objects]).tolist()
        for name, order in ((GRAPH, graph_order(made)), (RANDOM, shuffled)):
            found[name, len(views)].append(clear(scene, made, views, order, gripper))
    return clearing_table(found)


def graph_order(scene: Scene) -> list[int]:
    """Return the ids of the objects, each after those that are in its way."""
    order = nx.lexicographical_topological_sort(scene.graph.removal_graph)
    return [number for number in order if number != ENVIRONMENT]


def clear(
    scene: PhysicsScene,
    completed: Scene,
    views: Sequence[Observation],
    order: Sequence[int],
    gripper: Gripper,
) -> Clearing:
    """Grasp each object once; what is lifted is gone, everything else stays where it has come to.

    The completed scene, and the views of it, are those of the beginning: what moves meanwhile is
    not seen. Object i of the true scene has the id i + 1 there, and in the order.
    """
    left = dict(enumerate(scene.shapes, start=1))
    poses = dict(enumerate(scene.world_from_object, start=1))
    outcomes = []
    for target in order:
        rest = tuple(item for item in completed.objects if item.id in left)
        known = replace(completed, objects=rest, relations=())
        grasps = plan_grasps(known, target, gripper, Obstacles(known, views))
        if not len(grasps):
            continue
        now = replace(
            scene, shapes=tuple(left.values()), world_from_object=np.array([poses[i] for i in left])
        )
        simulation = GraspSimulation(now, gripper)
        outcome = execute_grasp(simulation, list(left).index(target), grasps)
        outcomes.append(outcome)
        poses = dict(zip(left, simulation.poses, strict=True))
        if outcome.lifted:
            del left[target]
    return Clearing(len(order), tuple(outcomes))


def clearing_table(found: dict[tuple[str, int], list[Clearing]]) -> str:
    """Return the shares of objects that were cleared by order and number of views, as Markdown."""
    heading = ["order", "views", "objects", "cleared [%]", "collided [%]", "knocked over [%]"]
    lines = [[*heading, "scenes without a failure [%]"]]
    for (name, views), cleared in found.items():
        objects = sum(c.objects for c in cleared)
        outcomes = [o for c in cleared for o in c.outcomes]
        shares = [sum(o.lifted for o in outcomes) / max(objects, 1)]
        for flag in ("collided", "knocked"):
            failed = [getattr(o, flag) for o in outcomes]
            shares.append(np.mean(failed) if failed else np.nan)
        shares.append(
            np.mean([0 < c.objects == sum(o.success for o in c.outcomes) for c in cleared])
        )
        cells = [f"{100 * share:.1f}" for share in shares]
        lines.append([name, str(views), str(objects), *cells])
    return markdown_table(lines)
