"""Detections of vision_msgs and yolo_msgs."""

import numpy as np
import pytest
from input_messages import (
    FRAME,
    STAMP_NS,
    arc2017,
    vision_detection,
    vision_detections,
    yolo_detection,
    yolo_detections,
)

from iscene_ros.ros import decode_detections as decoders
from iscene_ros.session.rejection import RejectedInputError, RejectReason

NAMES = ("cup", "bowl")
BOX = (100.0, 50.0, 40.0, 20.0)


def decode_detections(message, names, rejected=None):
    return decoders.decode_detections(message, names, lambda *line: rejected.append(line))


def decode_yolo_detections(message, names, rejected=None):
    return decoders.decode_yolo_detections(message, names, lambda *line: rejected.append(line))


def only(decoded):
    (item,) = decoded.items
    return item


def test_the_result_with_the_highest_score_counts():
    message = vision_detections(
        vision_detection([("cup", 0.2), ("bowl", 0.7), ("pan", 0.1)], BOX, id="track_9")
    )
    decoded = decode_detections(message, NAMES)
    item = only(decoded)
    assert (decoded.stamp_ns, decoded.frame_id) == (STAMP_NS, FRAME)
    assert (item.label, item.score, item.tracker_id) == ("bowl", 0.7, "track_9")
    np.testing.assert_array_equal(item.box, BOX)
    assert item.polygon is None


@pytest.mark.parametrize(
    ("class_id", "label"),
    [("1", "bowl"), (" 0 ", "cup"), ("2", "class_2"), ("-1", "-1"), ("²", "²"), ("", "")],
)
def test_class_numbers_are_looked_up(class_id, label):
    message = vision_detections(vision_detection([(class_id, 0.5)]))
    assert only(decode_detections(message, NAMES)).label == label


def test_a_detection_without_results_has_no_class():
    item = only(decode_detections(vision_detections(vision_detection([], BOX)), NAMES))
    assert (item.label, item.score, item.tracker_id) == ("", 1.0, "")


def test_a_box_without_extent_is_none():
    message = vision_detections(vision_detection([("cup", 1.0)], (5.0, 5.0, 0.0, 3.0)))
    assert only(decode_detections(message, NAMES)).box is None


def test_a_rotated_box_gives_the_upright_one_around_it():
    corners = np.array([[-20, -10], [20, -10], [20, 10], [-20, 10]])
    theta = 0.6
    rotation = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    extent = np.ptp(corners @ rotation.T, axis=0)
    message = vision_detections(vision_detection([("cup", 1.0)], BOX, theta=theta))
    np.testing.assert_allclose(only(decode_detections(message, NAMES)).box, [100, 50, *extent])


def test_no_detections_are_an_answer():
    assert decode_detections(vision_detections(), NAMES).items == ()
    assert decode_yolo_detections(yolo_detections(), NAMES).items == ()


def test_the_real_masks_survive_as_polygons():
    frame = arc2017()
    detections, polygons = [], []
    for number, (mask, label) in enumerate(zip(frame.masks, frame.labels, strict=True)):
        (top, left), (bottom, right) = np.argwhere(mask).min(0), np.argwhere(mask).max(0)
        polygon = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
        center, size = polygon[[0, 2]].mean(0), np.ptp(polygon, axis=0)
        detections.append(
            yolo_detection(label, 0.9, (*center, *size), polygon, class_id=7, id=str(number))
        )
        polygons.append(polygon)
    decoded = decode_yolo_detections(yolo_detections(*detections), ())
    assert tuple(item.label for item in decoded.items) == frame.labels
    assert [item.tracker_id for item in decoded.items] == [str(n) for n in range(len(polygons))]
    for item, polygon in zip(decoded.items, polygons, strict=True):
        np.testing.assert_array_equal(item.polygon, polygon)
        np.testing.assert_allclose(item.box[2:], np.ptp(polygon, axis=0))


def test_the_size_of_the_segmented_image_is_kept_where_it_is_stated():
    detection = yolo_detection("cup", 0.5, BOX)
    assert only(decode_yolo_detections(yolo_detections(detection), ())).mask_size == (480, 640)
    detection.mask.height = detection.mask.width = 0
    assert only(decode_yolo_detections(yolo_detections(detection), ())).mask_size is None


def test_a_yolo_class_without_name_is_looked_up():
    decoded = decode_yolo_detections(yolo_detections(yolo_detection("", 0.5, class_id=1)), NAMES)
    assert only(decoded).label == "bowl"


def test_two_points_are_no_polygon():
    message = yolo_detections(yolo_detection("cup", 0.5, polygon=[[0, 0], [1, 1]]))
    assert only(decode_yolo_detections(message, NAMES)).polygon is None


@pytest.mark.parametrize(("score", "expected"), [(1.0005, 1.0), (-0.0005, 0.0), (0.25, 0.25)])
def test_rounding_errors_of_scores_are_clipped(score, expected):
    message = vision_detections(vision_detection([("cup", score)]))
    assert only(decode_detections(message, NAMES)).score == expected


@pytest.mark.parametrize(
    ("detection", "word"),
    [
        (vision_detection([("cup", 0.5), ("bowl", np.nan)], BOX), "score nan"),
        (vision_detection([("cup", 97.0)], BOX), "score 97"),
        (vision_detection([("cup", -0.1)], BOX), "score -0.1"),
        (vision_detection([("cup", 0.5)], (np.nan, 0, 1, 1)), "finite"),
        (vision_detection([("cup", 0.5)], BOX, theta=np.inf), "finite"),
        (vision_detection([("cup", 0.5)], (5.0, 5.0, -3.0, 3.0)), "negative"),
        (vision_detection([("cup", 0.5)], (1e300, 5.0, 3.0, 3.0)), "pixels"),
        (vision_detection([("cup", 0.5)], BOX, id="\x1b[31m"), "id of detection 1"),
    ],
)
def test_a_bad_detection_is_left_out_in_one_line_and_the_others_stay(detection, word):
    good, rejected = vision_detection([("cup", 0.5)], BOX), []
    decoded = decode_detections(vision_detections(good, detection), NAMES, rejected)
    assert only(decoded).label == "cup"
    ((reason, line),) = rejected
    assert reason == RejectReason.DETECTIONS and word in line and line.isprintable()


@pytest.mark.parametrize("label", ["red\ncup\n", "\tred cup", "red\x1b cup", "red\u2028cup"])
def test_a_class_name_becomes_one_printable_line(label):
    decoded = decode_detections(vision_detections(vision_detection([(label, 0.5)], BOX)), NAMES)
    assert only(decoded).label == "red cup"


@pytest.mark.parametrize(
    "detection",
    [
        yolo_detection("cup", np.nan, BOX),
        yolo_detection("cup", 0.5, (0, 0, np.inf, 1)),
        yolo_detection("cup", 0.5, BOX, [[0, 0], [1, np.nan], [2, 2]]),
        yolo_detection("cup", 0.5, BOX, [[0, 0], [1, 1], [2e9, 2]]),
    ],
)
def test_a_bad_detection_of_yolo_is_left_out(detection):
    rejected = []
    good = yolo_detection("bowl", 0.5, BOX)
    decoded = decode_yolo_detections(yolo_detections(detection, good), NAMES, rejected)
    assert only(decoded).label == "bowl"
    ((reason, line),) = rejected
    assert reason == RejectReason.DETECTIONS and "detection 0" in line


def test_too_many_detections_are_refused():
    message = vision_detections(*[vision_detection([], BOX)] * 5000)
    with pytest.raises(RejectedInputError, match="5000 detections"):
        decode_detections(message, NAMES)
