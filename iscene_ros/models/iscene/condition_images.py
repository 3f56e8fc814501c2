"""The images that condition the release: crops of the frame, multiplied by the masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from iscene_ros.core.errors import InputError, ModelError

# Side of the crop relative to the box around all instances, and side of an image [pixels].
CROP_PER_BOX = 1.2
IMAGE_SIDE = 518

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class ConditionImages:
    """Input of the image conditioner.

    Attributes:
        images: (1 + N, 3, side, side) float32 from 0 to 1, black outside of the masks: the scene
            (all instances), then each instance. All show the same crop of the frame.
        box: (left, top, right, bottom) of that crop [pixels], right and bottom exclusive; it may
            reach beyond the frame.
    """

    images: np.ndarray
    box: Box


def condition_images(rgb: np.ndarray, masks: np.ndarray, side: int = IMAGE_SIDE) -> ConditionImages:
    """Compute the release's images of a frame, bit for bit with the same OpenCV.

    Args:
        rgb: (H, W, 3) uint8.
        masks: (N, H, W) bool, one instance each. An empty one gives a black image: leave such
            instances out before.
        side: of the images [pixels].

    Raises:
        InputError: no rgb, sizes disagree, no instance, or all of them together are too small.
        ModelError: OpenCV is not installed.
    """
    rgb, masks = _checked(rgb, masks)
    if side < 1:
        raise InputError(f"side: {side}, expected at least 1 pixel")
    union = masks.any(axis=0)
    box = crop_box(union)
    scene = cropped(rgb, box).astype(np.float32) / 255.0 * cropped(union, box)[..., None]
    instances = (scene * cropped(mask, box)[..., None] for mask in masks)
    images = np.empty((1 + len(masks), 3, side, side), np.float32)
    for row, image in zip(images, _resized(scene, instances, side), strict=True):
        row[:] = image.transpose(2, 0, 1)
    return ConditionImages(images, box)


def crop_box(mask: np.ndarray) -> Box:
    """Return the release's square around a mask (H, W): (left, top, right, bottom) [pixels].

    Raises:
        InputError: the mask is empty or so small that nothing is left of the square.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        raise InputError("masks: all empty; expected at least one instance with a pixel")
    # Differences of pixel indices, not numbers of pixels: one less.
    width, height = (int(line[-1] - line[0]) for line in (columns, rows))
    half = int(max(width, height) * CROP_PER_BOX) // 2
    if not half:
        raise InputError(
            f"masks: all instances together span {width + 1} x {height + 1} pixels; expected at "
            "least 3: go nearer or take a larger image"
        )
    x, y = (float(line[0] + line[-1]) / 2 for line in (columns, rows))
    # Halves go to the even neighbour, as in Pillow's crop.
    left, top, right, bottom = (round(v) for v in (x - half, y - half, x + half, y + half))
    return left, top, right, bottom


def cropped(image: np.ndarray, box: Box) -> np.ndarray:
    """Return the part of an image (H, W, ...) in a box, zero beyond the image."""
    left, top, right, bottom = box
    height, width = image.shape[:2]
    part = np.zeros((bottom - top, right - left, *image.shape[2:]), image.dtype)
    inside = image[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    row, column = max(-top, 0), max(-left, 0)
    part[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return part


def _resized(scene: np.ndarray, instances: Iterator[np.ndarray], side: int) -> Iterator[np.ndarray]:
    """Yield images (side, side, 3), clipped to 0..1: Lanczos overshoots at the masks' edges."""
    cv2 = _opencv()
    for image in (scene, *instances):
        resized = cv2.resize(image, (side, side), interpolation=cv2.INTER_LANCZOS4)
        yield np.clip(resized, 0, 1)


def _opencv() -> ModuleType:
    try:
        import cv2
    except ImportError as error:
        raise ModelError(
            f"OpenCV: not to be imported ({error}); the released model resizes its images with "
            'it: pip install "iscene_ros[release]"'
        ) from error
    return cv2


def _checked(rgb: np.ndarray | None, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if rgb is None:
        raise InputError("rgb: none; the released model reads colours: give the colour image")
    rgb, masks = np.asarray(rgb), np.asarray(masks)
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise InputError(f"rgb: {rgb.dtype} of shape {rgb.shape}, expected uint8 (H, W, 3)")
    if masks.ndim != 3 or masks.shape[1:] != rgb.shape[:2]:
        raise InputError(
            f"masks: shape {masks.shape}, expected (N, {rgb.shape[0]}, {rgb.shape[1]}) as rgb: "
            "register both to one camera"
        )
    return rgb, masks.astype(bool)
