"""The images that condition the release: crops of the frame, multiplied by the masks."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.errors import InputError, ModelError

# Side of the crop relative to the box around all instances.
CROP_PER_BOX = 1.2

Box = tuple[int, int, int, int]


def condition_images(rgb: np.ndarray, masks: np.ndarray, side: int) -> np.ndarray:
    """Compute the release's images of a frame, bit for bit with the same OpenCV.

    Args:
        rgb: (H, W, 3) uint8.
        masks: (N, H, W) bool, one instance each. An empty one gives a black image: leave such
            instances out before.
        side: of the images [pixels]; 518 in the release.

    Returns:
        (1 + N, 3, side, side) float32 from 0 to 1, black outside of the masks: the scene (all
        instances), then each instance. All show the same crop of the frame.

    Raises:
        InputError: the instances, all of them together, are too small.
        ModelError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise ModelError(
            f"OpenCV: not to be imported ({error}); the released model resizes its images with "
            'it: pip install "iscene_ros[release]"'
        ) from error
    union = masks.any(axis=0)
    box = crop_box(union)
    scene = cropped(rgb, box).astype(np.float32) / 255.0 * cropped(union, box)[..., None]
    images = np.empty((1 + len(masks), 3, side, side), np.float32)
    for image, mask in zip(images, (union, *masks), strict=True):
        shown = scene * cropped(mask, box)[..., None]
        resized = cv2.resize(shown, (side, side), interpolation=cv2.INTER_LANCZOS4)
        # Lanczos overshoots at the masks' edges.
        image[:] = np.clip(resized, 0, 1).transpose(2, 0, 1)
    return images


def crop_box(mask: np.ndarray) -> Box:
    """Return the release's square around a mask (H, W): (left, top, right, bottom) [pixels].

    Right and bottom are exclusive; the square may reach beyond the frame.

    Raises:
        InputError: the mask is so small that nothing is left of the square.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
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
