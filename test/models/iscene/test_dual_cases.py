"""The cases of dual marching cubes follow from the faces; they agree with regions of corners."""

import dense_flexicubes
import pytest

from iscene_ros.models.iscene.surface.dual_cases import (
    CASES,
    CPU,
    EDGES,
    cell_faces,
    dual_cases,
    pinched_faces,
    rings_of_case,
    segments,
)


def inside_corners(case):
    return {corner for corner in range(8) if case >> corner & 1}


def test_rings_part_exactly_the_edges_that_the_surface_crosses():
    for case in range(CASES):
        inside = inside_corners(case)
        crossed = [n for n, (a, b) in enumerate(EDGES) if (a in inside) != (b in inside)]
        rings = rings_of_case(case)
        assert sorted(edge for ring in rings for edge in ring) == crossed
        assert all(3 <= len(ring) <= 7 for ring in rings)


def test_rings_are_where_regions_of_corners_touch():
    for case in range(CASES):
        touching = dense_flexicubes.rings(inside_corners(case))
        expected = [
            tuple(n for n, r in touching.items() if r == ring) for ring in set(touching.values())
        ]
        assert rings_of_case(case) == sorted(expected)


@pytest.mark.parametrize(
    "inside, expected",
    [((), 0), ((0,), 1), ((0, 1), 1), ((0, 3), 2), ((0, 7), 2), ((0, 3, 5), 3), ((0, 3, 5, 6), 4)],
)
def test_bodies_that_touch_only_at_a_diagonal_stay_apart(inside, expected):
    assert len(rings_of_case(sum(2**corner for corner in inside))) == expected


def test_a_pinched_case_has_one_ambiguous_face_and_its_complement_is_whole_there():
    pinched = [case for case in range(CASES) if pinched_faces(case)]
    assert len(pinched) == 36
    for case in pinched:
        (face,) = pinched_faces(case)
        assert [f for f in cell_faces() if len(segments(case, f)) == 2] == [face]
        assert not pinched_faces(CASES - 1 - case)
        assert dense_flexicubes.pinched_faces(inside_corners(case)) == [
            (axis, (step + 1) // 2) for axis, step in enumerate(face.direction) if step
        ]


def test_the_complement_of_a_pinched_case_joins_inside_corners_across_the_face():
    for case in range(CASES):
        if pinched_faces(case):
            touching = dense_flexicubes.rings(inside_corners(case), inside_reach=2)
            expected = {
                tuple(n for n, r in touching.items() if r == ring) for ring in touching.values()
            }
            assert set(rings_of_case(CASES - 1 - case)) == expected


def test_the_tensors_say_what_the_lists_say():
    table = dual_cases(CPU)
    for case in range(CASES):
        rings = rings_of_case(case)
        assert table.ring_count[case] == len(rings)
        for number, ring in enumerate(rings):
            assert (table.ring_of_edge[case] == number).nonzero()[:, 0].tolist() == list(ring)
            row = table.edges_of_ring[case, number]
            assert row[row >= 0].tolist() == list(ring)
        directions = [list(face.direction) for face in pinched_faces(case)] or [[0, 0, 0]]
        assert [table.pinched_towards[case].tolist()] == directions
    assert (table.edges_of_ring.flatten(1) >= 0).sum(1).tolist() == (
        (table.ring_of_edge >= 0).sum(1).tolist()
    )
