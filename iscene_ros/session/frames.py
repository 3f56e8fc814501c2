"""The observation of a synchronised frame, with the tracker ids of its instances."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw
from scipy.optimize import linear_sum_assignment

from iscene_ros.core.camera import Camera
from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.core.stamps import SECOND
from iscene_ros.session.inputs import Detection, InstanceImage, Intrinsics
from iscene_ros.session.rejection import RejectedInputError, RejectReason
from iscene_ros.session.settings import Settings
from iscene_ros.session.synchronizer import SyncedInputs

# Least IoU of the boxes of an instance and a detection that describes it.
SAME_BOX = 0.3
UNKNOWN_LABEL = "object"
FARTHEST_CORNER = 1e6  # [pixels]


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


@dataclass(frozen=True)
class _Instance:
    mask: np.ndarray
    label: str
    score: float
    tracker_id: str


def observe(frame: PosedFrame, settings: Settings) -> TrackedObservation:
    """Return the observation of a frame.

    Instances that are too small, of too low a score or too many are left out, with a warning.

    Raises:
        RejectedInputError: sizes disagree, no depth.
    """
    _check_sizes(frame)
    if settings.masks_from == "detections":
        instances = _from_polygons(frame, settings)
    else:
        instances = _from_label_image(frame.inputs.instances, frame, settings)
    kept, left_out, warnings = _chosen(instances, settings)
    color = frame.inputs.color
    try:
        observation = Observation(
            depth=frame.inputs.depth.depth,
            masks=np.stack([i.mask for i in kept]) if kept else _no_masks(frame),
            camera=frame.intrinsics.camera,
            rgb=None if color is None else color.rgb,
            labels=tuple(i.label or UNKNOWN_LABEL for i in kept),
            scores=tuple(i.score for i in kept),
            world_from_camera=frame.frame_from_camera,
            stamp=frame.stamp_ns / SECOND,
            warnings=warnings,
        ).rectified()
    except InputError as error:
        raise RejectedInputError(RejectReason.OBSERVATION, str(error)) from error
    trackers = tuple(i.tracker_id for i in kept)
    return TrackedObservation(observation, trackers, _pixels(left_out, frame.intrinsics.camera))


def _chosen(
    instances: list[_Instance], settings: Settings
) -> tuple[list[_Instance], list[_Instance], tuple[str, ...]]:
    """Return the instances to complete, those left out, and warnings about the latter."""
    sizes = [np.count_nonzero(i.mask) for i in instances]
    accepted = [
        row
        for row, i in enumerate(instances)
        if i.score >= settings.min_score and sizes[row] >= settings.min_pixels
    ]
    few = len(instances) - len(accepted)
    warnings = (f"{few} instances left out (min_pixels, min_score)",) if few else ()
    if len(accepted) > settings.max_instances:
        warnings += (
            f"{len(accepted)} instances; the {settings.max_instances} largest are completed",
        )
        accepted = sorted(accepted, key=lambda row: -sizes[row])[: settings.max_instances]
    left_out = [i for row, i in enumerate(instances) if row not in accepted]
    return [instances[row] for row in accepted], left_out, warnings


def _pixels(instances: list[_Instance], camera: Camera) -> np.ndarray | None:
    """Return the (H, W) bool rectified pixels of instances; None where there are none."""
    if not instances:
        return None
    pixels = np.any([i.mask for i in instances], axis=0)
    if camera.is_rectified:
        return pixels
    rows, columns, inside = camera.rectification_map
    return pixels[rows, columns] & inside


def _no_masks(frame: PosedFrame) -> np.ndarray:
    camera = frame.intrinsics.camera
    return np.zeros((0, camera.height, camera.width), bool)


def _check_sizes(frame: PosedFrame) -> None:
    camera = frame.intrinsics.camera
    expected = camera.height, camera.width
    inputs = frame.inputs
    shapes = [("depth", inputs.depth.depth.shape)]
    if inputs.instances is not None:
        shapes.append(("instances", inputs.instances.ids.shape))
    if inputs.color is not None:
        shapes.append(("rgb", inputs.color.rgb.shape[:2]))
    if inputs.instances is None:
        sizes = [d.mask_size for d in inputs.detections.items if d.mask_size is not None]
        shapes += [("detections", size) for size in sizes]
    for name, shape in shapes:
        if shape != expected:
            raise RejectedInputError(
                RejectReason.SIZE,
                f"{name}: {shape[1]} x {shape[0]} pixels, but camera_info says {expected[1]} x "
                f"{expected[0]}; all images must be registered to each other",
            )


def _from_label_image(
    image: InstanceImage, frame: PosedFrame, settings: Settings
) -> list[_Instance]:
    ids = np.unique(image.ids)
    classes = dict(image.classes)
    instances = [
        _Instance(image.ids == i, _class_name(classes.get(int(i)), settings), 1.0, "")
        for i in ids[ids > 0]
    ]
    detections = frame.inputs.detections
    return _with_detections(instances, detections.items) if detections else instances


def _class_name(number: int | None, settings: Settings) -> str:
    if number is None:
        return ""
    names = settings.class_names
    return names[number] if number < len(names) else f"class_{number}"


def _with_detections(
    instances: list[_Instance], detections: tuple[Detection, ...]
) -> list[_Instance]:
    """Return instances with class, score and tracker id of the detection that overlaps most."""
    boxed = [d for d in detections if d.box is not None]
    if not boxed or not instances:
        return instances
    overlaps = np.array([[_box_overlap(_box(i.mask), d.box) for d in boxed] for i in instances])
    overlaps[overlaps < SAME_BOX] = 0
    described = list(instances)
    for row, column in zip(*linear_sum_assignment(overlaps, maximize=True), strict=True):
        if overlaps[row, column] > 0:
            d = boxed[column]
            label = d.label or instances[row].label
            described[row] = replace(
                instances[row], label=label, score=d.score, tracker_id=d.tracker_id
            )
    return described


def _from_polygons(frame: PosedFrame, settings: Settings) -> list[_Instance]:
    camera = frame.intrinsics.camera
    return [
        _Instance(_filled(d.polygon, camera.width, camera.height), d.label, d.score, d.tracker_id)
        for d in frame.inputs.detections.items
        if d.polygon is not None and len(d.polygon) >= 3
    ]


def _filled(polygon: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the (H, W) bool mask inside a (P, 2) boundary u, v [pixels]."""
    image = Image.new("1", (width, height))
    # Coordinates must fit 32 bits; a tighter limit would change the slope of the edges.
    clipped = np.clip(polygon, -FARTHEST_CORNER, FARTHEST_CORNER)
    ImageDraw.Draw(image).polygon([tuple(map(float, point)) for point in clipped], fill=1)
    return np.asarray(image, bool)


def _box(mask: np.ndarray) -> np.ndarray:
    """Return (4,) centre u, v, width and height [pixels] of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    width, height = columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
    return np.array([columns[0] + width / 2, rows[0] + height / 2, width, height], np.float64)


def _box_overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the intersection over union of two boxes (4,) centre u, v, width and height."""
    low = np.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2)
    high = np.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
    common = np.prod(np.maximum(high - low, 0))
    return float(common / max(np.prod(a[2:]) + np.prod(b[2:]) - common, 1e-9))
