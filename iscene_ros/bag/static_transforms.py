"""Static transforms that are given where a bag has none."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from iscene_ros.core.errors import InputError
from iscene_ros.ros.decode_header import decode_frame
from iscene_ros.ros.decode_poses import rigid_matrix
from iscene_ros.session.inputs import TransformSample

NAMES = ("X", "Y", "Z", "QX", "QY", "QZ", "QW", "PARENT", "CHILD")


def static_transform(texts: Sequence[str]) -> TransformSample:
    """Return a transform of its texts, in the order of `NAMES`: metres, a quaternion, two frames.

    Raises:
        InputError: no numbers, no rotation, or no frames.
    """
    option = f"--static-transform {' '.join(texts)}"
    try:
        numbers = [float(text) for text in texts[:7]]
    except ValueError:
        raise InputError(f"{option}: expected numbers for {' '.join(NAMES[:7])}") from None
    position = SimpleNamespace(**dict(zip("xyz", numbers[:3], strict=True)))
    orientation = SimpleNamespace(**dict(zip("xyzw", numbers[3:], strict=True)))
    try:
        parent, child = (decode_frame(name, "the frame") for name in texts[7:])
        pose = rigid_matrix(position, orientation)
    except InputError as error:
        raise InputError(f"{option}: {error}") from error
    if parent == child:
        raise InputError(f"{option}: {child} in itself; expected two frames")
    return TransformSample(0, parent, child, pose, static=True)
