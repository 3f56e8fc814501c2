"""What a motion planner was told, and what it has to be told next."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.scene import Scene
from iscene_ros.planning.collision_bodies import CollisionBody, SupportBox
from iscene_ros.planning.collision_objects import CollisionScene
from iscene_ros.planning.scene_diff import Operation, scene_changes

# A support is told again when its box has changed by more than this.
SAME_SUPPORT_M = 0.01


@dataclass(frozen=True)
class Difference:
    """What turns what a planner knows into a picture; names are never empty.

    Attributes:
        picture: what the planner knows then.
        removed: names to take away.
        added: names and bodies that are new, or whose shape has changed.
        moved: names and bodies that only have another pose.
        supports: boxes of the support where it is new or has changed, else empty.
        attached: names that were left alone.
    """

    picture: CollisionScene
    removed: tuple[str, ...]
    added: tuple[tuple[str, CollisionBody], ...]
    moved: tuple[tuple[str, CollisionBody], ...]
    supports: tuple[SupportBox, ...]
    attached: frozenset[str]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.removed or self.added or self.moved or self.supports)


class PlanningSceneTracker:
    """Remembers what one planner was told, under which names.

    Only these names are ever removed. Used by one thread at a time.
    """

    def __init__(self) -> None:
        self._scene: Scene | None = None
        self._supports: tuple[SupportBox, ...] = ()
        self._ours: frozenset[str] = frozenset()
        self._form: tuple[str, float] | None = None

    def difference(
        self,
        picture: CollisionScene,
        attached: Collection[str] = (),
        present: Collection[str] | None = None,
    ) -> Difference:
        """What to tell, so that the planner knows the picture.

        Args:
            picture: of the world now.
            attached: names of objects that are attached to a robot; they are left alone.
            present: names of all objects in the planner's world; None = not known, what was told
                is taken to be there.
        """
        held = frozenset(attached)
        there = self._ours if present is None else self._ours & frozenset(present)
        ids = {name: i for i, name in picture.names.items()}
        if self._form != picture.form:
            self._scene = None
        known = self._known({ids[name] for name in (there - held) & ids.keys()})
        names = picture.names
        changes = [c for c in scene_changes(known, picture.scene) if names.get(c.id) not in held]
        wanted = {*ids, picture.support_name} if self._has_support(picture) else set(ids)
        of = {
            operation: tuple(
                (names[c.id], picture.bodies[c.id]) for c in changes if c.operation is operation
            )
            for operation in (Operation.ADD, Operation.MOVE)
        }
        removed = tuple(sorted(there - wanted - held))
        supports = self._new_supports(picture, there)
        return Difference(picture, removed, of[Operation.ADD], of[Operation.MOVE], supports, held)

    def confirm(self, told: Difference) -> None:
        """The planner knows a difference now."""
        picture = told.picture
        self._form = picture.form
        objects = tuple(
            item for item in picture.scene.objects if picture.names[item.id] not in told.attached
        )
        self._scene = replace(picture.scene, objects=objects)
        if told.supports or not picture.scene.objects:
            self._supports = told.supports
        supports = {picture.support_name} if self._supports else set()
        # What is held is still ours: it is taken away after it was put down.
        held = self._ours & told.attached
        self._ours = (
            (self._ours - frozenset(told.removed))
            | {picture.names[item.id] for item in objects}
            | held
            | supports
        )

    def forget(self) -> None:
        """Tell everything again; what was told may still be there."""
        self._scene, self._supports = None, ()

    def _known(self, ids: Collection[int]) -> Scene | None:
        if self._scene is None:
            return None
        return replace(self._scene, objects=tuple(o for o in self._scene.objects if o.id in ids))

    def _has_support(self, picture: CollisionScene) -> bool:
        """A support out of view stays as long as there is something on it."""
        return bool(picture.supports or (self._supports and picture.scene.objects))

    def _new_supports(
        self, picture: CollisionScene, there: Collection[str]
    ) -> tuple[SupportBox, ...]:
        same = (
            self._scene is not None
            and self._scene.frame_id == picture.frame_id
            and picture.support_name in there
            and _same_supports(self._supports, picture.supports)
        )
        return () if same else picture.supports


def _same_supports(before: tuple[SupportBox, ...], after: tuple[SupportBox, ...]) -> bool:
    return len(before) == len(after) and all(
        np.abs(_corners(a) - _corners(b)).max() < SAME_SUPPORT_M
        for a, b in zip(before, after, strict=True)
    )


def _corners(box: SupportBox) -> np.ndarray:
    """(2, 3) opposite corners in the scene's frame [m]."""
    half = np.array([[-0.5], [0.5]]) * box.size
    return half @ box.frame_from_box[:3, :3].T + box.frame_from_box[:3, 3]
