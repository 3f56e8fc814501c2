"""Meshes of active cells: equal to a dense reference, closed, outward, coloured."""

import decoded_cells
import dense_flexicubes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from iscene_ros.core.errors import ModelError
from iscene_ros.geometry.mesh_measures import is_watertight, signed_volume
from iscene_ros.models.iscene.surface.flexicubes import extract_mesh

RESOLUTION = 32


def color_field(points):
    return 0.5 + 0.8 * points.clamp(-0.5, 0.5)


def extracted(field, seed=0, depth=np.inf):
    cells = decoded_cells.cells_of(field, RESOLUTION, depth)
    features = decoded_cells.features_of(field, color_field, cells, RESOLUTION, seed)
    return extract_mesh(cells, features, RESOLUTION)


def volume(mesh):
    return signed_volume(mesh.vertices.double().numpy(), mesh.faces.numpy()).sum()


def assert_closed(mesh):
    """Each edge twice, in both directions; the triangles of each vertex in one ring."""
    faces = mesh.faces.numpy()
    assert is_watertight(faces, len(mesh.vertices))
    assert len(np.unique(faces)) == len(mesh.vertices)
    links = {}
    for triangle in faces.tolist():
        for k in range(3):
            links.setdefault(triangle[k], {})[triangle[k - 2]] = triangle[k - 1]
    for follower in links.values():
        node = start = next(iter(follower))
        for _ in range(len(follower) - 1):
            node = follower[node]
            assert node != start
        assert follower[node] == start


def assert_equal(mesh, expected):
    assert mesh.vertices.shape == expected.vertices.shape
    distance, index = cKDTree(mesh.vertices.numpy()).query(expected.vertices)
    assert distance.max() < 1e-6
    assert len(set(index.tolist())) == len(index)
    if mesh.colors is not None:
        np.testing.assert_allclose(mesh.colors.numpy()[index], expected.colors, atol=2e-6)
    own = {frozenset(triangle) for triangle in mesh.faces.tolist()}
    assert mesh.faces.shape[0] == len(own) == 2 * len(expected.splits)
    turned = {dense_flexicubes.begun_at_smallest(t) for t in mesh.faces.tolist()}
    for splits in expected.splits:
        renumbered = [
            {dense_flexicubes.begun_at_smallest(index[list(t)].tolist()) for t in split}
            for split in splits
        ]
        assert any(split <= turned for split in renumbered)


@pytest.mark.parametrize("resolution, share", [(8, 0.05), (8, 0.5), (8, 1.0), (12, 0.2)])
def test_the_mesh_is_that_of_the_dense_grid(resolution, share):
    cells, features = decoded_cells.random_cells(resolution, share, seed=resolution)
    expected = dense_flexicubes.dense_mesh(cells, features, resolution)
    assert_equal(extract_mesh(cells, features, resolution, close_at_grid=False), expected)


def test_without_colours_the_shape_is_the_same():
    cells, features = decoded_cells.random_cells(10, 0.4, seed=1)
    colored, plain = (extract_mesh(cells, f, 10) for f in (features, features[:, :53]))
    assert plain.colors is None and colored.colors.shape == colored.vertices.shape
    assert torch.equal(plain.vertices, colored.vertices) and torch.equal(plain.faces, colored.faces)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.02, 1.0))
def test_noise_makes_closed_manifolds(seed, share):
    cells, features = decoded_cells.random_cells(9, share, seed)
    mesh = extract_mesh(cells, features, 9)
    if len(mesh.faces):
        assert_closed(mesh)
        assert volume(mesh) > 0


def test_neighbours_that_pinch_each_other_make_a_manifold():
    # A loop of inside corners: through the first cell from one corner of the shared face to the
    # opposite one, and back through the second.
    loop = [(2, 1, 1), (1, 1, 1), (1, 2, 1), (1, 2, 2), (2, 2, 2), (3, 2, 2), (3, 1, 2), (3, 1, 1)]
    for cell, side in (((1, 1, 1), 1), ((2, 1, 1), 0)):
        offsets = [tuple(np.subtract(corner, cell)) for corner in loop]
        inside = {n for n, offset in enumerate(dense_flexicubes.CORNERS) if offset in offsets}
        assert dense_flexicubes.pinched_faces(inside) == [(0, side)]
    distance = torch.ones(5, 5, 5)
    distance[tuple(torch.tensor(loop).T)] = -1
    mesh = extract_mesh(*decoded_cells.of_corners(distance), 4)
    assert_closed(mesh)


@pytest.mark.parametrize(
    "field, expected_volume",
    [
        (decoded_cells.sphere(0.3), 4 / 3 * np.pi * 0.3**3),
        (decoded_cells.torus(0.28, 0.11), 2 * np.pi**2 * 0.28 * 0.11**2),
    ],
)
def test_a_smooth_body_lies_where_it_is_and_carries_its_colours(field, expected_volume):
    mesh = extracted(field)
    assert_closed(mesh)
    assert field(mesh.vertices.double()).abs().max() < 1 / RESOLUTION
    assert volume(mesh) == pytest.approx(expected_volume, rel=0.05)
    assert (mesh.colors - color_field(mesh.vertices)).abs().max() < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_smooth_random_bodies_are_closed_and_near_the_field(seed):
    field = decoded_cells.waves(seed)
    mesh = extracted(field, seed=seed)
    assert_closed(mesh)
    assert volume(mesh) > 0
    assert field(mesh.vertices.double()).abs().max() < 1 / RESOLUTION


def test_one_cell_inside_is_closed_by_its_inactive_neighbours():
    features = torch.zeros(1, 101)
    mesh = extract_mesh(torch.tensor([[3, 4, 5]]), features, 8)
    assert_closed(mesh)
    center = torch.tensor([3.5, 4.5, 5.5]) / 8 - 0.5
    torch.testing.assert_close(mesh.vertices.mean(0), center)
    assert (mesh.vertices - center).abs().max() < 1 / 8


def test_a_shell_of_active_cells_makes_a_hollow_body():
    mesh = extracted(decoded_cells.sphere(0.3), depth=3)
    assert_closed(mesh)
    radii = mesh.vertices.norm(dim=1)
    assert radii.max() == pytest.approx(0.3, abs=1 / RESOLUTION)
    assert 0.3 - 5 / RESOLUTION < radii.min() < 0.3 - 2 / RESOLUTION
    assert 0 < volume(mesh) < 0.8 * (4 / 3 * np.pi * 0.3**3)


def test_a_body_at_a_face_of_the_grid_is_closed_outside_it():
    cells = torch.tensor([[0, 4, 7]])
    mesh = extract_mesh(cells, torch.zeros(1, 101), 8)
    assert_closed(mesh)
    assert volume(mesh) > 0
    assert mesh.vertices[:, 0].min() < -0.5 and mesh.vertices[:, 2].max() > 0.5
    as_published = extract_mesh(cells, torch.zeros(1, 101), 8, close_at_grid=False)
    assert 0 < len(as_published.faces) < len(mesh.faces)
    assert as_published.vertices.abs().max() < 0.5


def test_triangles_face_outward_where_a_corner_lies_on_the_surface():
    distance = torch.ones(6, 6, 6)
    distance[2:4, 2:4, 2:4] = -1.0
    distance[2, 2, 1] = distance[3, 4, 3] = distance[1, 3, 3] = 0.0
    mesh = extract_mesh(*decoded_cells.of_corners(distance), 5)
    assert_closed(mesh)
    corners = mesh.vertices[mesh.faces]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((normals * corners.mean(1)).sum(1) > 0).all()


def test_the_order_of_the_cells_does_not_change_a_byte():
    cells, features = decoded_cells.random_cells(12, 0.4, seed=2)
    mesh = extract_mesh(cells, features, 12)
    shuffle = torch.randperm(len(cells), generator=torch.Generator().manual_seed(0))
    again = extract_mesh(cells[shuffle], features[shuffle], 12)
    for name in ("vertices", "faces", "colors"):
        assert torch.equal(getattr(mesh, name), getattr(again, name))
    assert (mesh.vertices.dtype, mesh.faces.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_features_of_half_precision_are_computed_with_in_float32(dtype):
    cells, features = decoded_cells.random_cells(10, 0.4, seed=4)
    half = extract_mesh(cells, features.to(dtype), 10)
    single = extract_mesh(cells, features.to(dtype).float(), 10)
    assert torch.equal(half.vertices, single.vertices) and torch.equal(half.faces, single.faces)
    assert torch.equal(half.colors, single.colors)


def test_where_nothing_is_inside_the_mesh_is_empty():
    features = torch.ones(2, 101)
    mesh = extract_mesh(torch.tensor([[1, 2, 3], [1, 2, 4]]), features, 8)
    assert mesh.vertices.shape == mesh.faces.shape == mesh.colors.shape == (0, 3)


@pytest.mark.parametrize("fault", (torch.nan, torch.inf, -torch.inf))
def test_a_decoder_that_overflowed_is_no_empty_mesh(fault):
    features = torch.zeros(3, 101)
    features[1, 60] = fault
    features[2, 61] = -fault
    with pytest.raises(ModelError, match="not finite"):
        extract_mesh(torch.eye(3, dtype=torch.int64), features, 8)
