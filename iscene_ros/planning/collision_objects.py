"""Collision objects for a motion planner: the bodies of a map and the supports below them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from iscene_ros.core.scene import Mesh, SceneObject
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.geometry.bodies import up_in_frame
from iscene_ros.geometry.planes import scene_planes
from iscene_ros.planning.collision_bodies import (
    CollisionBody,
    CollisionShape,
    SupportBox,
    collision_body,
    support_boxes,
)

SUPPORT_NAME, ENVIRONMENT_NAME = "support", "environment"
# An object whose surface has changed by no more than this is only moved.
SHAPE_TOLERANCE_M = 0.005


@dataclass(frozen=True)
class CollisionOptions:
    """How bodies for collision checking are made.

    Attributes:
        shape: one of `CollisionShape`.
        padding: by which surfaces are moved outward [m].
        frame_prefix: put before the names of the support and of the environment.
    """

    shape: str = CollisionShape.AUTO.value
    padding: float = 0.0
    frame_prefix: str = ""


@dataclass(frozen=True)
class CollisionScene:
    """The objects of a map and its supports, as a motion planner takes them.

    Attributes:
        stamp_ns, frame_id: of the update.
        bodies: bodies by the names of the objects, without those whose meshes are degenerate.
        supports: level surroundings in `frame_id`, as boxes; none where there is an environment.
        support_name: name of the one object that holds these boxes.
        environment: surface of the surroundings in `frame_id`; None where it was not fused.
        environment_name: name of its object.
    """

    stamp_ns: int
    frame_id: str
    bodies: Mapping[str, CollisionBody]
    supports: tuple[SupportBox, ...]
    support_name: str
    environment: Mesh | None
    environment_name: str


@dataclass(frozen=True)
class _CachedBody:
    """A body, None where the mesh is degenerate, and the mesh and options it was made from."""

    mesh: Mesh
    shape: str
    padding: float
    body: CollisionBody | None


class CollisionObjectCache:
    """Makes collision scenes; the body of a mesh that stays about the same is made once."""

    def __init__(self) -> None:
        self._cached: dict[int, _CachedBody] = {}

    def collision_scene(
        self,
        update: SceneUpdate,
        options: CollisionOptions,
        check: Callable[[], None] = lambda: None,
    ) -> CollisionScene:
        """Return the collision scene of an update.

        Args:
            update: the object map.
            options: how bodies are made.
            check: is called before every body and after the last; what it raises ends the work.

        Raises:
            InputError: as of `collision_body`.
        """
        made = {}
        for tracked in update.objects:
            check()
            made[tracked.id] = self._cached_body(tracked.item, options)
        check()
        self._cached = made
        bodies = {}
        for tracked in update.objects:
            body, item = made[tracked.id].body, tracked.item
            if body is not None:
                bodies[tracked.name] = replace(
                    body, frame_from_object=item.frame_from_object, color=item.color
                )
        environment = update.scene.environment
        return CollisionScene(
            update.stamp_ns,
            update.frame_id,
            bodies,
            observed_supports(update) if environment is None else (),
            f"{options.frame_prefix}{SUPPORT_NAME}",
            environment,
            f"{options.frame_prefix}{ENVIRONMENT_NAME}",
        )

    def _cached_body(self, item: SceneObject, options: CollisionOptions) -> _CachedBody:
        shape, padding = options.shape, options.padding
        cached = self._cached.get(item.id)
        if cached is not None and (cached.shape, cached.padding) == (shape, padding):
            # Against the mesh that the body was made from, so that small changes do not add up.
            if same_mesh(cached.mesh, item.mesh) or _is_alike(cached.mesh, item.mesh):
                return cached
        return _CachedBody(item.mesh, shape, padding, collision_body(item, shape, padding))


def same_mesh(one: Mesh, other: Mesh) -> bool:
    """Return whether two meshes have the same vertices and faces."""
    return np.array_equal(one.faces, other.faces) and np.array_equal(one.vertices, other.vertices)


def _is_alike(one: Mesh, other: Mesh) -> bool:
    """Return whether every vertex lies within the tolerance of one of the other mesh."""
    if not (len(one.vertices) and len(other.vertices)):
        return False
    sets, tolerance = (one.vertices, other.vertices), SHAPE_TOLERANCE_M
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
