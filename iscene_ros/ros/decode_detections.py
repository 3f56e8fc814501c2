"""Decoding of the detections of vision_msgs and yolo_msgs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np

from iscene_ros.core.slugs import readable_label
from iscene_ros.ros.decode_header import MALFORMED_ERRORS, decode_header, decode_text, shown
from iscene_ros.session.inputs import Detection, Detections
from iscene_ros.session.instances import class_name
from iscene_ros.session.rejection import RejectedInputError, RejectReason

MOST_DETECTIONS = 4096
# Coordinates further out than this belong to no image [pixels].
FARTHEST_PIXEL = 1e6
# Scores of float32 networks pass 0 and 1 by rounding.
SCORE_ROUNDING = 1e-3
_UNSCORED = 1.0
_CHECK = "check the detector"

Reject = Callable[[RejectReason, str], None]


def decode_detections(message: Any, class_names: Sequence[str], reject: Reject) -> Detections:
    """Return the detections of a vision_msgs/msg/Detection2DArray.

    The result with the highest score counts; without results the class is unknown and the score 1.

    Args:
        message: the detections.
        class_names: name of each class number; a class id that is a number is looked up here.
        reject: called with reason and error line of each detection that is left out: numbers that
            are not finite, scores outside [0, 1], negative sizes, ids that are no text.

    Raises:
        RejectedInputError: STAMP, FRAME; DETECTIONS for too many detections.
    """
    return _detections(message, class_names, reject, _vision_detection)


def decode_yolo_detections(message: Any, class_names: Sequence[str], reject: Reject) -> Detections:
    """Return the detections of a yolo_msgs/msg/DetectionArray, with the polygons of their masks.

    A detection without class name takes it from `class_names`. Arguments and errors as in
    `decode_detections`.
    """
    return _detections(message, class_names, reject, _yolo_detection)


def _detections(
    message: Any,
    class_names: Sequence[str],
    reject: Reject,
    decode: Callable[[Any, Sequence[str], str], Detection],
) -> Detections:
    """Return all detections of a message, each by a decoder of (detection, names, its position)."""
    stamp_ns, frame_id = decode_header(message.header)
    count = len(message.detections)
    if count > MOST_DETECTIONS:
        raise RejectedInputError(
            RejectReason.DETECTIONS,
            f"{count} detections, expected those of one image, at most {MOST_DETECTIONS}; {_CHECK}",
        )
    items = []
    for position, detection in enumerate(message.detections):
        where = f"detection {position}"
        try:
            items.append(decode(detection, class_names, where))
        except RejectedInputError as error:
            reject(error.reason, f"{error}; it is left out")
        except MALFORMED_ERRORS as error:
            line = (
                f"{where}: {type(error).__name__} ({shown(str(error))}); it is left out, {_CHECK}"
            )
            reject(RejectReason.MALFORMED, line)
    return Detections(stamp_ns, frame_id, tuple(items))


def _vision_detection(detection: Any, class_names: Sequence[str], where: str) -> Detection:
    label, score = "", _UNSCORED
    if len(detection.results):
        hypotheses = [result.hypothesis for result in detection.results]
        scores = [_score(hypothesis.score, where) for hypothesis in hypotheses]
        best = int(np.argmax(scores))
        score = scores[best]
        label = _label(hypotheses[best].class_id, class_names, where)
    box = detection.bbox
    return Detection(
        label=label,
        score=score,
        tracker_id=decode_text(detection.id, f"id of {where}", RejectReason.DETECTIONS),
        box=_box(box.center, box.size_x, box.size_y, where),
    )


def _yolo_detection(detection: Any, class_names: Sequence[str], where: str) -> Detection:
    box = detection.bbox
    height, width = index(detection.mask.height), index(detection.mask.width)
    return Detection(
        label=_label(detection.class_name or str(detection.class_id), class_names, where),
        score=_score(detection.score, where),
        tracker_id=decode_text(detection.id, f"id of {where}", RejectReason.DETECTIONS),
        box=_box(box.center, box.size.x, box.size.y, where),
        polygon=_polygon(detection.mask.data, where),
        mask_size=(height, width) if height > 0 and width > 0 else None,
    )


def _label(text: str, class_names: Sequence[str], where: str) -> str:
    """Return the class name in one line; a class number is looked up in `class_names`."""
    if not isinstance(text, str):
        raise TypeError(f"class of {where} is {shown(text)}, expected a text")
    text = readable_label(text) if text else ""
    if not (text.isascii() and text.isdecimal()):
        return text
    return class_name(int(text), class_names)


def _score(value: Any, where: str) -> float:
    score = float(value)
    if not -SCORE_ROUNDING <= score <= 1 + SCORE_ROUNDING:
        raise RejectedInputError(
            RejectReason.DETECTIONS,
            f"score {score:.4g} of {where}, expected 0 to 1; {_CHECK}",
        )
    return min(max(score, 0.0), 1.0)


def _box(center: Any, width: Any, height: Any, where: str) -> np.ndarray | None:
    """Return (4,) u, v, width, height of the upright box around a rotated one; None if unset."""
    values = np.array([center.position.x, center.position.y, width, height], np.float64)
    theta = float(center.theta)
    if not np.all(np.isfinite(values)) or not np.isfinite(theta):
        raise RejectedInputError(
            RejectReason.DETECTIONS,
            f"box of {where} is {shown(values.tolist())}, expected finite numbers; {_CHECK}",
        )
    if np.any(np.abs(values) > FARTHEST_PIXEL) or np.any(values[2:] < 0):
        raise RejectedInputError(
            RejectReason.DETECTIONS,
            f"box of {where} has centre {values[0]:.4g}, {values[1]:.4g} and size {values[2]:.4g} "
            f"x {values[3]:.4g}, expected pixels and no negative size; {_CHECK}",
        )
    if not np.all(values[2:] > 0):
        return None
    cosine, sine = abs(np.cos(theta)), abs(np.sin(theta))
    upright = np.array([[cosine, sine], [sine, cosine]]) @ values[2:]
    return np.append(values[:2], upright)


def _polygon(points: Sequence[Any], where: str) -> np.ndarray | None:
    """Return (P, 2) u, v of three or more points, or None."""
    if len(points) < 3:
        return None
    polygon = np.array([(point.x, point.y) for point in points], np.float64)
    if not np.all(np.abs(polygon) <= FARTHEST_PIXEL):
        raise RejectedInputError(
            RejectReason.DETECTIONS,
            f"mask of {where} has points that are not finite or further out than "
            f"{FARTHEST_PIXEL:g}, expected pixels; {_CHECK}",
        )
    return polygon
