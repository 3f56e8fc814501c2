"""Completed objects as bodies in the upright frame, with the uncertainty of their surfaces.

The upright frame has its z axis against gravity and the origin of the scene's frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from iscene_ros.core.observation import Observation, window_of
from iscene_ros.core.scene import Scene, SceneObject
from iscene_ros.geometry.mesh_measures import bounds, used_vertices, volume_and_center

# Standard deviation of a surface that is known exactly, such as a CAD model's [m].
EXACT_SIGMA_M = 2e-4

# Standard deviation of a completed surface due to the grid that it was cut from, as a share of the
# object's longest edge: a quarter of a voxel, where 32 voxels are 1.4 times that edge.
GRID_SHARE = 0.25 * 1.4 / 32

# An unseen surface is off by this share of the object's size where nothing was recognised.
UNSEEN_SHARE = 0.05

# Standard deviation of a normal distribution from the median of its absolute values.
SIGMA_OF_MEDIAN = 1.4826

# At most so many observed points of an object are used.
MAX_OBSERVED_POINTS = 400

# Pixels so close to the border of a mask are left out [pixels of an image 640 wide].
MASK_BORDER = 4.0

# This share of the observed points is left out at either end of each axis.
TRIM = 0.01


@dataclass(frozen=True)
class Body:
    """One object in the upright frame.

    Attributes:
        id: of the object, positive.
        vertices: (V, 3) float64 [m].
        faces: (F, 3) int, counter-clockwise from outside.
        sigma: standard deviation of the surface [m].
        is_exact: whether the surface is known, such as that of a CAD model, and not completed.
        volume: [m^3].
        center_of_mass: (3,) float64, for uniform density [m].
        low, high: (3,) float64 corners of the axis-aligned box [m].
        observed: (M, 3) float64 observed points [m].
    """

    id: int
    vertices: np.ndarray
    faces: np.ndarray
    sigma: float
    is_exact: bool
    volume: float
    center_of_mass: np.ndarray
    low: np.ndarray
    high: np.ndarray
    observed: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))

    @cached_property
    def points(self) -> np.ndarray:
        """(P, 3) vertices that some face uses [m]."""
        return used_vertices(self.vertices, self.faces)

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
        sigma: float = EXACT_SIGMA_M,
        is_exact: bool = True,
    ) -> Body | None:
        """Make a body from a mesh in the upright frame; None without a single finite triangle."""
        vertices = np.asarray(vertices, np.float64).reshape(-1, 3)
        faces = np.asarray(faces, np.int64).reshape(-1, 3)
        finite = np.isfinite(vertices).all(axis=1)
        faces = faces if finite.all() else faces[finite[faces].all(axis=1)]
        if not len(faces):
            return None
        volume, center = volume_and_center(vertices, faces)
        low, high = bounds(used_vertices(vertices, faces))
        return cls(body_id, vertices, faces, float(sigma), is_exact, volume, center, low, high)


def up_in_frame(scene: Scene) -> np.ndarray | None:
    """Return the unit direction (3,) against gravity in the scene's frame; None if unknown."""
    gravity = np.asarray(scene.gravity_camera, np.float64)
    length = np.linalg.norm(gravity)
    if gravity.shape != (3,) or not np.isfinite(length) or length < 1e-9:
        return None
    return scene.frame_from_camera[:3, :3] @ (-gravity / length)


def bodies_of(
    scene: Scene, upright: np.ndarray, observed: Mapping[int, np.ndarray] | None = None
) -> tuple[Body, ...]:
    """Return the objects of a scene as bodies; meshes without a finite triangle are left out.

    Args:
        scene: completed.
        upright: (3, 3) rotation of the scene's frame into the upright one.
        observed: observed points (M, 3) by object id in the upright frame [m].
    """
    bodies = []
    for item in scene.objects:
        rotation = upright @ item.frame_from_object[:3, :3]
        vertices = item.mesh.vertices.astype(np.float64) @ rotation.T
        vertices += upright @ item.frame_from_object[:3, 3]
        is_exact = item.uncertainty == 0.0
        body = Body.of(item.id, vertices, item.mesh.faces, surface_sigma(item), is_exact)
        if body is not None and observed and item.id in observed:
            body = replace(body, observed=observed[item.id])
        bodies.append(body)
    return tuple(body for body in bodies if body is not None)


def observed_points(
    observation: Observation, upright_from_camera: np.ndarray
) -> dict[int, np.ndarray]:
    """Return the observed points (M, 3) of each instance id in the upright frame [m].

    The borders of the masks, where masks and depth are unsure, are left out; instances of which
    less than four points are left have no entry.

    Args:
        observation: rectified, with masks that do not overlap.
        upright_from_camera: (4, 4) rigid transform.
    """
    border = MASK_BORDER * observation.camera.width / 640
    found = {}
    for instance_id, mask in zip(observation.instance_ids, observation.masks, strict=True):
        if not mask.any():
            continue
        window = window_of(mask)
        inner = ndimage.distance_transform_edt(np.pad(mask[window], 1))[1:-1, 1:-1] > border
        rows, columns = np.nonzero(inner & (observation.depth[window] > 0))
        rows, columns = rows + window[0].start, columns + window[1].start
        if len(rows) < 4:
            continue
        step = max(1, len(rows) // MAX_OBSERVED_POINTS)
        rows, columns = rows[::step], columns[::step]
        pixels = np.column_stack([columns, rows])
        points = observation.camera.unproject(pixels, observation.depth[rows, columns])
        points = points @ upright_from_camera[:3, :3].T + upright_from_camera[:3, 3]
        low, high = np.quantile(points, [TRIM, 1 - TRIM], axis=0)
        found[instance_id] = points[np.all((points >= low) & (points <= high), axis=1)]
    return found


def surface_sigma(item: SceneObject) -> float:
    """Return the standard deviation [m] of the object's surface.

    It combines the depth residual (what was observed), the grid that a completed mesh was cut from
    and, for what was not observed, the confidence of the completion. The coefficients of the rules
    are fitted to this. The median of `vertex_sigma` in its place, with coefficients fitted anew,
    was no better: the same edges, most of them with worse probabilities.
    """
    residual = item.depth_residual if math.isfinite(item.depth_residual) else 0.0
    observed = SIGMA_OF_MEDIAN * residual
    if item.uncertainty == 0.0:
        return max(observed, EXACT_SIGMA_M)
    grid = GRID_SHARE * float(np.max(item.size))
    unseen = UNSEEN_SHARE * (1.0 - item.confidence) * float(np.median(item.size))
    return math.sqrt(observed**2 + grid**2 + unseen**2)
