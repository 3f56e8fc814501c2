"""The overlay of a live view: masks and completed objects, drawn into the input image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import uniform_filter

from iscene_ros.core.observation import Observation, window_of
from iscene_ros.core.scene_update import SceneUpdate, TrackedObject
from iscene_ros.geometry.rasteriser import scaled_camera
from iscene_ros.geometry.silhouettes import silhouette
from iscene_ros.viz.camera_images import SKIPPED_COLOR, input_image, mask_anchor

FILL_OPACITY = 0.35
# Opacity of the contours of objects that this frame did not complete.
REMEMBERED_OPACITY = 0.45
SUPERSAMPLING = 2
# A dark seam separates a contour from things of its own colour.
CONTOUR_PIXELS, SEAM_PIXELS, SEAM_OPACITY = 3, 7, 0.4
# Height of letters as a share of the image's width, and its bounds [pixels].
LETTER_SHARE, LETTER_PIXELS = 1 / 58, (9, 36)
LONGEST = 22
INK, PAPER = (24, 26, 30), (255, 255, 255)


@dataclass(frozen=True)
class Label:
    """A text and its place.

    Attributes:
        text: of one line.
        center: u, v [pixels].
        color: RGB of its frame.
    """

    text: str
    center: tuple[float, float]
    color: tuple[int, int, int]


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    width: float
    height: float

    def meets(self, other: _Box) -> bool:
        return (
            abs(self.left + self.width / 2 - other.left - other.width / 2)
            < (self.width + other.width) / 2
            and abs(self.top + self.height / 2 - other.top - other.height / 2)
            < (self.height + other.height) / 2
        )


def draw_overlay(update: SceneUpdate) -> np.ndarray:
    """Draw the input with its masks filled and the completed objects outlined in their colours.

    An outline also goes around hidden parts of an object; outlines of objects that this frame did
    not complete are faint. A mask without an object is grey. The image has the size of the
    observation and no lens distortion.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    observation = update.observation.rectified()
    camera = observation.camera
    image = input_image(observation, camera.width, camera.height).astype(np.float32)
    shapes = {tracked.id: _outline(tracked, update, observation) for tracked in update.objects}
    colors = {tracked.id: tracked.item.color for tracked in update.objects}
    for instance_id, mask in zip(observation.instance_ids, observation.masks, strict=True):
        color = colors.get(instance_id, SKIPPED_COLOR).astype(np.float32)
        window = window_of(mask)
        part = image[window]
        part += FILL_OPACITY * mask[window][..., None] * (color - part)
    for tracked in update.objects:
        opacity = 1.0 if tracked.id in update.seen else REMEMBERED_OPACITY
        _draw_contour(image, shapes[tracked.id], tracked.item.color, opacity)
    return draw_labels(image.astype(np.uint8), _labels(update, observation, shapes))


def _outline(tracked: TrackedObject, update: SceneUpdate, observation: Observation) -> np.ndarray:
    """Return (H, W) float32, the share of each pixel that the completed object covers."""
    camera = observation.camera
    size = SUPERSAMPLING * camera.width, SUPERSAMPLING * camera.height
    camera_from_frame = np.linalg.inv(update.scene.frame_from_camera)
    mesh_camera = tracked.item.mesh.transformed(camera_from_frame @ tracked.item.frame_from_object)
    fine = silhouette(mesh_camera, scaled_camera(camera, *size))
    coverage = np.zeros((camera.height, camera.width), np.float32)
    for row in range(SUPERSAMPLING):
        for column in range(SUPERSAMPLING):
            coverage += fine[row::SUPERSAMPLING, column::SUPERSAMPLING]
    return coverage / SUPERSAMPLING**2


def _draw_contour(
    image: np.ndarray, coverage: np.ndarray, color: np.ndarray, opacity: float
) -> None:
    """Draw the antialiased edge of a (H, W) coverage."""
    if coverage.any():
        window = window_of(coverage > 0, margin=SEAM_PIXELS)
        part = image[window]
        part *= 1 - SEAM_OPACITY * opacity * _line(coverage[window], SEAM_PIXELS)
        line = opacity * _line(coverage[window], CONTOUR_PIXELS)
        part += line * (color.astype(np.float32) - part)


def _line(coverage: np.ndarray, pixels: int) -> np.ndarray:
    """Return (h, w, 1) float32 opacity: 1 where half is covered, 0 well inside and outside."""
    blurred = uniform_filter(coverage, pixels, mode="nearest")
    return np.clip(5.5 * blurred * (1 - blurred), 0, 1)[..., None]


def _labels(
    update: SceneUpdate, observation: Observation, shapes: dict[int, np.ndarray]
) -> list[Label]:
    """Return name and id of every object in view, in the middle of its visible part."""
    masks = dict(zip(observation.instance_ids, observation.masks, strict=True))
    labels = []
    for tracked in update.objects:
        mask = masks.get(tracked.id)
        mask = shapes[tracked.id] > 0.5 if mask is None else mask
        if mask.any():
            window = window_of(mask, margin=1)
            u, v = mask_anchor(mask[window])
            box = mask[window].shape
            center = window[1].start + u * box[1], window[0].start + v * box[0]
            text = f"{tracked.item.label.replace('_', ' ')} {tracked.id}"
            labels.append(Label(text, center, tuple(tracked.item.color.tolist())))
    return labels


def draw_labels(image: np.ndarray, labels: Sequence[Label]) -> np.ndarray:
    """Draw labels, each near its centre, inside the image, and beside those before it.

    Args:
        image: (H, W, 3) uint8.
        labels: the first ones have the first choice.

    Returns:
        (H, W, 3) uint8.
    """
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    letters = round(float(np.clip(LETTER_SHARE * canvas.width, *LETTER_PIXELS)))
    font = ImageFont.load_default(letters)
    taken: list[_Box] = []
    for label in labels:
        text = label.text
        if len(text) > LONGEST:
            # Without the end of the name; the last word, the id, stays.
            name, _, last = text.rpartition(" ")
            text = f"{name[: LONGEST - len(last) - 2].rstrip()}… {last}"
        width, height = draw.textlength(text, font) + 0.8 * letters, 1.35 * letters
        box = _free_place(label.center, width, height, canvas.size, taken)
        taken.append(box)
        corners = [box.left, box.top, box.left + width, box.top + height]
        draw.rounded_rectangle(corners, height / 3, PAPER, label.color, max(1, letters // 7))
        middle = box.left + width / 2, box.top + height / 2
        draw.text(middle, text, INK, font, anchor="mm")
    return np.array(canvas)


def _free_place(
    center: tuple[float, float],
    width: float,
    height: float,
    size: tuple[int, int],
    taken: Sequence[_Box],
) -> _Box:
    """Return a place in the image at the height of its centre, else half rows below and above."""
    rows = [0.5 * step for step in range(1, int(2 * size[1] / height) + 1)]
    offsets = [0.0, *(offset for row in rows for offset in (row, -row))]
    left = np.clip(center[0] - width / 2, 0, max(0, size[0] - width - 1))
    for offset in offsets:
        top = np.clip(center[1] + (offset - 0.5) * height, 0, max(0, size[1] - height - 1))
        box = _Box(float(left), float(top), width, height)
        if not any(box.meets(other) for other in taken):
            return box
    return box
