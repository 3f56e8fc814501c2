"""The five pictures of one case: input, observed points, prediction, truth, errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion, gaussian_filter

from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.rasteriser import BACKGROUND, NEAR_M, Rendering, render
from iscene_ros.geometry.surface_distance import Surface, sample_surface
from iscene_ros.lab.evaluation.inspection import Case
from iscene_ros.lab.evaluation.truth import true_body
from iscene_ros.viz.shading import shade
from iscene_ros.viz.side_view import ViewedMesh, Viewpoint, look_at

TITLES = ("input", "observed points", "prediction", "truth", "errors")
SUPERSAMPLING = 2
YAW_RAD = np.deg2rad(40)
# The crop shows this much of the mask's box; the rest is what stands around it.
CROP_MARGIN = 0.3
TRUTH_RESOLUTION, MISSED_SAMPLES = 96, 6000

# An error of this size has the full colour; truth further than this from the prediction is missed.
FULL_ERROR_M, MISSED_M = 0.01, 0.005

PREDICTION, TRUTH, UNTOUCHED = (112, 146, 196), (138, 170, 120), (214, 214, 214)
TOO_MUCH, TOO_LITTLE, MISSED = (206, 40, 30), (40, 90, 215), (226, 0, 160)
OUTLINE, NO_READING = (255, 140, 0), (70, 20, 52)
OWN_POINT, FOREIGN_POINT = (40, 70, 120), (226, 60, 30)
PAPER = (250, 250, 250)


@dataclass(frozen=True)
class _Stage:
    """A case seen from aside: where from, and the true and the predicted mesh in view space."""

    case: Case
    viewpoint: Viewpoint
    truth: Mesh
    predicted: Mesh | None

    def seen(self, mesh_aligned: Mesh) -> Rendering:
        moved = mesh_aligned.transformed(self.viewpoint.camera_from_aligned)
        return render([moved], self.viewpoint.camera)


def draw_panels(case: Case, size: int) -> list[Image.Image]:
    """The pictures in the order of `TITLES`, each of size x size pixels.

    All but the input are seen from the same place: 40 degrees to the right of the camera, above.
    """
    stage = _stage(case, SUPERSAMPLING * size)
    pictures = [
        _points(stage),
        _body(stage, stage.predicted, PREDICTION),
        _body(stage, stage.truth, TRUTH),
        _errors(stage),
    ]
    reduced = [Image.fromarray(picture).reduce(SUPERSAMPLING) for picture in pictures]
    return [Image.fromarray(_input(case, size)), *reduced]


def error_colors(distance: np.ndarray) -> np.ndarray:
    """(M, 3) uint8 for signed distances (M,) to the truth [m]: red outside, blue inside of it."""
    strength = np.clip(np.abs(distance) / FULL_ERROR_M, 0, 1)[:, None]
    end = np.where(distance[:, None] > 0, TOO_MUCH, TOO_LITTLE)
    return np.rint(UNTOUCHED + strength * (end - np.array(UNTOUCHED))).astype(np.uint8)


def true_mesh(case: Case) -> Mesh:
    """The true surface in view space [m]."""
    low, high = (corner.numpy().astype(np.float64) for corner in case.truth.solid.bounds())
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    pose = case.truth.camera_from_object
    corners = case.aligned_frame.from_camera(corners @ pose[:3, :3].T + pose[:3, 3])
    body = true_body(case.true_distance, corners.min(0), corners.max(0), TRUTH_RESOLUTION)
    return body.mesh


def _stage(case: Case, size: int) -> _Stage:
    truth, predicted = true_mesh(case), case.predicted_view
    no_points, no_color = np.zeros((0, 3)), np.zeros(3, np.uint8)
    meshes = [truth] if predicted is None else [truth, predicted]
    parts = [ViewedMesh(mesh, no_points, no_color) for mesh in meshes]
    return _Stage(case, look_at(parts, YAW_RAD, size, size), truth, predicted)


def _blank(stage: _Stage) -> np.ndarray:
    camera = stage.viewpoint.camera
    return np.full((camera.height, camera.width, 3), PAPER, np.uint8)


def _body(stage: _Stage, mesh_aligned: Mesh | None, color: tuple[int, int, int]) -> np.ndarray:
    """(S, S, 3) uint8: one mesh in one colour."""
    picture = _blank(stage)
    if mesh_aligned is None:
        return picture
    up_camera = stage.viewpoint.camera_from_aligned[:3, 2]
    return shade(stage.seen(mesh_aligned), np.array([color], np.uint8), up_camera, picture)


def _points(stage: _Stage) -> np.ndarray:
    """(S, S, 3) uint8: readings in the mask; those on the object dark, those on others red."""
    case, picture = stage.case, _blank(stage)
    observation, mask = case.observation, case.observation.masks[case.row]
    rows, columns = np.nonzero(mask & (observation.depth > 0))
    pixels = np.column_stack([columns, rows]).astype(np.float64)
    points_camera = observation.camera.unproject(pixels, observation.depth[rows, columns])
    points_aligned, own = case.aligned_frame.from_camera(points_camera), case.own[rows, columns]
    _draw_points(picture, stage, points_aligned[own], OWN_POINT)
    _draw_points(picture, stage, points_aligned[~own], FOREIGN_POINT)
    return picture


def _errors(stage: _Stage) -> np.ndarray:
    """(S, S, 3) uint8: the prediction in the colours of its errors, dots on the missed truth."""
    samples = sample_surface(stage.truth, MISSED_SAMPLES)
    if stage.predicted is None:
        picture = _blank(stage)
        _draw_points(picture, stage, samples, MISSED)
        return picture
    seen = stage.seen(stage.predicted)
    picture = _body(stage, stage.predicted, UNTOUCHED).astype(np.float64)
    rows, columns = np.nonzero(seen.ids != BACKGROUND)
    camera, depth = stage.viewpoint.camera, seen.depth[rows, columns].astype(np.float64)
    pixels = np.column_stack([columns, rows]).astype(np.float64)
    points_aligned = _to_aligned(camera.unproject(pixels, depth), stage.viewpoint)
    colors = error_colors(stage.case.true_distance(points_aligned))
    picture[rows, columns] *= colors / np.array(UNTOUCHED)
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    missed = samples[Surface(stage.predicted).distance(samples) > MISSED_M]
    _draw_points(picture, stage, missed, MISSED, seen.depth)
    return picture


def _to_aligned(points: np.ndarray, viewpoint: Viewpoint) -> np.ndarray:
    aligned_from_camera = np.linalg.inv(viewpoint.camera_from_aligned)
    return points @ aligned_from_camera[:3, :3].T + aligned_from_camera[:3, 3]


def _draw_points(
    picture: np.ndarray,
    stage: _Stage,
    points_aligned: np.ndarray,
    color: tuple[int, int, int],
    behind: np.ndarray | None = None,
) -> None:
    """Dots of 3 x 3 pixels where the picture shows them; `behind` (S, S) depth [m] hides some."""
    points = stage.viewpoint.to_camera(points_aligned)
    points = points[points[:, 2] > NEAR_M]
    columns, rows = np.rint(stage.viewpoint.camera.project(points)).astype(np.int64).T
    last = len(picture) - 2
    shown = (columns >= 1) & (columns <= last) & (rows >= 1) & (rows <= last)
    if behind is not None:
        shown[shown] = points[shown, 2] < behind[rows[shown], columns[shown]]
    for row_offset in (-1, 0, 1):
        for column_offset in (-1, 0, 1):
            picture[rows[shown] + row_offset, columns[shown] + column_offset] = color


def _input(case: Case, size: int) -> np.ndarray:
    """(size, size, 3) uint8: what the camera saw around the mask, which is outlined."""
    observation, mask = case.observation, case.observation.masks[case.row]
    image = observation.rgb if observation.rgb is not None else shaded_depth(observation.depth)
    rows, columns = np.nonzero(mask)
    box = np.array([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]], float)
    middle = box.mean(axis=0)
    half = max(0.5 * (1 + 2 * CROP_MARGIN) * np.ptp(box, axis=0).max(), 8)
    corners = (*(middle - half), *(middle + half))
    crop = _cut(Image.fromarray(image), corners, size, Image.Resampling.BICUBIC)
    inside = _cut(Image.fromarray(mask), corners, size, Image.Resampling.NEAREST)
    crop[inside & ~binary_erosion(inside, iterations=2)] = OUTLINE
    return crop


def _cut(
    image: Image.Image,
    corners: tuple[float, float, float, float],
    size: int,
    resampling: Image.Resampling,
) -> np.ndarray:
    """The square between corners (left, top, right, bottom), black where the image ends."""
    left, top, right, bottom = corners
    scale = (right - left) / size
    affine = (scale, 0, left, 0, scale, top)
    return np.array(image.transform((size, size), Image.Transform.AFFINE, affine, resampling))


def shaded_depth(depth: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: nearer is lighter, slopes are shaded, pixels without reading are purple."""
    known = depth > 0
    smooth = gaussian_filter(depth, 1.0) / np.maximum(gaussian_filter(known * 1.0, 1.0), 1e-6)
    near, far = np.percentile(depth[known], [1, 99]) if known.any() else (0.0, 1.0)
    grey = 0.85 - 0.45 * np.clip((smooth - near) / max(far - near, 1e-6), 0, 1)
    down, across = np.gradient(smooth)
    # About the angle to the line of sight, for the focal lengths that cameras have.
    slope = (0.6 * across + 0.8 * down) * max(depth.shape) / np.maximum(smooth, 1e-6)
    light = np.clip(grey * (1 - 0.4 * np.tanh(0.6 * slope)), 0, 1)
    return np.where(known[..., None], 255 * light[..., None], NO_READING).astype(np.uint8)
