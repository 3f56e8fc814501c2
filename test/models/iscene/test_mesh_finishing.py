"""Raw surfaces of a decoder become closed meshes of few triangles, with their colours."""

import decoded_cells
import numpy as np
import pytest
import torch
import trimesh

from iscene_ros.geometry.mesh_measures import is_watertight, signed_volume
from iscene_ros.models.iscene.mesh_finishing import finished_mesh, structure_mesh
from iscene_ros.models.iscene.surface.flexicubes import extract_mesh

RESOLUTION = 32
BUDGET = 800


def color_field(points):
    return 0.5 + 0.8 * points.clip(-0.5, 0.5)


def raw_surface(field, depth=np.inf):
    cells = decoded_cells.cells_of(field, RESOLUTION, depth)
    features = decoded_cells.features_of(field, color_field, cells, RESOLUTION)
    mesh = extract_mesh(cells, features, RESOLUTION)
    return mesh.vertices.numpy(), mesh.faces.numpy(), mesh.colors.numpy()


def either(*fields):
    return lambda points: torch.stack([field(points) for field in fields]).amin(0)


def body(finished):
    mesh = trimesh.Trimesh(finished.mesh.vertices, finished.mesh.faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    return mesh


def ball(radius):
    return 4 / 3 * np.pi * radius**3


def test_a_body_keeps_its_shape_and_colours_with_few_triangles():
    raw = raw_surface(decoded_cells.sphere(0.3))
    finished = finished_mesh(*raw, BUDGET)
    assert len(raw[1]) > 5 * BUDGET >= 5 * len(finished.mesh.faces)
    assert body(finished).volume == pytest.approx(ball(0.3), rel=0.03)
    assert finished.mesh.vertices.dtype == np.float32 and finished.mesh.faces.dtype == np.int32
    assert finished.vertex_colors.dtype == np.uint8
    expected = 255 * color_field(finished.mesh.vertices)
    assert np.abs(finished.vertex_colors - expected).max() < 255 * 0.8 / RESOLUTION


def test_the_same_input_gives_the_same_bytes():
    raw = raw_surface(decoded_cells.torus(0.28, 0.11))
    first, second = finished_mesh(*raw, BUDGET), finished_mesh(*raw, BUDGET)
    assert first.mesh.vertices.tobytes() == second.mesh.vertices.tobytes()
    assert first.mesh.faces.tobytes() == second.mesh.faces.tobytes()
    assert first.vertex_colors.tobytes() == second.vertex_colors.tobytes()


def test_large_bodies_stay_and_floaters_go():
    far = [decoded_cells.sphere(r, c) for r, c in ((0.2, (-0.25, 0, 0)), (0.12, (0.2, 0, 0)))]
    crumb = decoded_cells.sphere(0.04, (0.2, 0.0, 0.3))
    finished = finished_mesh(*raw_surface(either(*far, crumb)), BUDGET)
    parts = body(finished).split()
    assert sorted(part.volume for part in parts) == pytest.approx([ball(0.12), ball(0.2)], rel=0.15)


def test_the_cavity_of_a_shell_is_filled():
    raw = raw_surface(decoded_cells.sphere(0.3), depth=3)
    assert signed_volume(raw[0].astype(float), raw[1]).sum() < 0.8 * ball(0.3)
    finished = finished_mesh(*raw, BUDGET)
    assert body(finished).volume == pytest.approx(ball(0.3), rel=0.03)


def test_bodies_that_touch_stay_closed():
    left, right = (decoded_cells.sphere(0.2, (x, 0.0, 0.0)) for x in (-0.2, 0.2))
    finished = finished_mesh(*raw_surface(either(left, right)), BUDGET)
    assert body(finished).volume == pytest.approx(2 * ball(0.2), rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_even_noise_ends_closed_near_the_budget(seed):
    cells, features = decoded_cells.random_cells(16, 0.4, seed)
    raw = extract_mesh(cells, features, 16)
    finished = finished_mesh(raw.vertices.numpy(), raw.faces.numpy(), None, 1500)
    assert body(finished).volume > 0
    assert len(finished.mesh.faces) < 1.5 * 1500 < len(raw.faces) / 2
    assert finished.vertex_colors is None


def test_a_surface_within_the_budget_keeps_its_vertices():
    ball = trimesh.creation.icosphere(3, 0.4)
    vertices = ball.vertices.astype(np.float32)
    finished = finished_mesh(vertices, ball.faces, color_field(vertices), len(ball.faces))
    assert np.array_equal(finished.mesh.vertices, vertices)
    assert np.array_equal(finished.mesh.faces, ball.faces)
    expected = np.round(255 * color_field(vertices)).astype(np.uint8)
    assert np.array_equal(finished.vertex_colors, expected)


@pytest.mark.parametrize("unit", (1e-3, 1e3))
def test_the_unit_does_not_matter(unit):
    vertices, faces, colors = raw_surface(decoded_cells.sphere(0.3))
    finished = finished_mesh(unit * vertices, faces, colors, BUDGET)
    assert len(finished.mesh.faces) <= BUDGET
    assert body(finished).volume == pytest.approx(unit**3 * ball(0.3), rel=0.03)


def test_an_open_surface_stays_open():
    vertices, faces, colors = raw_surface(decoded_cells.sphere(0.3))
    upper = faces[(vertices[faces][..., 2] > -0.2).all(1)]
    finished = finished_mesh(vertices, upper, colors, BUDGET)
    assert not is_watertight(finished.mesh.faces, len(finished.mesh.vertices))
    assert 0 < len(finished.mesh.faces) <= BUDGET


def test_without_a_volume_there_is_no_mesh():
    vertices, faces, colors = raw_surface(decoded_cells.sphere(0.2))
    assert finished_mesh(vertices, faces[:, ::-1], colors, BUDGET) is None
    assert finished_mesh(vertices, faces[:0], colors, BUDGET) is None


def voxel_centers(resolution):
    axis = (torch.arange(resolution) + 0.5).double() / resolution - 0.5
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)


def shell_logits(field, resolution=32):
    """High in the voxels that the zero of a distance field passes through."""
    distance = field(voxel_centers(resolution)).abs() * resolution
    return (15 * (1 - 1.7 * distance)).float().numpy()


def test_a_structure_is_meshed_where_it_lies_without_its_cavity():
    center = np.array([0.1, -0.05, 0.0])
    finished = structure_mesh(shell_logits(decoded_cells.sphere(0.3, tuple(center))), BUDGET)
    mesh = body(finished)
    radii = np.linalg.norm(finished.mesh.vertices - center, axis=1)
    # Half a voxel outside of the surface that the structure stands for.
    assert np.abs(radii - 0.3 - 0.5 / 32).max() < 0.6 / 32
    assert mesh.body_count == 1 and finished.vertex_colors is None
    assert len(finished.mesh.faces) <= BUDGET


def test_the_bodies_of_a_structure_stay():
    fields = [decoded_cells.sphere(0.15, (x, 0.0, 0.0)) for x in (-0.25, 0.25)]
    assert body(structure_mesh(shell_logits(either(*fields)), BUDGET)).body_count == 2


def test_an_empty_structure_has_no_mesh():
    assert structure_mesh(np.full((8, 8, 8), -3.0, np.float32), BUDGET) is None
