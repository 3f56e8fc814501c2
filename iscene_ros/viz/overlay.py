"""The overlay of a live view: masks and completed objects, drawn into the input image."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene_update import SceneUpdate, TrackedObject
from iscene_ros.geometry.rasteriser import scaled_camera
from iscene_ros.geometry.silhouettes import silhouette
from iscene_ros.viz.camera_images import SKIPPED_COLOR, input_image, mask_anchor
from iscene_ros.viz.labels import Label, draw_labels

FILL_OPACITY = 0.35
# Opacity of the contours of objects that this frame did not complete.
REMEMBERED_OPACITY = 0.45
SUPERSAMPLING = 2
# A dark seam separates a contour from things of its own colour.
CONTOUR_PIXELS, SEAM_PIXELS, SEAM_OPACITY = 3, 7, 0.4


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
    _fill_masks(image, update, observation)
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


def _fill_masks(image: np.ndarray, update: SceneUpdate, observation: Observation) -> None:
    colors = {tracked.id: tracked.item.color for tracked in update.objects}
    for instance_id, mask in zip(observation.instance_ids, observation.masks, strict=True):
        color = colors.get(instance_id, SKIPPED_COLOR).astype(np.float32)
        window = _window(mask, margin=0)
        if window is not None:
            part = image[window]
            part += FILL_OPACITY * mask[window][..., None] * (color - part)


def _draw_contour(
    image: np.ndarray, coverage: np.ndarray, color: np.ndarray, opacity: float
) -> None:
    """Draw the antialiased edge of a (H, W) coverage."""
    window = _window(coverage > 0, margin=SEAM_PIXELS)
    if window is not None:
        part = image[window]
        part *= 1 - SEAM_OPACITY * opacity * _line(coverage[window], SEAM_PIXELS)
        line = opacity * _line(coverage[window], CONTOUR_PIXELS)
        part += line * (color.astype(np.float32) - part)


def _line(coverage: np.ndarray, pixels: int) -> np.ndarray:
    """Return (h, w, 1) float32 opacity: 1 where half is covered, 0 well inside and outside."""
    blurred = uniform_filter(coverage, pixels, mode="nearest")
    return np.clip(5.5 * blurred * (1 - blurred), 0, 1)[..., None]


def _window(mask: np.ndarray, margin: int) -> tuple[slice, slice] | None:
    """Return the box of a (H, W) mask with a margin, within the image; None if empty."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return tuple(slice(max(0, used[0] - margin), used[-1] + 1 + margin) for used in (rows, columns))


def _labels(
    update: SceneUpdate, observation: Observation, shapes: dict[int, np.ndarray]
) -> list[Label]:
    """Return name and id of every object in view, in the middle of its visible part."""
    masks = dict(zip(observation.instance_ids, observation.masks, strict=True))
    labels = []
    for tracked in update.objects:
        mask = masks.get(tracked.id)
        mask = shapes[tracked.id] > 0.5 if mask is None else mask
        window = _window(mask, margin=1)
        if window is not None:
            u, v = mask_anchor(mask[window])
            box = mask[window].shape
            center = window[1].start + u * box[1], window[0].start + v * box[0]
            text = f"{tracked.item.label.replace('_', ' ')} {tracked.id}"
            labels.append(Label(text, center, tuple(tracked.item.color.tolist())))
    return labels
