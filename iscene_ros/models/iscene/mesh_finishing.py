"""Cleaning and decimation of a decoder's raw surface to closed meshes with few triangles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import expit

from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.decimation import decimate, decimate_closed
from iscene_ros.geometry.marching_cubes import cube_points, zero_surface
from iscene_ros.geometry.mesh_measures import is_watertight, without_floaters
from iscene_ros.models.iscene.generation import CubeOccupancy, CubeSurface

# Upsampling of occupancy before the surface is extracted.
STRUCTURE_UPSAMPLE = 2


@dataclass(frozen=True)
class FinishedMesh:
    """A completed shape.

    Attributes:
        mesh: in the coordinates that the surface was given in.
        vertex_colors: (V, 3) uint8 RGB, or None.
    """

    mesh: Mesh
    vertex_colors: np.ndarray | None


def finished(shape: CubeSurface | CubeOccupancy, budget: int) -> FinishedMesh | None:
    """Return the mesh of what the model generated, with about `budget` triangles at most."""
    if isinstance(shape, CubeOccupancy):
        return structure_mesh(shape.logits, budget)
    return finished_mesh(shape.vertices, shape.faces, shape.colors, budget)


def finished_mesh(
    vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray | None, budget: int
) -> FinishedMesh | None:
    """Keep the large bodies of a surface and simplify them.

    Floaters are dropped, enclosed cavities are filled. A closed surface stays closed; holes of an
    open one stay open. Each vertex takes the colour of the nearest raw vertex. The same input gives
    the same bytes.

    Args:
        vertices: (V, 3) float32, in any unit.
        faces: (F, 3) int64, counter-clockwise from outside.
        colors: (V, 3) float32 RGB in 0..1, or None.
        budget: about how many triangles to keep; far exceeded only where no smaller closed mesh
            was found.

    Returns:
        None where the surface holds no volume.
    """
    if not len(faces):
        return None
    corners, triangles, used = without_floaters(np.asarray(vertices, np.float64), faces)
    if not len(triangles):
        return None
    # Decimation leaves floaters of its own.
    fewer, fewer_triangles, _ = without_floaters(*_simplified(corners, triangles, budget))
    vertex_colors = None
    if colors is not None:
        nearest = used[cKDTree(corners).query(fewer)[1]]
        vertex_colors = np.round(255 * colors[nearest].clip(0, 1)).astype(np.uint8)
    mesh = Mesh(fewer.astype(np.float32), fewer_triangles.astype(np.int32))
    return FinishedMesh(mesh, vertex_colors)


def structure_mesh(occupancy_logits: np.ndarray, budget: int) -> FinishedMesh | None:
    """Return the surface between occupied and free voxels, without a mesh decoder.

    The published structure occupies the voxels that a surface passes through: the mesh lies about
    half a voxel outside of that surface, and a wall has a thickness.

    Args:
        occupancy_logits: (R, R, R) float32 indexed x, y, z, positive where occupied; voxel i has
            its centre at (i + 0.5) / R - 0.5.
        budget: as for `finished_mesh`.

    Returns:
        The mesh in [-0.5, 0.5]^3 without colours; None where nothing is occupied.
    """
    # Of probabilities, as differences between logits far from 0 mean nothing.
    surface = zero_surface(0.5 - expit(occupancy_logits), STRUCTURE_UPSAMPLE)
    if surface is None:
        return None
    corners = cube_points(surface[0], len(occupancy_logits), STRUCTURE_UPSAMPLE)
    return finished_mesh(corners, surface[1], None, budget)


def _simplified(
    corners: np.ndarray, triangles: np.ndarray, budget: int
) -> tuple[np.ndarray, np.ndarray]:
    if len(triangles) <= budget:
        return corners, triangles
    if not is_watertight(triangles, len(corners)):
        return decimate(corners, triangles, budget)
    starts, ends = corners[triangles[:, 0]], corners[triangles[:, 1]]
    cell = np.median(np.linalg.norm(starts - ends, axis=1))
    # Thin parts may touch after collapses, which costs the surface its two sides at an edge.
    corners, triangles = decimate_closed(corners / cell, triangles, budget)
    return cell * corners, triangles
