"""Pose of the camera at the time of a frame, from TF or from a pose topic."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.stamps import nanoseconds
from iscene_ros.session.inputs import PoseSample, TransformSample
from iscene_ros.session.settings import Settings
from iscene_ros.session.transforms import FOREVER_NS, NoTransformError, TransformBuffer

# Poses of a topic are stored under child frames of their own, as TF may have another parent for
# the same child.
_FROM_TOPIC = "(camera_pose) "


class CameraPoses:
    """Looks up camera poses in the world frame, or in the first connected fallback frame.

    The settings may be replaced at any time.

    Attributes:
        transforms: all samples of TF and of the pose topic.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.transforms = TransformBuffer()
        self._topic_child = ""
        self._topic_parent = ""
        self._substituted = False

    def add_pose(self, sample: PoseSample) -> None:
        """Store a sample of the pose topic: of the camera, or of a frame that TF connects to it.

        Raises:
            RejectedInputError: its stamp jumped back in time.
        """
        self._topic_parent, self._topic_child = sample.parent, sample.child
        child = _FROM_TOPIC + sample.child
        self.transforms.add(
            TransformSample(sample.stamp_ns, sample.parent, child, sample.parent_from_child)
        )

    def at(self, camera_frame: str, stamp_ns: int, patient: bool) -> tuple[str, np.ndarray | None]:
        """Return the frame of all outputs, and the pose of a camera in it at a stamp [ns].

        While `patient`, only a pose at that time is accepted, because a later sample may still
        come; then the nearest one within `transform_tolerance`.

        Returns:
            The frame and the (4, 4) float64 rigid frame_from_camera [m], None where the frame is
            the camera's own.

        Raises:
            NoTransformError: no such pose is available.
        """
        frame = self._output_frame(camera_frame, patient)
        if frame == camera_frame:
            return frame, None
        tolerance = nanoseconds(self.settings.transform_tolerance)
        try:
            pose = self._lookup(frame, camera_frame, stamp_ns, 0 if patient else tolerance)
        except NoTransformError as error:
            if not patient or error.may_come:
                raise
            # A pose at that time will never come: accept one within the tolerance now.
            pose = self._lookup(frame, camera_frame, stamp_ns, tolerance)
        return frame, pose

    def between(self, new: str, old: str, stamp_ns: int) -> np.ndarray | None:
        """Return the (4, 4) new_from_old [m] at the available time nearest to a stamp, or None."""
        try:
            return self.transforms.lookup(new, old, stamp_ns, FOREVER_NS)
        except NoTransformError:
            return None

    def _output_frame(self, camera_frame: str, patient: bool) -> str:
        """Return the world frame, or the first fallback frame that is connected to the camera.

        A connected frame with a late transform is not replaced by the next one, since the output
        frames move against each other.

        Raises:
            NoTransformError: no frame is connected, or the world frame may still be connected.
        """
        world_frame = self.settings.world_frame
        if self._connected(world_frame, camera_frame):
            self._substituted = False
            return world_frame
        fallbacks = (f for f in self.settings.fallback_frames if self._connected(f, camera_frame))
        substitute = next(fallbacks, None)
        # Only the first camera frame waits for the world frame; later ones fall back at once.
        if substitute is None or (patient and not self._substituted):
            raise NoTransformError(self._reason_for_none(camera_frame), may_come=True)
        self._substituted = True
        return substitute

    def _connected(self, frame: str, camera_frame: str) -> bool:
        """Return whether TF, together with the pose topic, connects a frame to the camera."""
        connects = self.transforms.connects
        if self.settings.pose_source == "tf" or frame == camera_frame:
            return connects(frame, camera_frame)
        if not self._topic_parent or not connects(frame, self._topic_parent):
            return False
        return self._topic_child in ("", camera_frame) or connects(self._topic_child, camera_frame)

    def _reason_for_none(self, camera_frame: str) -> str:
        """Return the error line for a camera that is connected to no output frame."""
        settings, frames = self.settings, self.transforms.frames()
        if settings.pose_source != "tf" and not self._topic_parent:
            return f"camera_pose: no message yet; pose_source is {settings.pose_source}"
        wanted = ", ".join((settings.world_frame, *settings.fallback_frames))
        known = ", ".join([f for f in frames if not f.startswith(_FROM_TOPIC)][:8]) or "none"
        return (
            f"transform: none of {wanted} is connected to the camera's frame {camera_frame}; known "
            f"are: {known}; check TF, or set world_frame or fallback_frames"
        )

    def _lookup(self, frame: str, camera_frame: str, stamp_ns: int, tolerance: int) -> np.ndarray:
        """Return the (4, 4) frame_from_camera [m] at a stamp, within a tolerance [ns]."""
        if self.settings.pose_source == "tf":
            return self.transforms.lookup(frame, camera_frame, stamp_ns, tolerance)
        parent, child = self._topic_parent, self._topic_child
        pose = self.transforms.lookup(parent, _FROM_TOPIC + child, stamp_ns, tolerance)
        if frame != parent:
            pose = self.transforms.lookup(frame, parent, stamp_ns, tolerance) @ pose
        if child not in ("", camera_frame):
            pose = pose @ self.transforms.lookup(child, camera_frame, stamp_ns, tolerance)
        return pose
