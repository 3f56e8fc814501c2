"""The camera's pose at the time of a frame, from TF or from a pose topic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.session.inputs import PoseSample, TransformSample
from iscene_ros.session.settings import Settings
from iscene_ros.session.stamps import nanoseconds
from iscene_ros.session.transforms import NoTransformError, TransformBuffer

# Poses of a topic lie in the tree under names of their own, so that a frame that TF knows, too,
# keeps its one parent.
_FROM_TOPIC = "(camera_pose) "


@dataclass(frozen=True)
class CameraPose:
    """Where the camera is.

    Attributes:
        frame_id: of the outputs.
        frame_from_camera: (4, 4) float64 rigid [m], or None where frame_id is the camera's own.
    """

    frame_id: str
    frame_from_camera: np.ndarray | None


class CameraPoses:
    """Looks up camera poses in the world frame, or in the first fallback frame that is known."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.transforms = TransformBuffer()
        self._topic_child = ""
        self._topic_parent = ""
        self._substitute = ""

    def add_pose(self, sample: PoseSample) -> None:
        """Take a pose of the camera, or of the frame that the message names.

        Raises:
            RefusedInputError: it jumped back in time.
        """
        self._topic_parent, self._topic_child = sample.parent, sample.child
        child = _FROM_TOPIC + sample.child
        self.transforms.add(
            TransformSample(sample.stamp_ns, sample.parent, child, sample.parent_from_child)
        )

    def at(self, camera_frame: str, stamp_ns: int, patient: bool) -> CameraPose:
        """The pose at a stamp.

        Args:
            camera_frame: the camera's optical frame.
            stamp_ns: [ns].
            patient: only a pose of that very time will do; else one within transform_tolerance.

        Raises:
            NoTransformError: there is none.
        """
        tolerance = 0 if patient else nanoseconds(self.settings.transform_tolerance)
        world = self.settings.world_frame
        if world == camera_frame:
            return CameraPose(world, None)
        try:
            return CameraPose(world, self._lookup(world, camera_frame, stamp_ns, tolerance))
        except NoTransformError as error:
            failure = error
        # While the world frame may still come, a frame below it is no substitute; once one stood
        # in, it does so at once until TF connects the world.
        connected = self.transforms.connects(world, camera_frame)
        if connected or (patient and not self._substitute):
            raise failure
        for frame in self.settings.fallback_frames:
            try:
                pose = self._lookup(frame, camera_frame, stamp_ns, tolerance)
            except NoTransformError as error:
                failure = error if frame == self._substitute else failure
                continue
            self._substitute = frame
            return CameraPose(frame, pose)
        raise failure

    def between(self, new: str, old: str, stamp_ns: int) -> np.ndarray | None:
        """(4, 4) new_from_old at a stamp, or None."""
        tolerance = nanoseconds(self.settings.transform_tolerance)
        try:
            return self.transforms.lookup(new, old, stamp_ns, tolerance)
        except NoTransformError:
            return None

    def _lookup(self, frame: str, camera_frame: str, stamp_ns: int, tolerance: int) -> np.ndarray:
        if self.settings.pose_source == "tf":
            return self.transforms.lookup(frame, camera_frame, stamp_ns, tolerance)
        if not self._topic_parent:
            raise NoTransformError(
                f"camera_pose: no message yet; pose_source is {self.settings.pose_source}",
                may_come=True,
            )
        child = self._topic_child
        pose = self._from_topic(frame, stamp_ns, tolerance, child)
        if child in ("", camera_frame):
            return pose
        return pose @ self.transforms.lookup(child, camera_frame, stamp_ns, tolerance)

    def _from_topic(self, frame: str, stamp_ns: int, tolerance: int, child: str) -> np.ndarray:
        parent = self._topic_parent
        parent_from_child = self.transforms.lookup(parent, _FROM_TOPIC + child, stamp_ns, tolerance)
        if frame == parent:
            return parent_from_child
        return self.transforms.lookup(frame, parent, stamp_ns, tolerance) @ parent_from_child
