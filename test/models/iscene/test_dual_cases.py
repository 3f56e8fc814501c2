"""The cases of dual marching cubes follow from the faces; they agree with regions of corners."""

import dense_flexicubes

from iscene_ros.models.iscene.surface.dual_cases import (
    CASES,
    cell_faces,
    pinched_faces,
    rings_of_case,
    segments,
)


def inside_corners(case):
    return {corner for corner in range(8) if case >> corner & 1}


def test_rings_are_where_regions_of_corners_touch():
    for case in range(CASES):
        touching = dense_flexicubes.rings(inside_corners(case))
        expected = [
            tuple(n for n, r in touching.items() if r == ring) for ring in set(touching.values())
        ]
        assert rings_of_case(case) == sorted(expected)


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
