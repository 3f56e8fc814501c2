"""Triangles to depth, id and normal images: a z-buffer in numpy, so that no display is needed.

Triangles are sorted into buckets by the size of their bounding boxes; all pixels of all triangles
of a bucket are tested at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.mesh_measures import is_watertight, unit

NEAR_M = 0.01
BACKGROUND = -1
# Box edges [pixels] of the buckets; a box beyond the last one is tested in tiles of that size.
SMALLEST_BOX = 4
LARGEST_BOX = 256
# Pixels tested at once, which bounds the memory at about 100 MB.
BATCH_PIXELS = 1 << 20


@dataclass(frozen=True)
class Rendering:
    """What a camera sees of some meshes.

    Attributes:
        depth: (H, W) float32, distance along the optical axis [m], infinite where nothing is.
        ids: (H, W) int32, index of the mesh, -1 where nothing is.
        normals: (H, W, 3) float32 unit surface normals in the camera frame, 0 where nothing is.
    """

    depth: np.ndarray
    ids: np.ndarray
    normals: np.ndarray


def render(meshes_camera: Sequence[Mesh], camera: Camera, outer_sides: bool = False) -> Rendering:
    """Render meshes given in the camera's frame; lens distortion is ignored.

    Both sides of a triangle are seen. A triangle with a corner nearer than 1 cm is left out.

    Args:
        meshes_camera: meshes in the optical frame [m].
        camera: intrinsics of the image; pixel centres have integer coordinates.
        outer_sides: whether closed meshes are seen from outside only, which takes half the time.
    """
    triangles = _Triangles.project(meshes_camera, camera, outer_sides)
    inverse_depth = np.zeros(camera.height * camera.width)
    winner = np.full(camera.height * camera.width, BACKGROUND, np.int64)
    for batch in _batches(triangles):
        _draw(triangles, *batch, camera.width, inverse_depth, winner)
    return _shade(triangles, meshes_camera, camera, inverse_depth, winner)


@dataclass(frozen=True)
class _Triangles:
    """T projected triangles.

    Attributes:
        edges: (T, 3, 3) float64; edges[t] @ (u, v, 1) are the barycentric coordinates of a pixel.
        inverse_z: (T, 3) float64, 1 / depth of the corners [1/m], linear over the image.
        low, high: (T, 2) int64 first and last pixel (u, v) of the box inside the image.
        mesh: (T,) int32 index of the mesh; face: (T,) int64 index of its face.
    """

    edges: np.ndarray
    inverse_z: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mesh: np.ndarray
    face: np.ndarray

    @classmethod
    def project(
        cls, meshes_camera: Sequence[Mesh], camera: Camera, outer_sides: bool
    ) -> _Triangles:
        corners = [mesh.vertices[mesh.faces] for mesh in meshes_camera]
        counts = [len(c) for c in corners]
        corners = np.concatenate([*corners, np.empty((0, 3, 3))]).astype(np.float64)
        mesh = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        face = np.concatenate([*map(np.arange, counts), np.empty(0, np.int64)])
        near = corners[..., 2].min(1, initial=np.inf) > NEAR_M
        if outer_sides:
            closed = np.array(
                [is_watertight(m.faces, len(m.vertices)) for m in meshes_camera], bool
            )
            outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            from_behind = np.einsum("ti,ti->t", outward, corners[:, 0]) > 0
            near &= ~(closed[mesh] & from_behind)
        keep = np.flatnonzero(near)
        corners, mesh, face = corners[keep], mesh[keep], face[keep]
        pixels = camera.project(corners.reshape(-1, 3)).reshape(-1, 3, 2)
        size = np.array([camera.width, camera.height])
        low = np.maximum(np.ceil(pixels.min(1)), 0)
        high = np.minimum(np.floor(pixels.max(1)), size - 1)
        homogeneous = np.concatenate([pixels, np.ones((*pixels.shape[:2], 1))], -1)
        visible = np.all(low <= high, 1) & (np.abs(np.linalg.det(homogeneous)) > 1e-9)
        return cls(
            edges=np.linalg.inv(homogeneous[visible].transpose(0, 2, 1)),
            inverse_z=1 / corners[visible, :, 2],
            low=low[visible].astype(np.int64),
            high=high[visible].astype(np.int64),
            mesh=mesh[visible],
            face=face[visible],
        )


def _batches(triangles: _Triangles) -> Iterator[tuple[np.ndarray, np.ndarray, int, int]]:
    """Yield boxes of one size to test: triangle (B,), first pixel (B, 2), width and height."""
    size = triangles.high - triangles.low + 1
    # Large boxes are tested in tiles.
    tiles = -(-size // LARGEST_BOX)
    counts = tiles.prod(1)
    triangle = np.repeat(np.arange(len(size)), counts)
    tile = np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = tiles[triangle, 0]
    offset = LARGEST_BOX * np.column_stack([tile % columns, tile // columns])
    first, size = triangles.low[triangle] + offset, size[triangle] - offset
    size = np.minimum(size, LARGEST_BOX)
    bucket = np.maximum(np.exp2(np.ceil(np.log2(size))).astype(np.int64), SMALLEST_BOX)
    for width, height in np.unique(bucket, axis=0).tolist():
        members = np.flatnonzero((bucket == (width, height)).all(1))
        count = max(1, BATCH_PIXELS // (width * height))
        for start in range(0, len(members), count):
            chosen = members[start : start + count]
            yield triangle[chosen], first[chosen], width, height


def _draw(
    triangles: _Triangles,
    t: np.ndarray,
    first: np.ndarray,
    width: int,
    height: int,
    image_width: int,
    inverse_depth: np.ndarray,
    winner: np.ndarray,
) -> None:
    """Enter the pixels of a batch of triangles t (B,) that are nearer than what was there."""
    v, u = np.mgrid[:height, :width].reshape(2, -1)
    edges = triangles.edges[t]
    at_first = np.einsum("bij,bj->bi", edges[:, :, :2], first) + edges[:, :, 2]
    inside = np.ones((len(t), len(u)), bool)
    inverse_z = np.zeros((len(t), len(u)))
    for corner in range(3):
        weight = np.outer(edges[:, corner, 0], u) + np.outer(edges[:, corner, 1], v)
        weight += at_first[:, corner, None]
        inside &= weight >= -1e-9
        inverse_z += weight * triangles.inverse_z[t, corner, None]
    last = triangles.high[t]
    inside &= (first[:, :1] + u <= last[:, :1]) & (first[:, 1:] + v <= last[:, 1:])
    box, cell = np.nonzero(inside)
    pixel = (first[box, 1] + v[cell]) * image_width + first[box, 0] + u[cell]
    value = inverse_z[box, cell]
    np.maximum.at(inverse_depth, pixel, value)
    nearest = inverse_depth[pixel] == value
    winner[pixel[nearest]] = t[box[nearest]]


def _shade(
    triangles: _Triangles,
    meshes_camera: Sequence[Mesh],
    camera: Camera,
    inverse_depth: np.ndarray,
    winner: np.ndarray,
) -> Rendering:
    shape = (camera.height, camera.width)
    pixel = np.flatnonzero(winner != BACKGROUND)
    t = winner[pixel]
    depth = np.full(winner.shape, np.inf, np.float32)
    depth[pixel] = 1 / inverse_depth[pixel]
    ids = np.full(winner.shape, BACKGROUND, np.int32)
    ids[pixel] = triangles.mesh[t]
    v, u = np.divmod(pixel, camera.width)
    weights = np.einsum("pij,pj->pi", triangles.edges[t], np.column_stack([u, v, np.ones(len(u))]))
    weights *= triangles.inverse_z[t] * depth[pixel, None]
    # The vertex normals of all meshes, and all faces among them.
    normals = [np.zeros((0, 3)), *map(vertex_normals, meshes_camera)]
    at_corners = np.concatenate(normals).astype(np.float32)
    first = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes_camera)])
    faces = [mesh.faces + start for mesh, start in zip(meshes_camera, first, strict=False)]
    corner = np.concatenate([np.zeros((0, 3), np.int64), *faces])
    starts = np.cumsum([0, *(len(mesh.faces) for mesh in meshes_camera)])
    of_pixel = corner[starts[triangles.mesh[t]] + triangles.face[t]]
    weights = weights.astype(np.float32)
    shown = sum(weights[:, i, None] * at_corners[of_pixel[:, i]] for i in range(3))
    normals = np.zeros((len(winner), 3), np.float32)
    if len(pixel):
        normals[pixel] = unit(shown)
    return Rendering(depth.reshape(shape), ids.reshape(shape), normals.reshape(*shape, 3))


def scaled_camera(camera: Camera, width: int, height: int) -> Camera:
    """Return the camera of the same image resized; pixel centres have integer coordinates."""
    scale = np.array([width / camera.width, height / camera.height])
    k = camera.k.copy()
    k[:2] *= scale[:, None]
    k[:2, 2] += 0.5 * scale - 0.5
    return Camera(width, height, k)


def vertex_normals(mesh: Mesh) -> np.ndarray:
    """Return unit normals (V, 3) float64 of the vertices, faces weighted by their areas."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    area = np.cross(b - a, c - a)
    total = np.zeros((len(mesh.vertices), 3))
    for axis in range(3):
        for corner in range(3):
            total[:, axis] += np.bincount(
                mesh.faces[:, corner], area[:, axis], minlength=len(mesh.vertices)
            )
    return unit(total)
