"""Surfaces moved outwards keep their distance everywhere."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.offset_surface import offset_hull, offset_surface

BODIES = {
    "cube": trimesh.creation.box((0.1, 0.1, 0.1)),
    "book": trimesh.creation.box((0.2, 0.15, 0.02)),
    "rod": trimesh.creation.cylinder(0.01, 0.3),
    "ball": trimesh.creation.icosphere(3, 0.05),
    "plate": trimesh.creation.cylinder(0.1, 0.005, sections=64),
    "cone": trimesh.creation.cone(0.03, 0.1),
    "needle": trimesh.creation.cone(0.01, 0.2),
}


def mesh_of(body: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(body.vertices, np.float32), np.asarray(body.faces, np.int32))


def inside(points: np.ndarray, hull: Mesh) -> np.ndarray:
    """How deep points lie in a convex body [m]."""
    body = trimesh.Trimesh(hull.vertices, hull.faces, process=False)
    origins = body.triangles[:, 0]
    return np.min(np.einsum("ijk,jk->ij", origins[None] - points[:, None], body.face_normals), 1)


@pytest.mark.parametrize("name", BODIES)
def test_a_hull_is_larger_by_the_distance_on_all_sides(name: str) -> None:
    points, _ = trimesh.sample.sample_surface(BODIES[name], 2000, seed=0)
    points = np.concatenate([points, BODIES[name].vertices])
    made = offset_hull(mesh_of(BODIES[name]), 0.02)
    assert trimesh.Trimesh(made.vertices, made.faces, process=False).is_convex
    assert inside(points, made).min() >= 0.02 - 1e-6
    reach = np.linalg.norm(made.vertices[:, None] - BODIES[name].vertices[None], axis=-1).min(1)
    assert reach.max() < 0.08


@pytest.mark.parametrize("move", [offset_hull, offset_surface])
def test_a_cube_stays_one(move) -> None:
    made = move(mesh_of(BODIES["cube"]), 0.02)
    np.testing.assert_allclose(np.ptp(made.vertices, axis=0), 0.14, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0.001, 0.03))
@settings(max_examples=25, deadline=None)
def test_any_hull_keeps_its_distance(seed: int, distance: float) -> None:
    points = np.random.default_rng(seed).normal(0, 0.05, (30, 3)) * [1, 1, 0.4]
    hull = mesh_of(trimesh.convex.convex_hull(points))
    assert inside(points, offset_hull(hull, distance)).min() >= distance - 1e-6


def test_the_triangles_of_a_mesh_move_by_the_distance_inside_and_outside() -> None:
    cup = trimesh.creation.annulus(0.03, 0.04, 0.1, sections=48)
    made = offset_surface(mesh_of(cup), 0.003)
    moved = made.vertices[cup.faces] - cup.triangles
    along = np.einsum("ijk,ik->ij", moved, cup.face_normals)
    assert along.min() >= 0.003 - 1e-6 and along.max() < 0.006


def test_triangles_without_area_and_unused_vertices_do_no_harm() -> None:
    body = BODIES["cube"]
    faces = np.concatenate([body.faces, [[0, 0, 1]]])
    mesh = Mesh(np.concatenate([body.vertices, [[9, 9, 9]]]).astype(np.float32), faces)
    made = offset_surface(mesh, 0.01)
    assert np.isfinite(made.vertices).all()
    np.testing.assert_allclose(np.ptp(made.vertices[:-1], axis=0), 0.12, atol=1e-6)
