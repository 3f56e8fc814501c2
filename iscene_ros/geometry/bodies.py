"""Completed objects as bodies in an upright frame, with how far their surfaces may be off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from iscene_ros.core.scene import Scene, SceneObject
from iscene_ros.geometry.mesh_measures import volume_and_center
from iscene_ros.geometry.object_frame import upright_axes

# The object's cube is longer than the object, and has this many voxels along its edge: for scenes
# that were read from files and no longer know their voxels.
USUAL_RESOLUTION = 32
USUAL_ROOM = 1.4

# Standard deviation of a surface from the grid behind it, as a share of a voxel; and of a normal
# distribution from the median of its absolute values.
SIGMA_OF_VOXEL = 0.25
SIGMA_OF_MEDIAN = 1.4826

# An unseen surface is off by this share of the object's size where nothing was recognised.
UNSEEN_SHARE = 0.05


@dataclass(frozen=True)
class Body:
    """One object in the upright frame: z against gravity, the origin that of the scene's frame.

    Attributes:
        id: of the object, positive.
        vertices: (V, 3) float64 [m]; faces: (F, 3) int, counter-clockwise from outside.
        sigma: standard deviation by which a part of the surface may be off [m].
        confidence: expected overlap with the true object, in [0, 1].
        volume: [m^3]; center_of_mass: (3,) float64 [m], for uniform density.
        low, high: (3,) float64 corners of the axis-aligned box [m].
        seen: (M, 3) float64 observed points [m].
    """

    id: int
    vertices: np.ndarray
    faces: np.ndarray
    sigma: float
    confidence: float
    volume: float
    center_of_mass: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seen: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))

    @cached_property
    def points(self) -> np.ndarray:
        """(P, 3) vertices that some face uses [m]."""
        return _used(self.vertices, self.faces)

    @property
    def reach(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners (3,) of the box around the surface and the observed points [m]."""
        points = np.concatenate([self.seen, [self.low, self.high]])
        return points.min(axis=0), points.max(axis=0)

    @property
    def size(self) -> np.ndarray:
        """(3,) edge lengths of the axis-aligned box [m]."""
        return self.high - self.low

    @classmethod
    def of(
        cls,
        body_id: int,
        vertices: np.ndarray,
        faces: np.ndarray,
        sigma: float = 2e-4,
        confidence: float = 1.0,
    ) -> Body | None:
        """A body from a mesh in the upright frame; None without a single finite triangle."""
        vertices = np.asarray(vertices, np.float64).reshape(-1, 3)
        faces = np.asarray(faces, np.int64).reshape(-1, 3)
        faces = faces[np.all(np.isfinite(vertices[faces]).all(axis=2), axis=1)]
        if not len(faces):
            return None
        used = _used(vertices, faces)
        volume, center = volume_and_center(vertices, faces)
        return cls(
            body_id,
            vertices,
            faces,
            float(sigma),
            float(confidence),
            volume,
            center,
            used.min(axis=0),
            used.max(axis=0),
        )


def up_in_frame(scene: Scene) -> np.ndarray | None:
    """(3,) unit direction against gravity in the scene's frame; None where gravity is unknown."""
    gravity = np.asarray(scene.gravity_camera, np.float64)
    length = np.linalg.norm(gravity)
    if gravity.shape != (3,) or not np.isfinite(length) or length < 1e-9:
        return None
    return scene.frame_from_camera[:3, :3] @ (-gravity / length)


def upright_from_frame(up: np.ndarray) -> np.ndarray:
    """(3, 3) rotation into the upright frame; the identity where `up` is the frame's z."""
    return upright_axes(up).T


def bodies_of(
    scene: Scene, upright: np.ndarray, seen: Mapping[int, np.ndarray] | None = None
) -> tuple[Body, ...]:
    """The objects of a scene as bodies; meshes without a finite triangle are left out.

    Args:
        scene: completed.
        upright: (3, 3) rotation of the scene's frame into the upright one.
        seen: observed points (M, 3) by object id in the upright frame [m].
    """
    seen = seen or {}
    found = (_body(item, upright) for item in scene.objects)
    return tuple(
        replace(body, seen=seen[body.id]) if body.id in seen else body
        for body in found
        if body is not None
    )


def surface_sigma(item: SceneObject) -> float:
    """Standard deviation [m] by which a part of the object's surface may be off.

    From the depth residual (what was seen), the voxels of the grid behind the mesh, and, for what
    was not seen, the confidence of the completion.
    """
    residual = item.depth_residual if math.isfinite(item.depth_residual) else 0.0
    seen = SIGMA_OF_MEDIAN * residual
    voxel = voxel_size(item)
    unseen = UNSEEN_SHARE * (1.0 - item.confidence) * float(np.median(item.size))
    return float(np.sqrt(seen**2 + (SIGMA_OF_VOXEL * voxel) ** 2 + unseen**2))


def voxel_size(item: SceneObject) -> float:
    """Edge of a voxel of the grid behind the mesh [m]; estimated where the object does not know."""
    known = getattr(item, "voxel_size", None)
    if known is not None:
        return float(known)
    return USUAL_ROOM * float(np.max(item.size)) / USUAL_RESOLUTION


def _body(item: SceneObject, upright: np.ndarray) -> Body | None:
    rotation = upright @ item.frame_from_object[:3, :3]
    vertices = item.mesh.vertices.astype(np.float64) @ rotation.T
    vertices += upright @ item.frame_from_object[:3, 3]
    return Body.of(item.id, vertices, item.mesh.faces, surface_sigma(item), item.confidence)


def _used(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    return vertices[used]
