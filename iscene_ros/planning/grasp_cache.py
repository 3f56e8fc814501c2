"""Grasps of an object map from update to update: planned anew only where something changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from iscene_ros.core.scene import Scene, SceneObject
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.planning.collision_objects import same_mesh
from iscene_ros.planning.grasp_obstacles import APPROACH_M, Obstacles
from iscene_ros.planning.grasps import Grasps, plan_grasps
from iscene_ros.planning.grippers import Gripper, gripper_named

# Objects whose positions have changed by less are where they were [m].
SAME_PLACE_M = 1e-3
SAME_TURN = 5e-3  # of the entries of a rotation matrix


@dataclass(frozen=True)
class GraspOptions:
    """What is planned.

    Attributes:
        mode: "none", "target" (the object `target` alone) or "all".
        target: name or id of an object; "" = the one that is most likely picked.
        gripper: name of a preset.
    """

    mode: str = "none"
    target: str = ""
    gripper: str = "franka_hand"


@dataclass(frozen=True)
class PlannedGrasps:
    """Grasps of a map.

    Attributes:
        grasps: by object id; without objects that were not asked for.
        target: id of the object to pick; None where there is none.
    """

    grasps: Mapping[int, Grasps] = field(default_factory=dict)
    target: int | None = None


@dataclass(frozen=True)
class _Cached:
    """Grasps, and all that they depend on."""

    around: Mapping[int, SceneObject]
    had_surroundings: bool
    grasps: Grasps


class GraspCache:
    """Plans the grasps of updates; an object near which nothing has changed keeps its own.

    The surroundings count as changed where there are some for the first time. One thread at a
    time may use it.
    """

    def __init__(self) -> None:
        self._cached: dict[int, _Cached] = {}

    def planned(self, update: SceneUpdate, options: GraspOptions) -> PlannedGrasps:
        """Return the grasps of an update."""
        if options.mode == "none":
            self._cached = {}
            return PlannedGrasps()
        named = {t.id for t in update.objects if options.target in (t.name, str(t.id))}
        wanted = {t.id for t in update.objects} if options.mode == "all" else named
        scene, gripper = update.map_scene, gripper_named(options.gripper)
        kept = {i: self._valid(scene, i, gripper) for i in wanted}
        if None in kept.values():
            obstacles = Obstacles(scene, (update.observation,))
            for number in [i for i, cached in kept.items() if cached is None]:
                grasps = plan_grasps(scene, number, gripper, obstacles)
                around, surrounded = _around(scene, number, gripper), _surrounded(scene)
                kept[number] = _Cached(around, surrounded, grasps)
        self._cached = kept
        grasps = {number: kept[number].grasps for number in sorted(kept)}
        if options.target:
            return PlannedGrasps(grasps, next(iter(named), None))
        free = [i for i, found in grasps.items() if len(found) and not found.remove_first]
        likeliest = max(free, key=lambda i: grasps[i].scores[0], default=None)
        return PlannedGrasps(grasps, likeliest)

    def _valid(self, scene: Scene, number: int, gripper: Gripper) -> _Cached | None:
        """Return what was planned for an object; None where anything it depends on has changed."""
        cached = self._cached.get(number)
        if cached is None or cached.grasps.gripper != gripper:
            return None
        if cached.grasps.remove_first != scene.graph.removal_order(number)[:-1]:
            return None
        around = _around(scene, number, gripper)
        if around.keys() != cached.around.keys() or cached.had_surroundings != _surrounded(scene):
            return None
        unchanged = (_is_unchanged(cached.around[i], item) for i, item in around.items())
        return cached if all(unchanged) else None


def _surrounded(scene: Scene) -> bool:
    return scene.environment is not None or bool(scene.planes)


def _around(scene: Scene, number: int, gripper: Gripper) -> dict[int, SceneObject]:
    """Return an object and those that a gripper could meet on its way to it, by id."""
    reach = APPROACH_M + float(np.linalg.norm([*gripper.palm_size, gripper.finger_length]))
    item = scene[number]
    place, radius = item.frame_from_object[:3, 3], 0.5 * float(np.linalg.norm(item.size))
    return {
        other.id: other
        for other in scene.objects
        if np.linalg.norm(other.frame_from_object[:3, 3] - place)
        <= radius + 0.5 * np.linalg.norm(other.size) + reach
    }


def _is_unchanged(before: SceneObject, now: SceneObject) -> bool:
    between = np.abs(before.frame_from_object - now.frame_from_object)
    if between[:3, 3].max() > SAME_PLACE_M or between[:3, :3].max() > SAME_TURN:
        return False
    return before.mesh is now.mesh or same_mesh(before.mesh, now.mesh)
