"""A grid of signed distances becomes one closed mesh; its frame; its agreement with points."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from iscene_ros.core.frames import Cube
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.decimation import decimate_closed
from iscene_ros.geometry.marching_cubes import mesh_from_distance, zero_surface
from iscene_ros.geometry.mesh_measures import is_watertight, signed_volume
from iscene_ros.geometry.object_frame import object_frame, tightest_yaw
from iscene_ros.geometry.surface_distance import (
    Surface,
    depth_residual,
    observed_fraction,
    sample_surface,
)

RESOLUTION = 32
CUBE = Cube(np.array([0.1, 1.0, -0.3]), 0.2)
VOXEL = CUBE.size / RESOLUTION
POINTS = CUBE.voxel_centers_aligned(RESOLUTION) - CUBE.center_aligned


def sphere(radius, center=(0.0, 0.0, 0.0)):
    return np.linalg.norm(POINTS - center, axis=-1) - radius


def box(half, points=POINTS):
    q = np.abs(points) - half
    return np.linalg.norm(np.maximum(q, 0), axis=-1) + np.minimum(q.max(-1), 0)


def volume(mesh):
    return signed_volume(mesh.vertices.astype(float), mesh.faces).sum()


def assert_closed(mesh, bodies=1):
    body = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert is_watertight(mesh.faces, len(mesh.vertices))
    assert body.is_watertight and body.is_winding_consistent
    assert bodies is None or body.body_count == bodies
    assert volume(mesh) > 0


def test_a_sphere_lies_where_it_is_and_points_outward():
    mesh = mesh_from_distance(sphere(0.07), CUBE)
    assert_closed(mesh)
    assert mesh.vertices.dtype == np.float32 and mesh.faces.dtype == np.int32
    radii = np.linalg.norm(mesh.vertices - CUBE.center_aligned, axis=1)
    assert np.abs(radii - 0.07).max() < 0.02 * VOXEL
    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * 0.07**3, rel=5e-3)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 40.0])
def test_the_unit_of_the_distance_does_not_matter(scale):
    mesh = mesh_from_distance(np.clip(scale * box(np.array([0.06, 0.04, 0.05])), -1, 1), CUBE)
    assert_closed(mesh)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([0.12, 0.08, 0.1], abs=0.3 * VOXEL)


def test_an_object_seen_in_two_parts_keeps_both():
    parts = np.minimum(sphere(0.04, (-0.05, 0, 0)), sphere(0.03, (0.06, 0, 0)))
    mesh = mesh_from_distance(parts, CUBE, 1000)
    assert_closed(mesh, bodies=2)
    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * (0.04**3 + 0.03**3), rel=0.025)


def test_floaters_are_dropped_and_cavities_filled():
    shell = np.maximum(sphere(0.06), -sphere(0.03))
    mesh = mesh_from_distance(np.minimum(shell, sphere(0.01, (0.085, 0.085, 0.085))), CUBE)
    assert_closed(mesh)
    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * 0.06**3, rel=1e-2)


def test_a_bowl_keeps_its_hollow():
    bowl = np.maximum(np.abs(sphere(0.07)) - 0.006, POINTS[..., 2])
    mesh = mesh_from_distance(bowl, CUBE)
    assert_closed(mesh)
    expected = 2 / 3 * np.pi * (0.076**3 - 0.064**3)
    assert volume(mesh) == pytest.approx(expected, rel=0.05)


def test_a_wall_thinner_than_a_voxel_stays_whole():
    axis = np.array([1.0, 2.0, 2.0]) / 3
    rotation = np.linalg.svd(axis[None])[2].T[:, ::-1]
    plate = box(np.array([0.06, 0.05, 0.35 * VOXEL]), POINTS @ rotation)
    mesh = mesh_from_distance(plate, CUBE)
    assert_closed(mesh)
    body = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert body.area == pytest.approx(2 * 0.12 * 0.1, rel=0.1)


def test_a_body_that_leaves_the_cube_is_closed_at_its_faces():
    mesh = mesh_from_distance(sphere(0.12), CUBE)
    assert_closed(mesh)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([0.2] * 3, abs=0.5 * VOXEL)
    full = mesh_from_distance(-np.ones((8, 8, 8)), CUBE)
    assert_closed(full)


def test_nothing_inside_gives_nothing():
    assert mesh_from_distance(np.ones((8, 8, 8), np.float32), CUBE) is None


def test_one_voxel_gives_a_small_closed_body():
    distance = np.ones((8, 8, 8), np.float32)
    distance[3, 4, 5] = -1
    mesh = mesh_from_distance(distance, CUBE)
    assert_closed(mesh)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.6, 1.5]), st.sampled_from([100, 1000]))
def test_any_field_gives_a_closed_mesh(seed, correlation, faces):
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(12, 12, 12))
    field = gaussian_filter(field, correlation)
    mesh = mesh_from_distance(field.astype(np.float32), CUBE, faces)
    assert_closed(mesh, bodies=None)


@pytest.mark.parametrize("faces", [200, 1000, 5000])
def test_the_budget_of_faces_is_kept(faces):
    mesh = mesh_from_distance(box(np.array([0.06, 0.04, 0.05])), CUBE, faces)
    assert_closed(mesh)
    assert len(mesh.faces) <= faces
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([0.12, 0.08, 0.1], abs=0.3 * VOXEL)


def test_a_torn_sheet_keeps_its_budget():
    noise = gaussian_filter(np.random.default_rng(3).normal(size=(RESOLUTION,) * 3), 0.7)
    sheet = box(np.array([0.08, 0.08, 0.6 * VOXEL]))
    torn = (sheet + (0.5 * noise / noise.std() + 0.55) * VOXEL).astype(np.float32)
    for upsample in (1, 2):  # so many tunnels it has that collapses pinch it
        corners, triangles = decimate_closed(*zero_surface(torn, upsample), 400)
        assert_closed(Mesh(corners.astype(np.float32), triangles), bodies=None)
        assert len(triangles) <= 1.1 * 400


def test_same_input_same_bytes():
    first, second = (mesh_from_distance(sphere(0.07), CUBE, 1000) for _ in range(2))
    assert first.vertices.tobytes() == second.vertices.tobytes()
    assert first.faces.tobytes() == second.faces.tobytes()


def cuboid(extents, transform):
    body = trimesh.creation.box(extents)
    return Mesh((body.vertices @ transform[:3, :3].T + transform[:3, 3]), body.faces)


@given(
    st.floats(-0.78, 0.78),
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.integers(0, 10**6),
)
@settings(max_examples=30, deadline=None)
def test_the_frame_of_a_cuboid_is_its_own(yaw, position, seed):
    frame_from_box = trimesh.transformations.rotation_matrix(yaw, [0, 0, 1])
    frame_from_box[:3, 3] = position
    frame_from_mesh = trimesh.transformations.random_rotation_matrix(
        np.random.default_rng(seed).random(3)
    )
    mesh = cuboid([0.3, 0.1, 0.2], np.linalg.inv(frame_from_mesh) @ frame_from_box)
    placed = object_frame(mesh, frame_from_mesh, np.array([0, 0, 2.0]))
    # Small yaws are taken for none where the box hardly grows.
    np.testing.assert_allclose(placed.frame_from_object, frame_from_box, atol=0.01)
    np.testing.assert_allclose(placed.size, [0.3, 0.1, 0.2], atol=0.003)
    low, high = placed.mesh.vertices.min(axis=0), placed.mesh.vertices.max(axis=0)
    np.testing.assert_allclose(low, -high, atol=1e-6)


@pytest.mark.parametrize("up", [(0, -1, 0), (0, -0.6, -0.8), (1, 0, 0), (0, 0, -1)])
def test_the_frame_is_upright_whatever_way_up_points(up):
    mesh = mesh_from_distance(box(np.array([0.06, 0.04, 0.05])), CUBE, 500)
    placed = object_frame(mesh, np.eye(4), np.array(up, float))
    rotation = placed.frame_from_object[:3, :3]
    np.testing.assert_allclose(rotation[:, 2], up, atol=1e-9)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) > 0
    back = placed.mesh.transformed(placed.frame_from_object)
    np.testing.assert_allclose(back.vertices, mesh.vertices, atol=1e-6)


def test_the_frame_of_a_round_object_stands_still():
    angles = np.linspace(0, 2 * np.pi, 200)
    for shift in (0.0, 0.3, 1.1):
        circle = np.column_stack([np.cos(angles + shift), np.sin(angles + shift)])
        assert abs(tightest_yaw(circle)) < 0.02


def test_points_on_one_line_have_a_yaw():
    line = np.outer(np.linspace(0, 1, 5), [np.cos(0.3), np.sin(0.3)])
    assert tightest_yaw(line) == pytest.approx(0.3)


def test_distance_to_the_surface_of_a_cuboid_is_exact():
    mesh = cuboid([0.2, 0.2, 0.2], np.eye(4))
    points = np.array([[0, 0, 0.13], [0.1, 0.05, 0.02], [0.0, 0.0, 0.0], [0.13, 0.14, 0.0]])
    np.testing.assert_allclose(Surface(mesh).distance(points), [0.03, 0, 0.1, 0.05], atol=1e-9)


def test_the_observed_share_of_a_cuboid_seen_from_above_is_one_face():
    mesh = cuboid([0.2, 0.2, 0.2], np.eye(4))
    x, y = np.meshgrid(np.linspace(-0.1, 0.1, 60), np.linspace(-0.1, 0.1, 60))
    top = np.column_stack([x.ravel(), y.ravel(), np.full(x.size, 0.1)])
    assert observed_fraction(mesh, top, tolerance=0.004) == pytest.approx(1 / 6, abs=0.03)
    assert observed_fraction(mesh, top[:0], tolerance=0.004) == 0.0


def test_the_residual_is_the_median_distance_of_the_points():
    mesh = mesh_from_distance(sphere(0.07), CUBE)
    points = sample_surface(mesh, 5000, seed=4)
    outward = (points - CUBE.center_aligned) / 0.07
    assert depth_residual(mesh, points) < 1e-5
    assert depth_residual(mesh, points + 0.002 * outward) == pytest.approx(0.002, rel=0.02)
    assert np.isnan(depth_residual(mesh, points[:0]))
