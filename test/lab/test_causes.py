"""What makes a completion bad, measured on shapes and views whose measures are known."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from drawn_scenes import drawn_boxes
from hypothesis import given, settings
from hypothesis import strategies as st

from iscene_ros.core.frames import Cube
from iscene_ros.core.scene import Mesh
from iscene_ros.lab.evaluation.cause_table import NONE, cause_csv, cause_report, cause_rows
from iscene_ros.lab.evaluation.causes import (
    Cause,
    Measures,
    Onset,
    causes_of,
    evidence,
    main_cause,
)
from iscene_ros.lab.evaluation.inspection import Explained
from iscene_ros.lab.evaluation.metrics import Score
from iscene_ros.lab.evaluation.rendered_scenes import MODEL, ScoredObject
from iscene_ros.lab.evaluation.shape_measures import ShapeMeasures, measure_shape
from iscene_ros.lab.evaluation.view_measures import (
    ContactMeasures,
    CropMeasures,
    MaskMeasures,
    measure_contact,
    measure_crop,
    measure_mask,
)
from iscene_ros.lab.synthetic.primitives import box, revolution
from iscene_ros.lab.synthetic.shapes import Solid

HARMLESS = Measures(
    ShapeMeasures(thickness=4.0, thin_share=0.0, cavity_share=0.0, extent=0.15),
    MaskMeasures(visible_share=1.0, unread_share=0.05, foreign_share=0.02),
    CropMeasures(outside_share=0.0, cube_ratio=1.3),
    ContactMeasures(gap=0.05),
)
CUP = Solid(
    (revolution([(0, 0), (0.04, 0), (0.04, 0.1), (0.038, 0.1), (0.038, 0.002), (0, 0.002)]),)
)
BLOCK = Solid((box((0.1, 0.1, 0.1)),))


@given(thickness=st.floats(0.002, 0.015))
@settings(max_examples=15, deadline=None)
def test_a_plate_is_as_thick_as_it_is(thickness):
    measured = measure_shape(Solid((box((0.2, 0.15, thickness)),)), unit=0.005)
    assert measured.thickness * 0.005 == pytest.approx(thickness, abs=0.001)


def test_a_plate_is_thin_and_a_cup_is_thin_and_hollow_and_a_block_is_neither():
    plate, cup, block = (
        measure_shape(solid, unit=0.005) for solid in (Solid((box((0.2, 0.2, 0.004)),)), CUP, BLOCK)
    )
    found = [set(causes_of(replace(HARMLESS, shape=shape))) for shape in (plate, cup, block)]
    assert found == [{Cause.THIN}, {Cause.THIN, Cause.HOLLOW}, set()]
    assert cup.cavity_share > 0.7


def test_a_bracket_is_not_hollow():
    bracket = Solid((box((0.2, 0.05, 0.02)), box((0.02, 0.05, 0.2))))
    assert measure_shape(bracket, 0.005).cavity_share < 0.05


@pytest.mark.parametrize(("extent", "is_cause"), [(0.03, True), (0.2, False), (0.5, True)])
def test_the_very_small_and_the_very_large_are_causes(extent, is_cause):
    shape = measure_shape(Solid((box((extent, extent, extent)),)), extent / 25)
    assert (Cause.SIZE in causes_of(replace(HARMLESS, shape=shape))) is is_cause


def test_what_stands_in_front_of_a_box_hides_its_share():
    behind, front = ((0.02, 0.3, 0.2), (1.0, 0.0, 0.0)), ((0.02, 0.1, 0.2), (0.5, 0.025, 0.0))
    alone, hidden = drawn_boxes(behind), drawn_boxes(behind, front)
    assert measure_mask(alone, 0, alone.frame.masks[0]).visible_share > 0.98
    measured = measure_mask(hidden, 0, hidden.frame.masks[0])
    # From half the distance, 0.1 m hide 0.2 m, two thirds of the width.
    assert measured.visible_share == pytest.approx(0.33, abs=0.05)
    assert set(causes_of(replace(HARMLESS, mask=measured))) == {Cause.OCCLUSION}


def test_what_the_image_cuts_off_is_not_visible():
    drawn = drawn_boxes(((0.02, 0.2, 0.2), (1.0, 0.53, 0.0)))
    assert measure_mask(drawn, 0, drawn.frame.masks[0]).visible_share == pytest.approx(0.5, abs=0.1)


def test_readings_that_are_missing_and_pixels_of_others_are_counted():
    drawn = drawn_boxes(((0.02, 0.2, 0.2), (1.0, 0.0, 0.0)))
    own = drawn.frame.masks[0]
    rows = np.flatnonzero(own.any(axis=1))
    depth = drawn.frame.depth.copy()
    depth[rows[: len(rows) // 2]] = 0
    holes = replace(drawn, frame=replace(drawn.frame, depth=depth))
    measured = measure_mask(holes, 0, own)
    assert measured.unread_share == pytest.approx(0.5, abs=0.02)
    assert set(causes_of(replace(HARMLESS, mask=measured))) == {Cause.HOLES}
    shifted = np.roll(own, int(0.4 * np.ptp(np.flatnonzero(own.any(axis=0)))), axis=1)
    measured = measure_mask(drawn, 0, shifted)
    assert measured.foreign_share == pytest.approx(0.4, abs=0.05)
    assert measured.foreign_readings == pytest.approx(measured.foreign_share)
    assert set(causes_of(replace(HARMLESS, mask=measured))) == {Cause.BLEEDING}


@pytest.mark.parametrize(
    ("center", "size", "expected"),
    [
        ((0.0, 0.0, 0.0), 0.13, set()),
        ((0.05, 0.0, 0.0), 0.13, {Cause.CUT_OFF}),
        ((0.0, 0.0, 0.0), 0.3, {Cause.TOO_LARGE}),
    ],
)
def test_a_cube_that_cuts_off_or_is_too_large_is_a_cause(center, size, expected):
    crop = measure_crop(BLOCK, np.eye(4), Cube(np.array(center), size))
    assert set(causes_of(replace(HARMLESS, crop=crop))) == expected
    assert crop.cube_ratio == pytest.approx(10 * size, rel=0.02)


@pytest.mark.parametrize(
    ("distance", "grown", "is_cause"),
    [(0.101, 0.03, True), (0.101, 0.0, False), (0.12, 0.04, False)],
)
def test_growing_into_a_neighbour_is_a_cause_where_they_touch(distance, grown, is_cause):
    drawn = drawn_boxes(((0.1,) * 3, (1.0, 0.0, 0.0)), ((0.1,) * 3, (1.0, distance, 0.0)))
    own, other = drawn.placements()
    # To the left of the image is +y in the world.
    mesh = trimesh.creation.box((0.1 + grown, 0.1, 0.1))
    mesh.apply_translation([-grown / 2, 0, 0]).apply_translation([0, 0, 1])
    predicted = Mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32))
    contact = measure_contact(own, [other], predicted)
    assert contact.gap == pytest.approx(distance - 0.1, abs=5e-4)
    assert (Cause.CONTACT in causes_of(replace(HARMLESS, contact=contact))) is is_cause


def test_a_missing_prediction_and_a_lonely_object_touch_nobody():
    drawn = drawn_boxes(((0.1,) * 3, (1.0, 0.0, 0.0)), ((0.1,) * 3, (1.0, 0.101, 0.0)))
    own, other = drawn.placements()
    assert measure_contact(own, [other], None).intrusion_share == 0
    assert measure_contact(own, [], None) == ContactMeasures()


def test_the_most_severe_cause_is_the_main_one():
    shape = replace(HARMLESS.shape, thin_share=0.3)
    mask = replace(HARMLESS.mask, unread_share=0.75)
    causes = causes_of(replace(HARMLESS, shape=shape, mask=mask))
    assert list(causes) == [Cause.HOLES, Cause.THIN]
    assert main_cause(causes) is Cause.HOLES
    assert main_cause({}) is None


@given(value=st.floats(-1, 2), starts=st.floats(0, 1), full=st.floats(0, 1))
def test_severity_is_a_share_from_the_start_on_in_either_direction(value, starts, full):
    if abs(full - starts) < 1e-3:
        return
    severity = Onset(starts, full).severity(value)
    is_beyond = value >= starts if full > starts else value <= starts
    assert (severity is not None) == is_beyond
    assert severity is None or 0 <= severity <= 1


def test_every_cause_tells_its_evidence():
    assert all(any(c.isdigit() for c in evidence(cause, HARMLESS)) for cause in Cause)


def explained(iou, *causes):
    scored = ScoredObject(0, 1, "mug", "clutter", MODEL, Score(iou, iou, 0.01, iou, iou))
    return Explained(scored, HARMLESS, dict.fromkeys(causes, 1.0))


def test_the_table_says_what_a_cause_costs():
    good, bad = explained(0.8), explained(0.4, Cause.THIN)
    rows = {row.name: row for row in cause_rows([good, good, good, bad])}
    thin = rows[Cause.THIN.value]
    assert (thin.count, thin.alone) == (1, 1)
    assert (thin.iou_with, thin.iou_without) == pytest.approx((0.4, 0.8))
    assert thin.gain == pytest.approx(0.1)
    assert thin.gain_held == pytest.approx(0.1)
    assert rows[NONE].count == 3
    assert rows[Cause.SIZE.value].gain == rows[Cause.SIZE.value].gain_held == 0


def test_what_two_causes_share_is_not_counted_twice():
    objects = [explained(0.8), explained(0.3, Cause.THIN), explained(0.3, Cause.THIN, Cause.SIZE)]
    rows = {row.name: row for row in cause_rows(objects)}
    assert rows["size"].gain == pytest.approx((0.55 - 0.3) / 3)
    assert rows["size"].gain_held == pytest.approx(0, abs=1e-9)


def test_report_and_csv_have_a_line_a_cause_and_an_object():
    objects = [explained(0.8), explained(0.3, Cause.THIN, Cause.SIZE)]
    report = cause_report(objects)
    assert all(f"| {cause.value} " in report for cause in Cause)
    lines = cause_csv(objects).splitlines()
    assert len(lines) == 3
    assert "thin parts; size" in lines[2]
    assert all(len(line.split(",")) == len(lines[0].split(",")) for line in lines)
