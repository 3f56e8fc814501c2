"""Changes from the objects that a motion planner has to the objects of the map."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.core.scene import Mesh
from iscene_ros.planning.collision_bodies import CollisionBody, SupportBox
from iscene_ros.planning.collision_objects import CollisionScene, same_mesh

# Poses closer than this are the same pose.
SAME_PLACE_M = 5e-4
SAME_ANGLE_RAD = 2e-3
# Put behind a name that an object of somebody else has.
OTHER_NAME = "_iscene"
# A support is sent again when its box has changed by more than this.
SAME_SUPPORT_M = 0.01


@dataclass(frozen=True)
class Difference:
    """Changes that bring a planner to a collision scene; names are never empty.

    Attributes:
        scene: the collision scene that the planner has afterwards.
        removed: names to remove.
        added: names and bodies that are new, or whose shape has changed.
        moved: names and bodies of which only the pose has changed.
        supports: boxes of the support where it is new or has changed, else empty.
        environment: mesh of the environment where it is new or has changed, else None.
        attached: names that were left alone.
    """

    scene: CollisionScene
    removed: tuple[str, ...]
    added: tuple[tuple[str, CollisionBody], ...]
    moved: tuple[tuple[str, CollisionBody], ...]
    supports: tuple[SupportBox, ...]
    environment: Mesh | None
    attached: frozenset[str]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        changed = self.removed or self.added or self.moved or self.supports
        return not changed and self.environment is None


class PlanningSceneTracker:
    """Keeps a record of the objects that were sent to one planner.

    Only objects that were sent, by this run or by an earlier one, are ever changed or removed; an
    object whose name somebody else uses gets another one. One thread at a time may use it.
    """

    def __init__(self) -> None:
        self._offered: set[str] = set()
        self._attached: frozenset[str] = frozenset()
        self._frame_id: str | None = None
        self._bodies: Mapping[str, CollisionBody] = {}
        self._supports: tuple[SupportBox, ...] = ()
        self._environment: Mesh | None = None
        self._sent_names: frozenset[str] = frozenset()

    def difference(
        self,
        scene: CollisionScene,
        attached: Collection[str] = (),
        present: Collection[str] | None = None,
        claimed: Collection[str] = (),
    ) -> Difference:
        """Return the changes that bring the planner to a collision scene.

        Args:
            scene: the objects of the map now.
            attached: names of objects that are attached to a robot; they are left alone.
            present: names of all objects that the planner has; None = not known, all that were
                sent are taken to be there.
            claimed: those of them that an earlier run sent.
        """
        self._attached = attached = frozenset(attached)
        ours = self._sent_names | self._offered | frozenset(claimed)
        there = self._sent_names if present is None else ours & frozenset(present)
        # What was held when this run began is not what now has its name.
        others = (frozenset(present or ()) - ours) | (attached - self._sent_names)
        scene = _without_names(scene, others)
        added, moved = [], []
        for name, body in scene.bodies.items():
            if name in attached:
                continue
            before = self._bodies.get(name) if name in there else None
            if before is None or scene.frame_id != self._frame_id or not _same_shape(before, body):
                added.append((name, body))
            elif not _same_pose(before, body):
                moved.append((name, body))
        wanted = set(scene.bodies)
        if scene.environment is not None:
            wanted.add(scene.environment_name)
        # A support out of view stays as long as there is something on it.
        elif scene.supports or (self._supports and scene.bodies):
            wanted.add(scene.support_name)
        removed = tuple(sorted(there - wanted - attached))
        is_same = (
            scene.frame_id == self._frame_id
            and scene.support_name in there
            and _same_supports(self._supports, scene.supports)
        )
        supports = () if is_same else scene.supports
        environment = None if self._has_environment(scene, there) else scene.environment
        self._offered |= {name for name, _ in added} | ({scene.support_name} if supports else set())
        if environment is not None:
            self._offered.add(scene.environment_name)
        moves = tuple(added), tuple(moved)
        return Difference(scene, removed, *moves, supports, environment, attached)

    def confirm(self, difference: Difference) -> None:
        """Record that the planner has applied a difference."""
        scene = difference.scene
        self._frame_id = scene.frame_id
        self._bodies = {n: b for n, b in scene.bodies.items() if n not in difference.attached}
        if difference.supports or not scene.bodies or scene.environment is not None:
            self._supports = difference.supports
        self._environment = scene.environment
        supports = {scene.support_name} if self._supports else set()
        if scene.environment is not None:
            supports.add(scene.environment_name)
        # The names of attached objects stay: these are removed after they were put down.
        removed = frozenset(difference.removed)
        self._sent_names = (self._sent_names - removed) | self._bodies.keys() | supports
        self._offered -= removed

    def removal(self) -> tuple[str, ...]:
        """Return the names of all objects that the planner may have from us, but attached ones."""
        return tuple(sorted((self._sent_names | self._offered) - self._attached))

    def forget(self) -> None:
        """Make the next difference hold all objects; what was sent may still be there."""
        self._frame_id, self._bodies, self._supports = None, {}, ()
        self._environment = None

    def _has_environment(self, scene: CollisionScene, there: Collection[str]) -> bool:
        """Return whether the planner has the environment of a scene."""
        before, now = self._environment, scene.environment
        if before is None or now is None or scene.frame_id != self._frame_id:
            return now is None
        return scene.environment_name in there and (before is now or same_mesh(before, now))


def _without_names(scene: CollisionScene, others: frozenset[str]) -> CollisionScene:
    """Return a collision scene in which no object has a name of somebody else."""
    if not others & {*scene.bodies, scene.support_name, scene.environment_name}:
        return scene
    return replace(
        scene,
        bodies={_free_name(name, others): body for name, body in scene.bodies.items()},
        support_name=_free_name(scene.support_name, others),
        environment_name=_free_name(scene.environment_name, others),
    )


def _free_name(name: str, others: frozenset[str]) -> str:
    while name in others:
        name += OTHER_NAME
    return name


def _same_shape(one: CollisionBody, other: CollisionBody) -> bool:
    return len(one.pieces) == len(other.pieces) and all(map(same_mesh, one.pieces, other.pieces))


def _same_pose(one: CollisionBody, other: CollisionBody) -> bool:
    between = np.linalg.inv(one.frame_from_object) @ other.frame_from_object
    angle = Rotation.from_matrix(between[:3, :3]).magnitude()
    return bool(np.linalg.norm(between[:3, 3]) <= SAME_PLACE_M and angle <= SAME_ANGLE_RAD)


def _same_supports(before: tuple[SupportBox, ...], after: tuple[SupportBox, ...]) -> bool:
    return len(before) == len(after) and all(
        np.abs(_corners(a) - _corners(b)).max() < SAME_SUPPORT_M
        for a, b in zip(before, after, strict=True)
    )


def _corners(box: SupportBox) -> np.ndarray:
    """Return (2, 3) opposite corners in the scene's frame [m]."""
    half = np.array([[-0.5], [0.5]]) * box.size
    return half @ box.frame_from_box[:3, :3].T + box.frame_from_box[:3, 3]
