"""Decoded inputs of a session: numpy arrays, stamps in nanoseconds, names of frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.stamps import FUTURE_NS, SECOND
from iscene_ros.session.rejection import RejectedInputError, RejectReason


@dataclass(frozen=True)
class Stamped:
    """What comes from one camera at one time.

    Attributes:
        stamp_ns: time of capture [ns] of the image that it is, or that was processed.
        frame_id: the camera's optical frame.
    """

    stamp_ns: int
    frame_id: str


@dataclass(frozen=True)
class ColorImage(Stamped):
    """A colour image.

    Attributes:
        rgb: (H, W, 3) uint8.
    """

    rgb: np.ndarray


@dataclass(frozen=True)
class DepthImage(Stamped):
    """A depth image, registered to the colour image.

    Attributes:
        depth: (H, W) float32, distance along the optical axis [m]; 0 or NaN = no reading.
    """

    depth: np.ndarray


@dataclass(frozen=True)
class Intrinsics(Stamped):
    """A camera's calibration, for images as they are published (binning and ROI applied).

    Attributes:
        camera: size and pinhole model.
    """

    camera: Camera


@dataclass(frozen=True)
class InstanceImage(Stamped):
    """A label image.

    Attributes:
        ids: (H, W) int32 instance ids, 0 = background, never negative.
        classes: class number by instance id, where the image carries classes.
    """

    ids: np.ndarray
    classes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Detection:
    """One detected object.

    Attributes:
        label: class name; "" where unknown.
        score: in [0, 1].
        tracker_id: id that a tracker gave to the object; "" where there is none.
        box: (4,) float64 centre u, v and width, height [pixels], or None.
        polygon: (P, 2) float64 boundary u, v of the mask [pixels], or None.
        mask_size: height and width [pixels] of the image that the polygon lies in, or None.
    """

    label: str
    score: float
    tracker_id: str = ""
    box: np.ndarray | None = None
    polygon: np.ndarray | None = None
    mask_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Detections(Stamped):
    """The detections of one image.

    Attributes:
        items: in the order of the message.
    """

    items: tuple[Detection, ...]


@dataclass(frozen=True)
class TransformSample:
    """One transform at one time.

    Attributes:
        stamp_ns: [ns]; ignored where static.
        parent, child: frame names without leading slash.
        parent_from_child: (4, 4) float64 rigid [m].
        static: whether the transform holds at all times.
    """

    stamp_ns: int
    parent: str
    child: str
    parent_from_child: np.ndarray
    static: bool = False


@dataclass(frozen=True)
class PoseSample:
    """A pose from a topic instead of TF.

    Attributes:
        stamp_ns: [ns].
        parent: frame in which the pose is expressed.
        child: frame that has this pose; "" = the camera's optical frame.
        parent_from_child: (4, 4) float64 rigid [m].
    """

    stamp_ns: int
    parent: str
    child: str
    parent_from_child: np.ndarray


Input = ColorImage | DepthImage | Intrinsics | InstanceImage | Detections | PoseSample


Image = TypeVar("Image", bound=Stamped)


def in_frame(item: Image, frame_id: str) -> Image:
    """Return an image, detections or a calibration in another frame; "" leaves it in its own."""
    return replace(item, frame_id=frame_id) if frame_id else item


def check_clock(item: Input | TransformSample, now_ns: int) -> None:
    """Check that a stamp does not lie in the future.

    Raises:
        RejectedInputError: it does.
    """
    timeless = isinstance(item, TransformSample) and item.static
    ahead = item.stamp_ns - now_ns
    if ahead > FUTURE_NS and not timeless:
        raise RejectedInputError(
            RejectReason.FUTURE,
            f"{type(item).__name__}: its stamp lies {ahead / SECOND:.1f} s in the future; check "
            "the clocks of the machines and use_sim_time",
        )
