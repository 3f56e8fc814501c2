"""Everything that a motion planner should know of a world: bodies and what they stand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.planning.changes import same_mesh
from iscene_ros.planning.collision import (
    CollisionBody,
    CollisionShape,
    SupportBox,
    collision_bodies,
    support_boxes,
)
from iscene_ros.relations.bodies import up_in_frame, upright_from_frame
from iscene_ros.relations.planes import find_planes
from iscene_ros.scene import Mesh, Scene, SceneObject
from iscene_ros.session.outputs import SceneUpdate
from iscene_ros.session.settings import Settings

SUPPORT_NAME = "support"


@dataclass(frozen=True)
class PlannerPicture:
    """A world as a motion planner takes it.

    Attributes:
        stamp_ns, frame_id: of the update.
        scene: with the objects that have a body.
        names: of these by id.
        bodies: of these by id.
        supports: level surroundings in `frame_id`, as boxes.
        support_name: under which they go.
    """

    stamp_ns: int
    frame_id: str
    scene: Scene
    names: Mapping[int, str]
    bodies: Mapping[int, CollisionBody]
    supports: tuple[SupportBox, ...]
    support_name: str


class PictureMaker:
    """Makes pictures; the body of a mesh that stays is made once.

    Used by one thread at a time.
    """

    def __init__(self) -> None:
        self._made: dict[int, tuple[Mesh, str, float, CollisionBody | None]] = {}

    def picture(self, update: SceneUpdate, settings: Settings) -> PlannerPicture:
        """The picture of an update; objects with degenerate meshes are left out."""
        shape, padding = settings.collision_shape, settings.collision_padding
        items = [known.item for known in update.objects]
        made = {item.id: self._body(item, update, shape, padding) for item in items}
        self._made = made
        bodies = {
            item.id: replace(body, frame_from_object=item.frame_from_object, color=item.color)
            for item in items
            if (body := made[item.id][3]) is not None
        }
        scene = replace(
            update.world,
            frame_id=update.frame_id,
            objects=tuple(item for item in items if item.id in bodies),
        )
        return PlannerPicture(
            update.stamp_ns,
            update.frame_id,
            scene,
            {known.id: known.name for known in update.objects if known.id in bodies},
            bodies,
            seen_supports(update),
            f"{settings.frame_prefix}{SUPPORT_NAME}",
        )

    def _body(
        self, item: SceneObject, update: SceneUpdate, shape: str, padding: float
    ) -> tuple[Mesh, str, float, CollisionBody | None]:
        made = self._made.get(item.id)
        if made is not None and made[1:3] == (shape, padding) and same_mesh(made[0], item.mesh):
            return made
        scene = replace(update.scene, objects=(item,))
        try:
            found = collision_bodies(scene, shape, padding)
        except Exception:  # coacd may fail on a mesh; a hull never does
            found = collision_bodies(scene, CollisionShape.HULL, padding)
        return item.mesh, shape, padding, found[0] if found else None


def seen_supports(update: SceneUpdate) -> tuple[SupportBox, ...]:
    """Boxes below the level planes that the newest frame shows; none of an emptied world."""
    up = up_in_frame(update.scene)
    if up is None or not update.objects:
        return ()
    upright_from_frame_ = np.eye(4)
    upright_from_frame_[:3, :3] = upright_from_frame(up)
    upright_from_camera = upright_from_frame_ @ update.scene.frame_from_camera
    planes = find_planes(update.observation.rectified(), upright_from_camera)
    return support_boxes(planes, upright_from_frame_[:3, :3].T)
