"""The observation of a synchronised frame, with the tracker ids of its instances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.core.stamps import SECOND
from iscene_ros.session.inputs import Intrinsics
from iscene_ros.session.instances import Instance, find_instances
from iscene_ros.session.rejection import RejectedInputError, RejectReason
from iscene_ros.session.settings import Settings
from iscene_ros.session.synchronizer import SyncedInputs


@dataclass(frozen=True)
class PosedFrame:
    """Synchronised messages with the calibration and the pose of their camera.

    Attributes:
        inputs: synchronised messages.
        intrinsics: calibration of the camera.
        frame_id: frame of the outputs.
        frame_from_camera: (4, 4) float64 rigid [m], or None where frame_id is the camera's own.
        resets: number of resets of the map before this frame.
    """

    inputs: SyncedInputs
    intrinsics: Intrinsics
    frame_id: str
    frame_from_camera: np.ndarray | None
    resets: int = 0

    @property
    def stamp_ns(self) -> int:
        """Stamp of the masks [ns]."""
        pivot = self.inputs.instances or self.inputs.detections
        return pivot.stamp_ns

    @property
    def camera_frame(self) -> str:
        """The camera's optical frame."""
        return self.inputs.depth.frame_id


@dataclass(frozen=True)
class TrackedObservation:
    """An observation, and the tracker ids of its instances.

    Attributes:
        observation: rectified; ids 1 to N.
        tracker_ids: N texts, "" where there is none.
        left_out: (H, W) bool, pixels of the instances that are not in the observation, rectified;
            None where there are none.
    """

    observation: Observation
    tracker_ids: tuple[str, ...]
    left_out: np.ndarray | None = None


def observe(frame: PosedFrame, settings: Settings) -> TrackedObservation:
    """Return the observation of a frame.

    Instances that are too small, of too low a score or too many are left out, with a warning.

    Raises:
        RejectedInputError: sizes disagree, no depth.
    """
    _check_sizes(frame)
    instances, doubts = find_instances(frame.inputs, frame.intrinsics.camera, settings)
    kept, left_out, warnings = _chosen(instances, settings)
    color, camera = frame.inputs.color, frame.intrinsics.camera
    no_masks = np.zeros((0, camera.height, camera.width), bool)
    try:
        observation = Observation(
            depth=frame.inputs.depth.depth,
            masks=np.stack([i.mask for i in kept]) if kept else no_masks,
            camera=camera,
            rgb=None if color is None else color.rgb,
            labels=tuple(i.label for i in kept),
            scores=tuple(i.score for i in kept),
            world_from_camera=frame.frame_from_camera,
            stamp=frame.stamp_ns / SECOND,
            warnings=(*doubts, *warnings),
        ).rectified()
    except InputError as error:
        raise RejectedInputError(RejectReason.OBSERVATION, str(error)) from error
    trackers = tuple(i.tracker_id for i in kept)
    return TrackedObservation(observation, trackers, _pixels(left_out, camera))


def _chosen(
    instances: list[Instance], settings: Settings
) -> tuple[list[Instance], list[Instance], tuple[str, ...]]:
    """Return the instances to complete, those left out, and warnings about the latter."""
    sizes = [np.count_nonzero(i.mask) for i in instances]
    accepted = [
        row
        for row, i in enumerate(instances)
        if i.score >= settings.min_score and sizes[row] >= settings.min_pixels
    ]
    few = len(instances) - len(accepted)
    warnings = (f"min_pixels, min_score: {few} instances left out",) if few else ()
    if len(accepted) > settings.max_instances:
        warnings += (
            f"max_instances: the {settings.max_instances} largest of {len(accepted)} instances are "
            "completed",
        )
        accepted = sorted(accepted, key=lambda row: -sizes[row])[: settings.max_instances]
    left_out = [i for row, i in enumerate(instances) if row not in accepted]
    return [instances[row] for row in accepted], left_out, warnings


def _pixels(instances: list[Instance], camera: Camera) -> np.ndarray | None:
    """Return the (H, W) bool rectified pixels of instances; None where there are none."""
    if not instances:
        return None
    pixels = np.any([i.mask for i in instances], axis=0)
    if camera.is_rectified:
        return pixels
    rows, columns, inside = camera.rectification_map
    return pixels[rows, columns] & inside


def _check_sizes(frame: PosedFrame) -> None:
    camera, inputs = frame.intrinsics.camera, frame.inputs
    expected = camera.height, camera.width
    shapes = [("depth", inputs.depth.depth.shape)]
    if inputs.instances is not None:
        shapes.append(("instances", inputs.instances.ids.shape))
    if inputs.color is not None:
        shapes.append(("rgb", inputs.color.rgb.shape[:2]))
    for name, shape in shapes:
        if shape != expected:
            raise RejectedInputError(
                RejectReason.SIZE,
                f"{name}: {shape[1]} x {shape[0]} pixels, but camera_info says {expected[1]} x "
                f"{expected[0]}; all images must be registered to each other",
            )
