"""Which messages belong to one camera, by their frames in TF, and the calibration of each camera.

Images that are registered to each other have one centre of projection, so frames that lie apart
are different cameras, whatever the stamps say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from iscene_ros.session.inputs import Intrinsics
from iscene_ros.session.rejection import RejectedInputError, RejectReason
from iscene_ros.session.synchronizer import SyncedInputs

# Frames of one camera that are no further apart than this have the same centre [m].
SAME_CENTRE_M = 0.005
# Calibrations that are kept; damaged messages could bring any number of frames.
MOST_CAMERAS = 16
REMEDY = (
    "register it first: align_depth of the RealSense driver, depth_registration of others, or "
    "depth_image_proc's register node; or set camera_frame if the headers are wrong"
)

# (frame, frame) to the distance of their origins [m], or None where TF does not connect them
Distance = Callable[[str, str], float | None]


class CameraFrames:
    """Keeps the calibration of each camera and compares the frames of the messages of a frame.

    `distance` looks frames up in TF; `warn` is called where TF does not tell whether all is of one
    camera.
    """

    def __init__(self, distance: Distance, warn: Callable[[str], None]) -> None:
        self._distance, self._warn = distance, warn
        self._calibrations: dict[str, Intrinsics] = {}

    @property
    def is_calibrated(self) -> bool:
        """Whether any calibration has come."""
        return bool(self._calibrations)

    def add(self, item: Intrinsics) -> None:
        """Keep the calibration of a camera; an unchanged one keeps its rectification map."""
        before = self._calibrations.pop(item.frame_id, None)
        unchanged = before is not None and before.camera.same_as(item.camera)
        kept = replace(item, camera=before.camera) if unchanged else item
        self._calibrations[item.frame_id] = kept
        if len(self._calibrations) > MOST_CAMERAS:
            del self._calibrations[next(iter(self._calibrations))]

    def calibration(self, inputs: SyncedInputs) -> Intrinsics:
        """Return the calibration of the camera of a frame, the newest one where no name agrees.

        Raises:
            RejectedInputError: FRAME; TF says that the messages, or all calibrations, are of other
                cameras.
        """
        items = {
            "instances": inputs.instances,
            "detections": inputs.detections,
            "rgb": inputs.color,
            "depth": inputs.depth,
        }
        messages = {key: item.frame_id for key, item in items.items() if item is not None}
        depth = inputs.depth.frame_id
        for key, name in messages.items():
            if line := self.other_camera(depth, name):
                raise RejectedInputError(RejectReason.FRAME, f"depth, {key}: {line}")
        known = [name for name in messages.values() if name and name in self._calibrations]
        fitting = [n for n in self._calibrations if not self.other_camera(n, depth)]
        if not known and not fitting:
            line = self.other_camera(next(reversed(self._calibrations)), depth)
            raise RejectedInputError(RejectReason.FRAME, f"camera_info: {line}")
        found = self._calibrations[(known or fitting[::-1])[0]]
        for key, name in (messages | {"camera_info": found.frame_id}).items():
            if name not in ("", depth) and self._distance(depth, name) is None:
                self._warn(
                    f"frames: depth is in {depth}, {key} in {name}, which TF does not connect; "
                    "they are taken to be registered to each other"
                )
                break
        return found

    def other_camera(self, one: str, other: str) -> str:
        """Return why a frame is of another camera than a second one; "" where it may not be."""
        apart = None if "" in (one, other) or one == other else self._distance(one, other)
        if apart is None or apart <= SAME_CENTRE_M:
            return ""
        return f"{one} lies {1000 * apart:.0f} mm from {other} by TF: another camera; {REMEDY}"
