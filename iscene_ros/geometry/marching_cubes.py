"""From a grid of signed distances to closed surfaces."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import marching_cubes

from iscene_ros.core.frames import Cube
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.decimation import decimate

# Samples closer to the surface than this share of a voxel are moved away, so that no triangle
# degenerates where the surface runs through a sample.
SNAP = 0.01

# Collapsing edges of thin parts may pinch the surface; then it is tried in other orders, and with
# as many faces as these factors allow.
AGGRESSIVENESS = (7.0, 5.0, 9.0)
RELAXED_BUDGETS = (1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 10.0, 15.0)

Repair = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

# A surface that needs more than MOST_OVER times its budget has tunnels that so few triangles cannot
# hold; it may be cut again from a field that is smoother by these standard deviations [voxels].
MOST_OVER = 2.0
SMOOTHINGS = (0.5, 1.0)

# Bodies of less than this share of the largest one's volume are crumbs.
LEAST_SHARE = 0.02

# Doubled area of the smallest triangle that counts, in squared voxels.
SMALLEST_TRIANGLE = 1e-6


def mesh_from_distance(
    distance: np.ndarray,
    cube: Cube,
    faces: int = 5000,
    upsample: int = 2,
    least_share: float = LEAST_SHARE,
    smoothings: tuple[float, ...] = (),
) -> Mesh | None:
    """The large bodies of a signed distance field as a closed mesh.

    An object that was seen on both sides of what hides its middle may have several. Crumbs are
    dropped, cavities that nothing outside reaches are filled, and a body that leaves the cube is
    closed at the cube's faces. The same input gives the same bytes.

    Args:
        distance: (R, R, R) float32 at the voxel centres of `cube`, indexed x, y, z, negative
            inside: metres, or anything monotone in them.
        cube: where the samples lie.
        faces: triangle budget; exceeded only where no smaller closed mesh was found.
        upsample: factor of the tricubic refinement before the surface is cut out; it keeps walls
            of less than a voxel whole (1 = none).
        least_share: of the largest body's volume that another must have.
        smoothings: standard deviations [voxels] that the field may be smoothed by where its
            surface takes more than twice the budget.

    Returns:
        The mesh in view space [m], or None where nothing is inside.
    """
    closed = _closed_surface(distance, faces, upsample, least_share, smoothings)
    if closed is None:
        return None
    corners, triangles = closed
    points_cube = cube_points(corners, len(distance), upsample)
    return Mesh(cube.to_aligned(points_cube).astype(np.float32), triangles.astype(np.int32))


def _closed_surface(
    distance: np.ndarray,
    faces: int,
    upsample: int,
    least_share: float,
    smoothings: tuple[float, ...],
) -> tuple[np.ndarray, np.ndarray] | None:
    """The surface of the least smoothed field that keeps to the budget, or of the one nearest."""
    best = None
    for sigma in (0.0, *smoothings):
        smooth = ndimage.gaussian_filter(distance, sigma) if sigma else distance
        surface = zero_surface(smooth, upsample)
        if surface is None:
            break
        corners, triangles, _ = large_bodies(*surface, least_share)
        found = simplified(corners, triangles, faces)
        if best is None or len(found[1]) < len(best[1]):
            best = found
        if len(best[1]) <= MOST_OVER * faces:
            break
    return best


def zero_surface(distance: np.ndarray, upsample: int) -> tuple[np.ndarray, np.ndarray] | None:
    """All closed surfaces at the zero of a field as of `mesh_from_distance`.

    Returns:
        (V, 3) float64 corners, for `cube_points`, and (F, 3) triangles; None where nothing is
        inside.
    """
    if not np.any(distance < 0):
        return None
    padded = np.pad(np.asarray(distance, np.float32), 1, mode="edge")
    refined = _outside_at_border(_refined(_outside_at_border(padded), upsample))
    if not np.any(refined < 0):
        return None
    corners, triangles, _, _ = marching_cubes(_off_surface(refined), 0.0)
    return corners.astype(np.float64), triangles


def cube_points(corners: np.ndarray, resolution: int, upsample: int) -> np.ndarray:
    """Cube coordinates in [-0.5, 0.5] of (V, 3) corners of `zero_surface`."""
    # Index i of the refined grid lies (i + 0.5) / upsample voxels from the border of the padding.
    return ((corners + 0.5) / upsample - 1.0) / resolution - 0.5


def is_watertight(triangles: np.ndarray, vertex_count: int) -> bool:
    """Whether each edge of the (F, 3) triangles is used exactly once in each direction."""
    start, end = triangles, np.roll(triangles, -1, axis=1)
    edges = np.sort((start.astype(np.int64) * vertex_count + end).ravel())
    opposite = np.sort((end.astype(np.int64) * vertex_count + start).ravel())
    return bool(np.array_equal(edges, opposite) and np.all(edges[1:] > edges[:-1]))


def signed_volume(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(F,) volume between each triangle and the origin; their sum is the volume of the body."""
    a, b, c = np.moveaxis(vertices[triangles], 1, 0)
    return np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0


def bodies(corners: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F,) number of the connected surface of each triangle, and (B,) the volumes in them.

    Surfaces of cavities have a negative volume.
    """
    start, end = triangles[:, :2].ravel(), triangles[:, 1:].ravel()
    links = coo_array((np.ones(len(start), bool), (start, end)), shape=(len(corners),) * 2)
    _, body_of_corner = connected_components(links, directed=False)
    body = body_of_corner[triangles[:, 0]]
    return body, np.bincount(body, weights=signed_volume(corners, triangles))


def used_corners(
    corners: np.ndarray, triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The corners that triangles use, the triangles among these, and the rows of the corners."""
    used, renumbered = np.unique(triangles, return_inverse=True)
    return corners[used], renumbered.reshape(-1, 3), used


def large_bodies(
    corners: np.ndarray, triangles: np.ndarray, least_share: float = LEAST_SHARE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `used_corners`, of the bodies that are no crumbs and no cavities."""
    body, volumes = bodies(corners, triangles)
    is_large = (volumes > 0) & (volumes >= least_share * volumes.max())
    return used_corners(corners, triangles[is_large[body]])


def simplified(
    corners: np.ndarray, triangles: np.ndarray, faces: int, repair: Repair | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """At most `faces` triangles where edge collapses keep the surface closed, else a few more.

    Args:
        corners: (V, 3) float64 [cells of the grid that the surface was cut from].
        triangles: (F, 3), closed.
        faces: triangle budget.
        repair: applied to the outcome of collapses, before it is judged.
    """
    for factor in RELAXED_BUDGETS:
        budget = int(factor * faces)
        if budget >= len(triangles):
            break
        for aggressiveness in AGGRESSIVENESS:
            fewer = decimate(corners, triangles, budget, aggressiveness)
            if len(fewer[1]) > RELAXED_BUDGETS[1] * budget:
                continue
            fewer = fewer if repair is None else repair(*fewer)
            if _is_sound(*fewer):
                return fewer
    return corners, triangles


def _outside_at_border(distance: np.ndarray) -> np.ndarray:
    """The field with its outermost layer positive: mirrored, so that bodies end half a voxel in."""
    interior = np.zeros(distance.shape, bool)
    interior[1:-1, 1:-1, 1:-1] = True
    return np.where(interior, distance, np.abs(distance))


def _refined(distance: np.ndarray, factor: int) -> np.ndarray:
    if factor == 1:
        return distance
    spline = _spline_matrix(len(distance), factor)
    for _ in range(3):
        distance = np.tensordot(distance, spline, (0, 1))
    return distance


@lru_cache(maxsize=8)
def _spline_matrix(count: int, factor: int) -> np.ndarray:
    """(factor * count, count) float32 cubic spline interpolation; 100 times faster than zoom."""
    identity = np.eye(count)
    return ndimage.zoom(identity, (factor, 1), order=3, mode="nearest", grid_mode=True).astype(
        np.float32
    )


def _off_surface(distance: np.ndarray) -> np.ndarray:
    """The field without samples on the surface itself."""
    snap = np.float32(SNAP * _step_at_surface(distance))
    near = np.abs(distance) < snap
    return np.where(near, np.where(distance < 0, -snap, snap), distance)


def _step_at_surface(distance: np.ndarray) -> float:
    """How much the field typically changes over one voxel across the surface."""
    steps = []
    for axis in range(3):
        ahead = np.moveaxis(distance, axis, 0)
        crosses = (ahead[1:] < 0) != (ahead[:-1] < 0)
        steps.append(np.abs(ahead[1:][crosses] - ahead[:-1][crosses]))
    return float(np.median(np.concatenate(steps)))


def _is_sound(corners: np.ndarray, triangles: np.ndarray) -> bool:
    if len(triangles) < 4 or not is_watertight(triangles, len(corners)):
        return False
    a, b, c = np.moveaxis(corners[triangles], 1, 0)
    doubled_area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    volume = signed_volume(corners, triangles).sum()
    return bool(doubled_area.min() > SMALLEST_TRIANGLE and volume > 0)
