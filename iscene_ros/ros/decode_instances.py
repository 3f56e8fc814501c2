"""Decoding of label images to instance ids and classes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from iscene_ros.ros.decode_header import decode_header
from iscene_ros.ros.pixels import read_pixels
from iscene_ros.session.inputs import InstanceImage
from iscene_ros.session.rejection import RejectedInputError, RejectReason

INSTANCE_FORMATS = {
    "mono8": "u1",
    "mono16": "u2",
    "8UC1": "u1",
    "16UC1": "u2",
    "32SC1": "i4",
}
MOST_INSTANCES = 512
_PROBED_RUNS = 20_000
_CLASS_SHIFT = 16
_INSTANCE_BITS = (1 << _CLASS_SHIFT) - 1
_ADVICE = "publish one instance id a pixel, 0 = background"


def decode_instances(message: Any, encoding: str) -> InstanceImage:
    """Return the label image of a sensor_msgs/msg/Image: mono8, mono16, 8UC1, 16UC1 or 32SC1.

    Args:
        message: the image, registered to depth.
        encoding: "ids", or "class_and_id" for pixels class << 16 | instance (32SC1 alone). There,
            instance 0 is background whatever its class; where one number is used by several
            classes of an image, these ids are class << 16 | instance, so that they stay apart.

    Raises:
        RejectedInputError: STAMP, FRAME, ENCODING, SIZE, EMPTY; OBSERVATION for negative ids or
            more than 512 of them.
    """
    stamp_ns, frame_id = decode_header(message.header)
    with_classes = encoding == "class_and_id"
    formats = {"32SC1": "i4"} if with_classes else INSTANCE_FORMATS
    ids = read_pixels(message, formats, _ADVICE).astype(np.int32)
    return instance_image(stamp_ns, frame_id, ids, with_classes)


def instance_image(
    stamp_ns: int, frame_id: str, ids: np.ndarray, with_classes: bool = False
) -> InstanceImage:
    """Return the label image of (H, W) int32 pixels.

    Raises:
        RejectedInputError: OBSERVATION for negative ids or more than 512 of them.
    """
    if ids.min() < 0:
        row, column = np.argwhere(ids < 0)[0]
        raise RejectedInputError(
            RejectReason.OBSERVATION,
            f"negative id {ids[row, column]} at column {column}, row {row}, expected ids from 0; "
            f"{_ADVICE}",
        )
    values = _distinct(ids)
    if np.count_nonzero(values) > MOST_INSTANCES:
        raise RejectedInputError(
            RejectReason.OBSERVATION,
            f"more than {MOST_INSTANCES} distinct ids; is this an image of instance ids? {_ADVICE}",
        )
    if with_classes:
        return InstanceImage(stamp_ns, frame_id, *_split(ids, values.tolist()))
    return InstanceImage(stamp_ns, frame_id, ids)


def _distinct(ids: np.ndarray) -> np.ndarray:
    """Return the sorted distinct values; of noise, those of the first runs.

    Labels form runs along rows, and only the start of a run is sorted. An image of noise has as
    many runs as pixels, which the first of them reveal.
    """
    flat = ids.ravel()
    starts = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    first = np.unique(flat[starts[:_PROBED_RUNS]])
    if len(starts) <= _PROBED_RUNS or len(first) > MOST_INSTANCES + 1:
        return first
    return np.union1d(first, flat[starts[_PROBED_RUNS:]])


def _split(
    values: np.ndarray, distinct: list[int]
) -> tuple[np.ndarray, tuple[tuple[int, int], ...]]:
    """Return instance ids, and the class of each, of an image of class << 16 | instance."""
    uses = Counter(value & _INSTANCE_BITS for value in distinct)
    ids, classes = values & _INSTANCE_BITS, []
    for value in distinct:
        instance = value & _INSTANCE_BITS
        if instance == 0:
            continue
        unique = instance if uses[instance] == 1 else value
        if unique != instance:
            ids[values == value] = unique
        classes.append((unique, value >> _CLASS_SHIFT))
    return ids, tuple(sorted(classes))
