"""Collision bodies, their subframes, and support boxes."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from made_objects import scene_object, table_plane
from made_scenes import box, cup

from iscene_ros.core.errors import InputError
from iscene_ros.core.scene import Mesh
from iscene_ros.planning.collision_bodies import (
    MAX_FACES,
    collision_body,
    subframes,
    support_boxes,
)


def body(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


@given(padding=st.floats(0.0, 0.02))
@settings(max_examples=10, deadline=None)
def test_hull_holds_the_object_and_its_padding(padding):
    item = scene_object(1, cup(0.04, 0.1))
    made = collision_body(item, "hull", padding)
    (hull,) = made.pieces
    assert body(hull).is_convex and body(hull).is_watertight
    grown = np.ptp(hull.vertices, axis=0) - np.ptp(item.mesh.vertices, axis=0)
    assert np.all(grown >= 2 * padding - 1e-5)


@pytest.mark.parametrize("shape", ["hull", "mesh", "parts"])
def test_a_padded_cube_is_larger_on_every_side(shape):
    pytest.importorskip("coacd")
    made = collision_body(scene_object(1, box((0.1, 0.1, 0.1))), shape, 0.02)
    (piece,) = made.pieces
    assert np.ptp(piece.vertices, axis=0) == pytest.approx([0.14] * 3, abs=1e-5)


def test_padded_parts_hold_the_whole_object_and_its_padding():
    pytest.importorskip("coacd")
    item = scene_object(1, cup(0.04, 0.1))
    made = collision_body(item, "parts", 0.01)
    points = item.mesh.vertices.astype(np.float64)
    depth = np.full(len(points), -np.inf)
    for piece in map(body, made.pieces):
        outside = np.einsum(
            "ijk,jk->ij", points[:, None] - piece.triangles[:, 0], piece.face_normals
        )
        depth = np.maximum(depth, -outside.max(axis=1))
    assert len(made.pieces) > 1 and depth.min() >= 0.01 - 1e-5


def test_convex_parts_leave_the_hollow_free():
    pytest.importorskip("coacd")
    outline = np.array([[0, 0], [0.1, 0], [0.1, 0.02], [0.02, 0.02], [0.02, 0.1], [0, 0.1]])
    faces = [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]]
    angle = trimesh.creation.extrude_triangulation(outline, faces, 0.03)
    item = scene_object(1, angle)
    parts = collision_body(item, "parts")
    assert len(parts.pieces) >= 2 and all(body(p).is_convex for p in parts.pieces)
    hull = collision_body(item, "hull")
    volume = sum(body(p).volume for p in parts.pieces)
    assert volume == pytest.approx(angle.volume, rel=0.1)
    assert volume < 0.7 * body(hull.pieces[0]).volume


def test_mesh_keeps_to_its_budget():
    ball = trimesh.creation.icosphere(5, 0.05)
    made = collision_body(scene_object(1, ball), "mesh")
    assert len(ball.faces) > MAX_FACES >= len(made.pieces[0].faces)
    assert body(made.pieces[0]).volume == pytest.approx(ball.volume, rel=0.01)


def test_degenerate_mesh_is_left_out():
    flat = scene_object(1, box((0.1, 0.1, 0.1)))
    flat = replace(flat, mesh=Mesh(flat.mesh.vertices * np.float32([1, 1, 0]), flat.mesh.faces))
    nothing = replace(flat, id=2, mesh=Mesh(np.zeros((0, 3), np.float32), flat.mesh.faces[:0]))
    assert collision_body(flat, "hull") is None and collision_body(nothing, "hull") is None


def test_wrong_requests_are_rejected():
    item = scene_object(1, box((0.1, 0.1, 0.1)))
    with pytest.raises(InputError, match="padding"):
        collision_body(item, padding=-0.01)
    with pytest.raises(InputError, match="sphere"):
        collision_body(item, "sphere")


def test_subframes_lie_on_the_box():
    frames = {f.name: f for f in subframes(scene_object(1, box((0.2, 0.1, 0.06))))}
    assert frames["top"].object_from_subframe[:3, 3] == pytest.approx((0, 0, 0.03), abs=1e-6)
    assert frames["support"].object_from_subframe[:3, 3] == pytest.approx((0, 0, -0.03), abs=1e-6)
    narrow = frames["grasp_narrow"]
    assert narrow.width_m == pytest.approx(0.1, abs=1e-6)
    rotation = narrow.object_from_subframe[:3, :3]
    assert rotation @ rotation.T == pytest.approx(np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert rotation[:, 2] == pytest.approx((0, 0, -1))


def test_support_plane_becomes_a_box_below_it():
    corners = np.array([[0, 0, 0.7], [1, 0, 0.7], [1, 0.5, 0.7], [0, 0.5, 0.7]], float)
    level = table_plane(1.0, offset=-0.7, corners=corners)
    wall = replace(level, normal=np.array([1.0, 0, 0]))
    (found,) = support_boxes([level, wall], np.array([0, 0, 1.0]))
    assert sorted(found.size) == pytest.approx([0.02, 0.5, 1.0], abs=1e-6)
    assert found.frame_from_box[:3, 3] == pytest.approx((0.5, 0.25, 0.69), abs=1e-6)
