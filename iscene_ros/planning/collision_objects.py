"""Collision objects for a motion planner: the bodies of a map and the supports below them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from iscene_ros.core.scene import Mesh, Scene, SceneObject
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.geometry.bodies import up_in_frame
from iscene_ros.geometry.planes import scene_planes
from iscene_ros.planning.collision_bodies import (
    CollisionBody,
    CollisionShape,
    SupportBox,
    collision_bodies,
    support_boxes,
)
from iscene_ros.planning.scene_diff import same_mesh

SUPPORT_NAME = "support"
# An object whose surface has changed by no more than this is only moved.
SHAPE_TOLERANCE_M = 0.005


@dataclass(frozen=True)
class CollisionOptions:
    """How bodies for collision checking are made.

    Attributes:
        shape: one of `CollisionShape`.
        padding: by which surfaces are moved outward [m].
        frame_prefix: put before the name of the support.
    """

    shape: str = CollisionShape.AUTO.value
    padding: float = 0.0
    frame_prefix: str = ""


@dataclass(frozen=True)
class CollisionScene:
    """The objects of a map and its supports, as a motion planner takes them.

    Attributes:
        stamp_ns, frame_id: of the update.
        scene: with the objects that have a body.
        names: of these by id.
        bodies: of these by id.
        supports: level surroundings in `frame_id`, as boxes.
        support_name: under which they go.
        form: shape and padding of the bodies; where it changes, all bodies do.
    """

    stamp_ns: int
    frame_id: str
    scene: Scene
    names: Mapping[int, str]
    bodies: Mapping[int, CollisionBody]
    supports: tuple[SupportBox, ...]
    support_name: str
    form: tuple[str, float]


@dataclass(frozen=True)
class _Made:
    """A body and what it was made of; None where the mesh is degenerate."""

    mesh: Mesh
    shape: str
    padding: float
    body: CollisionBody | None


class CollisionObjectCache:
    """Makes collision scenes; the body of a mesh that stays about the same is made once."""

    def __init__(self) -> None:
        self._made: dict[int, _Made] = {}

    def collision_scene(self, update: SceneUpdate, options: CollisionOptions) -> CollisionScene:
        """Return the collision scene of an update, without objects whose meshes are degenerate."""
        items = [known.item for known in update.objects]
        made = {item.id: self._body(item, update, options) for item in items}
        self._made = made
        bodies = {
            item.id: replace(body, frame_from_object=item.frame_from_object, color=item.color)
            for item in items
            if (body := made[item.id].body) is not None
        }
        scene = replace(
            update.world,
            frame_id=update.frame_id,
            objects=tuple(
                replace(item, mesh=made[item.id].mesh) for item in items if item.id in bodies
            ),
        )
        return CollisionScene(
            update.stamp_ns,
            update.frame_id,
            scene,
            {known.id: known.name for known in update.objects if known.id in bodies},
            bodies,
            observed_supports(update),
            f"{options.frame_prefix}{SUPPORT_NAME}",
            (options.shape, options.padding),
        )

    def _body(self, item: SceneObject, update: SceneUpdate, options: CollisionOptions) -> _Made:
        shape, padding = options.shape, options.padding
        made = self._made.get(item.id)
        if made is not None and (made.shape, made.padding) == (shape, padding):
            # Against the mesh that the body was made of, so that small changes do not add up.
            if same_mesh(made.mesh, item.mesh) or _alike(made.mesh, item.mesh, SHAPE_TOLERANCE_M):
                return made
        scene = replace(update.scene, objects=(item,))
        try:
            found = collision_bodies(scene, shape, padding)
        except Exception:  # coacd may fail on a mesh; a hull never does
            found = collision_bodies(scene, CollisionShape.HULL, padding)
        return _Made(item.mesh, shape, padding, found[0] if found else None)


def _alike(one: Mesh, other: Mesh, tolerance: float) -> bool:
    """Return whether every vertex lies within the tolerance of one of the other mesh [m]."""
    if tolerance == 0 or not (len(one.vertices) and len(other.vertices)):
        return False
    sets = one.vertices, other.vertices
    if any(np.abs(f(sets[0], 0) - f(sets[1], 0)).max() > tolerance for f in (np.min, np.max)):
        return False
    return all(
        np.isfinite(cKDTree(a).query(b, distance_upper_bound=tolerance)[0]).all()
        for a, b in (sets, sets[::-1])
    )


def observed_supports(update: SceneUpdate) -> tuple[SupportBox, ...]:
    """Return boxes below the level planes that the newest frame shows; none for an empty map."""
    up = up_in_frame(update.scene)
    if up is None or not update.objects:
        return ()
    return support_boxes(scene_planes(update.scene, update.observation), up)
