"""The instances of a frame: masks of a label image or of polygons, with class, score and id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw
from scipy.optimize import linear_sum_assignment

from iscene_ros.core.camera import Camera
from iscene_ros.preprocess.mask_duplicates import duplicate_of
from iscene_ros.session.inputs import Detection, InstanceImage
from iscene_ros.session.rejection import RejectedInputError, RejectReason
from iscene_ros.session.settings import Settings
from iscene_ros.session.synchronizer import SyncedInputs

# Least IoU of the boxes of an instance and a detection that describes it.
SAME_BOX = 0.3
# Two images whose shapes differ by less show the same view at another resolution.
SAME_SHAPE = 0.02
# Score of an instance that no detection describes although detections came.
UNDESCRIBED = 0.0
FARTHEST_CORNER = 1e6  # [pixels]


@dataclass(frozen=True)
class Instance:
    """One instance: (H, W) bool mask, class ("" = unknown), score, id of the tracker or ""."""

    mask: np.ndarray
    label: str
    score: float
    tracker_id: str


def find_instances(
    inputs: SyncedInputs, camera: Camera, settings: Settings
) -> tuple[list[Instance], tuple[str, ...]]:
    """Return the instances of a frame of the camera's size, and warnings about its detections.

    Raises:
        RejectedInputError: the polygons lie in an image of another shape.
    """
    if settings.masks_from == "detections":
        return _without_duplicates(_from_polygons(inputs.detections.items, camera))
    instances = _from_label_image(inputs.instances, settings)
    if inputs.detections is None:
        return instances, ()
    return _with_detections(instances, inputs.detections.items, camera)


def _from_label_image(image: InstanceImage, settings: Settings) -> list[Instance]:
    # Few pixels differ from the one before: sorting only those takes a tenth of the time.
    flat = image.ids.ravel()
    ids = np.unique(np.append(flat[:1], flat[1:][flat[1:] != flat[:-1]]))
    labels = {i: class_name(number, settings.class_names) for i, number in image.classes}
    return [Instance(image.ids == i, labels.get(int(i), ""), 1.0, "") for i in ids[ids > 0]]


def class_name(number: int, names: Sequence[str]) -> str:
    """Return the name of a class number, or one that is made of it."""
    return names[number] if number < len(names) else f"class_{number}"


def _with_detections(
    instances: list[Instance], detections: tuple[Detection, ...], camera: Camera
) -> tuple[list[Instance], tuple[str, ...]]:
    """Return instances with class, score and tracker id of the detection that overlaps most."""
    described = [replace(instance, score=UNDESCRIBED) for instance in instances]
    boxed = [d for d in detections if d.box is not None]
    if not detections or not instances:
        return described, ()
    masks = np.array([_box(i.mask) for i in instances])
    boxes = np.array([d.box for d in boxed]).reshape(-1, 4)
    overlaps = _overlaps(masks, boxes)
    if not overlaps.any():
        return described, (f"detections: {_why_none_fits(masks, boxes, camera)}",)
    for row, column in zip(*linear_sum_assignment(overlaps, maximize=True), strict=True):
        if overlaps[row, column] > 0:
            d, instance = boxed[column], instances[row]
            described[row] = Instance(
                instance.mask, d.label or instance.label, d.score, d.tracker_id
            )
    return described, ()


def _why_none_fits(masks: np.ndarray, boxes: np.ndarray, camera: Camera) -> str:
    """Return why no detection describes an instance; both are (N, 4) u, v, width, height."""
    count = f"none of {len(boxes)} boxes lies on an instance"
    if not len(boxes):
        return "they have no boxes; expected centre and size in pixels: check the detector"
    size = np.array([camera.width, camera.height], np.float64)
    low, high = boxes[:, :2], boxes[:, 2:]
    as_corners = np.column_stack([(low + high) / 2, high - low])
    if np.all(high > low) and _overlaps(masks, as_corners).any():
        return f"{count}; they hold corners: expected centre and size in pixels"
    if _overlaps(masks, boxes * np.tile(size, 2)).any():
        return f"{count}; they are in shares of the image: expected pixels"
    if np.any(boxes[:, :2] + boxes[:, 2:] / 2 > 1.05 * size):
        return (
            f"{count}, and they reach beyond {camera.width} x {camera.height} pixels: those of the "
            "network's picture? Expected pixels of the segmented image"
        )
    return f"{count}; check that they belong to the segmented image"


def _from_polygons(detections: tuple[Detection, ...], camera: Camera) -> list[Instance]:
    return [
        Instance(_filled(_in_pixels(d, camera), camera), d.label, d.score, d.tracker_id)
        for d in detections
        if d.polygon is not None and len(d.polygon) >= 3
    ]


def _in_pixels(detection: Detection, camera: Camera) -> np.ndarray:
    """Return the (P, 2) polygon u, v in pixels of the camera's image."""
    if detection.mask_size in (None, (camera.height, camera.width)):
        return detection.polygon
    height, width = detection.mask_size
    factors = np.array([camera.width / width, camera.height / height])
    if abs(factors[0] / factors[1] - 1) > SAME_SHAPE:
        raise RejectedInputError(
            RejectReason.SIZE,
            f"detections: polygons of an image of {width} x {height} pixels, but camera_info says "
            f"{camera.width} x {camera.height}, which has another shape; publish them in pixels of "
            "the segmented image",
        )
    return (detection.polygon + 0.5) * factors - 0.5


def _without_duplicates(
    instances: list[Instance],
) -> tuple[list[Instance], tuple[str, ...]]:
    """Return the instances without those whose mask is nearly that of a better one."""
    twice = duplicate_of([i.mask for i in instances], [i.score for i in instances])
    kept = [i for row, i in enumerate(instances) if row not in twice]
    if not twice:
        return kept, ()
    row, other = min(twice.items())
    line = (
        f"duplicates: {len(twice)} detections have nearly the mask of another one, such as "
        f"{instances[row].label or 'one'} and {instances[other].label or 'one'}; the better stays"
    )
    return kept, (line,)


def _filled(polygon: np.ndarray, camera: Camera) -> np.ndarray:
    """Return the (H, W) bool mask inside a (P, 2) boundary u, v [pixels]."""
    image = Image.new("1", (camera.width, camera.height))
    # Coordinates must fit 32 bits; a tighter limit would change the slope of the edges.
    clipped = np.clip(polygon, -FARTHEST_CORNER, FARTHEST_CORNER)
    ImageDraw.Draw(image).polygon([tuple(map(float, point)) for point in clipped], fill=1)
    return np.asarray(image, bool)


def _box(mask: np.ndarray) -> np.ndarray:
    """Return (4,) centre u, v, width and height [pixels] of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    width, height = columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
    return np.array([columns[0] + width / 2, rows[0] + height / 2, width, height], np.float64)


def _overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the (N, M) IoU of boxes (N, 4) and (M, 4) u, v, width, height; 0 if too small."""
    a, b = a[:, None], b[None]
    low = np.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = np.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    union = np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - common
    overlap = common / np.maximum(union, 1e-9)
    return np.where(overlap < SAME_BOX, 0.0, overlap)
