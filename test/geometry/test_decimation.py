"""Edge collapses, and surfaces that touch themselves along an edge, taken apart there."""

import sys
from concurrent.futures import ThreadPoolExecutor

import decoded_cells
import fast_simplification
import numpy as np
import pytest
import trimesh

from iscene_ros.geometry.decimation import decimate, separated
from iscene_ros.geometry.mesh_measures import is_watertight, signed_volume
from iscene_ros.models.iscene.surface.flexicubes import extract_mesh

BALLS = [trimesh.creation.icosphere(3, radius) for radius in (1.0, 2.0, 3.0, 4.0)]


def fewer(ball):
    return decimate(np.asarray(ball.vertices), np.asarray(ball.faces), 300)


def test_a_ball_keeps_its_radius_with_fewer_triangles():
    corners, triangles = fewer(BALLS[1])
    assert len(triangles) <= 300
    assert np.allclose(np.linalg.norm(corners, axis=1), 2.0, rtol=0.03)


@pytest.fixture
def eager_threads():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
def test_threads_do_not_mix_their_meshes():
    alone = [fewer(ball) for ball in BALLS]
    with ThreadPoolExecutor(len(BALLS)) as threads:
        for _ in range(20):
            for one, other in zip(alone, threads.map(fewer, BALLS), strict=True):
                np.testing.assert_array_equal(one[0], other[0])
                np.testing.assert_array_equal(one[1], other[1])


def boxes_at_edges(*shifts):
    """Unit cubes whose corners at the same place are one corner."""
    boxes = [trimesh.creation.box().apply_translation(shift) for shift in shifts]
    union = trimesh.util.concatenate(boxes)
    union.merge_vertices()
    return np.array(union.vertices), np.array(union.faces)


def volume(corners, triangles):
    return signed_volume(corners, triangles).sum()


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("side", (1, -1))
def test_boxes_that_share_an_edge_become_closed(axis, side):
    shift = np.roll([0.0, 1.0, side], axis)
    corners, triangles = boxes_at_edges(np.zeros(3), shift)
    assert not is_watertight(triangles, len(corners))
    apart, fewer = separated(corners, triangles)
    assert is_watertight(fewer, len(apart))
    assert volume(apart, fewer) == pytest.approx(2, rel=0.02)
    assert np.array_equal(apart[: len(corners)], corners)
    # The new corner lies within one of the boxes.
    inner = np.abs(apart[len(corners) :]).max() < 0.5
    assert inner or np.abs(apart[len(corners) :] - shift).max() < 0.5


def test_a_shared_edge_of_three_pairs_is_taken_apart_too():
    wedges = []
    for turn in range(3):
        angles = 2 * np.pi / 3 * turn + np.array([0.0, 1.0])
        arms = np.stack([np.cos(angles), np.sin(angles), np.zeros(2)], 1)
        wedges.append(trimesh.convex.convex_hull(np.array([[0, 0, -1], [0, 0, 1], *arms])))
    union = trimesh.util.concatenate(wedges)
    union.merge_vertices()
    corners, triangles = separated(np.array(union.vertices), np.array(union.faces))
    assert is_watertight(triangles, len(corners))
    assert volume(corners, triangles) == pytest.approx(union.volume, rel=0.05)


def test_triangles_back_to_back_are_dropped():
    box = trimesh.creation.box()
    flap = np.array([[0, 8, 1], [0, 1, 8], [2, 2, 3]])
    corners = np.concatenate([box.vertices, [[0.0, 0.0, 3.0]]])
    apart, triangles = separated(corners, np.concatenate([flap, box.faces]))
    assert np.array_equal(apart, corners)
    assert np.array_equal(triangles, box.faces)


def test_one_of_three_equal_triangles_stays():
    box = trimesh.creation.box()
    triangles = np.concatenate([box.faces, box.faces[:1], box.faces[:1, ::-1]])
    assert np.array_equal(separated(np.array(box.vertices), triangles)[1], box.faces)


def test_bodies_that_share_a_triangle_the_same_way_round_stay_two():
    base = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]])
    corners = np.concatenate([base, [[0, 0, 1], [0.2, 0.2, 2]]])
    sides = [[a, b, apex] for apex in (3, 4) for a, b in ((0, 1), (1, 2), (2, 0))]
    triangles = np.array([*sides, [1, 0, 2], [1, 0, 2]])
    apart, fewer = separated(corners, triangles)
    assert is_watertight(fewer, len(apart))
    assert volume(apart, fewer) == pytest.approx(1 / 6 + 2 / 6, rel=0.05)


def test_a_closed_surface_stays_as_it_is():
    ball = trimesh.creation.icosphere(2)
    corners, triangles = separated(np.array(ball.vertices), np.array(ball.faces))
    assert np.array_equal(corners, ball.vertices) and np.array_equal(triangles, ball.faces)


def test_what_collapses_of_a_tangled_surface_leave_becomes_closed():
    raw = extract_mesh(*decoded_cells.random_cells(10, 0.4, seed=1), 10)
    corners, triangles = fast_simplification.simplify(
        raw.vertices.double().numpy(), raw.faces.numpy(), target_count=1500
    )
    assert not is_watertight(triangles, len(corners))
    apart, fewer = separated(corners, triangles)
    assert is_watertight(fewer, len(apart))
    assert volume(apart, fewer) == pytest.approx(volume(corners, triangles), rel=0.05)
