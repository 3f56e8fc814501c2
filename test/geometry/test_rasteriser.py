import time

import numpy as np
import pytest
import trimesh

from iscene_ros.core.camera import Camera
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.rasteriser import render, scaled_camera, vertex_normals

CAMERA = Camera(160, 120, np.array([[130.0, 0, 79.5], [0, 130, 59.5], [0, 0, 1]]))


def sphere(center: tuple[float, float, float], radius: float, subdivisions: int = 4) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Mesh((made.vertices + center).astype(np.float32), made.faces.astype(np.int32))


def quad(corners: list[list[float]]) -> Mesh:
    return Mesh(np.array(corners, np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.int32))


def rays(camera: Camera) -> np.ndarray:
    v, u = np.mgrid[: camera.height, : camera.width]
    return camera.unproject(np.column_stack([u.ravel(), v.ravel()]), np.ones(u.size))


def test_plane_is_exact() -> None:
    normal, offset = np.array([0.3, -0.4, 1.0]), 1.5
    corners = [
        [x, y, offset - 0.3 * x + 0.4 * y] for x, y in ((-2, -1), (2, -1), (2, 1.2), (-2, 1.2))
    ]
    rendering = render([quad(corners)], CAMERA)
    expected = (offset / (rays(CAMERA) @ normal)).reshape(rendering.depth.shape)
    np.testing.assert_allclose(rendering.depth, expected, rtol=1e-5)
    assert (rendering.ids == 0).all()
    direction = rendering.normals @ (normal / np.linalg.norm(normal))
    np.testing.assert_allclose(np.abs(direction), 1, atol=1e-5)


def test_sphere_agrees_with_the_analytic_one() -> None:
    center, radius = np.array([0.05, -0.03, 0.8]), 0.2
    rendering = render([sphere(tuple(center), radius)], CAMERA)
    direction = rays(CAMERA)
    a, b = (direction**2).sum(1), direction @ center
    discriminant = b**2 - a * (center @ center - radius**2)
    # The tessellated outline lies a little inside the true one.
    surely = (discriminant > 0.02).reshape(rendering.ids.shape)
    assert (rendering.ids[surely] == 0).all()
    assert (rendering.ids[(discriminant < 0).reshape(surely.shape)] == -1).all()
    depth = ((b - np.sqrt(np.maximum(discriminant, 0))) / a).reshape(surely.shape)
    np.testing.assert_allclose(rendering.depth[surely], depth[surely], atol=1e-3)
    points = direction.reshape(*surely.shape, 3)[surely] * depth[surely][:, None]
    np.testing.assert_allclose(rendering.normals[surely], (points - center) / radius, atol=0.02)


def test_nearer_mesh_wins_and_background_is_infinite() -> None:
    rendering = render([sphere((0, 0, 1.0), 0.2), sphere((0, 0, 0.6), 0.05)], CAMERA)
    assert rendering.ids[60, 80] == 1 and rendering.ids[60, 92] == 0
    assert rendering.ids[0, 0] == -1 and np.isinf(rendering.depth[0, 0])
    swapped = render([sphere((0, 0, 0.6), 0.05), sphere((0, 0, 1.0), 0.2)], CAMERA)
    np.testing.assert_array_equal(rendering.depth, swapped.depth)


def test_watertight_without_cracks() -> None:
    for subdivisions in (1, 3, 5):
        ids = render([sphere((0, 0, 0.5), 0.15, subdivisions)], CAMERA).ids
        columns = np.flatnonzero((ids == 0).any(0))
        for column in columns:
            rows = np.flatnonzero(ids[:, column] == 0)
            assert len(rows) == np.ptp(rows) + 1


def test_behind_the_camera_and_outside() -> None:
    behind, outside = sphere((0, 0, -1), 0.2), sphere((9, 0, 1), 0.2)
    around = sphere((0, 0, 0.0), 2.0)
    rendering = render([behind, outside], CAMERA)
    assert (rendering.ids == -1).all()
    assert (render([around], CAMERA).ids[60] == 0).all()
    assert (render([], CAMERA).ids == -1).all()


def test_degenerate_triangles_are_left_out() -> None:
    flat = Mesh(np.array([[0, 0, 1], [0.1, 0, 1], [0.2, 0, 1]], np.float32), np.array([[0, 1, 2]]))
    assert (render([flat], CAMERA).ids == -1).all()
    np.testing.assert_allclose(vertex_normals(flat), 0)


def test_scaled_camera_sees_the_same() -> None:
    meshes = [sphere((0.1, 0, 0.8), 0.2)]
    fine = render(meshes, scaled_camera(CAMERA, 480, 360)).depth[1::3, 1::3]
    coarse = render(meshes, CAMERA).depth
    both = np.isfinite(fine) & np.isfinite(coarse)
    assert both.sum() > 1000
    np.testing.assert_allclose(fine[both], coarse[both], atol=1e-6)


def test_large_pictures_are_tiled() -> None:
    camera = scaled_camera(CAMERA, 1200, 900)
    rendering = render([quad([[-3, -3, 1], [3, -3, 1], [3, 3, 1], [-3, 3, 1]])], camera)
    np.testing.assert_allclose(rendering.depth, 1, rtol=1e-6)


@pytest.mark.parametrize("count", [8])
def test_speed(count: int) -> None:
    camera = scaled_camera(CAMERA, 640, 480)
    meshes = [sphere((0.2 * (i % 4) - 0.3, 0.3 * (i // 4) - 0.15, 0.9), 0.12) for i in range(count)]
    started = time.process_time()
    render(meshes, camera)
    # 0.2 s on a quiet core.
    assert time.process_time() - started < 1.5


def test_from_outside_a_closed_mesh_looks_the_same_without_its_far_side() -> None:
    ball, wall = sphere((0, 0, 1), 0.2), quad([[-1, -1, 2], [1, -1, 2], [1, 1, 2], [-1, 1, 2]])
    behind = Mesh(wall.vertices, wall.faces[:, ::-1])
    for meshes in ([ball, wall], [ball, behind], []):
        whole, outer = (render(meshes, CAMERA, outer_sides=o) for o in (False, True))
        np.testing.assert_array_equal(whole.ids, outer.ids)
        np.testing.assert_array_equal(whole.depth, outer.depth)
        np.testing.assert_array_equal(whole.normals, outer.normals)
    inside = sphere((0, 0, 0), 1.0)
    assert (render([inside], CAMERA, outer_sides=True).ids == -1).all()
