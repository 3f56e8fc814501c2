"""Contact sheet of the worst objects: input, prediction, truth and errors of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion
from tqdm import tqdm

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.atomic_files import new_file
from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.rasteriser import BACKGROUND, NEAR_M, Rendering, render
from iscene_ros.lab.evaluation.bodies import ScoredBody
from iscene_ros.lab.evaluation.scenes import (
    EvaluationOptions,
    ScoredObject,
    completed_scenes,
    score_completed,
    true_body_camera,
)
from iscene_ros.lab.synthetic.scene_views import GroundTruthObject
from iscene_ros.viz.shading import shade
from iscene_ros.viz.side_view import ViewedMesh, Viewpoint, look_at

TITLES = ("input", "prediction", "truth", "errors")
SUPERSAMPLING = 2
YAW_RAD = np.deg2rad(40)
# The crop shows this share of the mask's box around it on each side.
CROP_MARGIN = 0.3
TRUTH_RESOLUTION, MISSED_SAMPLES = 96, 6000
# An error of this size has the full colour; truth farther than this from the prediction is missed.
FULL_ERROR_M, MISSED_M = 0.01, 0.005
PREDICTION, TRUTH, NEUTRAL = (112, 146, 196), (138, 170, 120), (214, 214, 214)
OUTSIDE, INSIDE, MISSED = (206, 40, 30), (40, 90, 215), (226, 0, 160)
OUTLINE, NO_READING, PAPER = (255, 140, 0), (70, 20, 52), (250, 250, 250)

PANEL, GAP, TEXT_WIDTH, MARGIN = 150, 4, 180, 22
COLUMNS, HEADER, LETTERS, LINE = 2, 84, 14, 17
TILE_WIDTH = TEXT_WIDTH + len(TITLES) * (PANEL + GAP)
TILE_HEIGHT = PANEL + 8
INK, FAINT = (30, 33, 38), (110, 114, 122)
# A sheet of flat colours keeps its look, in a file of less than a megabyte.
PALETTE = 256


@dataclass(frozen=True, eq=False)
class SheetObject:
    """One object of the sheet.

    Attributes:
        scored: Its metrics.
        observation: The view; its masks do not overlap.
        row: Row of the object's mask.
        truth: The true shape and its pose.
        camera_from_aligned: (4, 4) pose of the gravity-aligned frame.
        predicted_aligned: The completed mesh in the gravity-aligned frame [m], or None.
    """

    scored: ScoredObject
    observation: Observation
    row: int
    truth: GroundTruthObject
    camera_from_aligned: np.ndarray
    predicted_aligned: Mesh | None

    def signed_distance(self, points_aligned: np.ndarray) -> np.ndarray:
        """Return (M,) signed distances of points (M, 3) to the true surface [m]."""
        pose = self.camera_from_aligned
        points_camera = points_aligned @ pose[:3, :3].T + pose[:3, 3]
        return self.truth.distance(torch.from_numpy(points_camera).float()).numpy()

    def true_mesh_aligned(self) -> Mesh:
        """Return the true surface in the gravity-aligned frame [m]."""
        mesh_camera = true_body_camera(self.truth, TRUTH_RESOLUTION).mesh
        return mesh_camera.transformed(np.linalg.inv(self.camera_from_aligned))


def write_gallery(
    completer: SceneCompleter, options: EvaluationOptions, count: int, out: Path
) -> None:
    """Draw so many of the worst objects of some scenes into gallery.png in a folder.

    Raises:
        InputError: no object was scored.
    """
    worst, total = worst_objects(completer, options, count)
    if not worst:
        raise InputError(f"evaluate gallery: no object in {options.scenes} scenes: take more")
    page = draw_sheet(worst, f"The {len(worst)} worst of {total} objects")
    path = out / "gallery.png"
    with new_file(path) as temporary:
        save_png(page, temporary)
    print(f"written to {path}")


def worst_objects(
    completer: SceneCompleter, options: EvaluationOptions, count: int
) -> tuple[list[SheetObject], int]:
    """Return the objects with the smallest IoU, and the number of all scored objects."""
    options = replace(options, baselines=False)
    objects: list[SheetObject] = []
    scenes = completed_scenes(completer, options)
    for completed in tqdm(scenes, total=options.scenes, unit="scene"):
        if completed is None:
            continue
        camera_from_aligned = completed.aligned_frame.camera_from_aligned()
        scored = score_completed(completed, options).objects
        for crop, one in zip(completed.crops, scored, strict=True):
            mesh = completed.predicted_mesh_camera(crop)
            if mesh is not None:
                mesh = mesh.transformed(np.linalg.inv(camera_from_aligned))
            truth = completed.view.truths[crop.index]
            view = completed.observation, crop.index, truth, camera_from_aligned
            objects.append(SheetObject(one, *view, mesh))
    objects.sort(key=lambda item: item.scored.score.iou)
    return objects[: max(count, 0)], len(objects)


def draw_sheet(objects: Sequence[SheetObject], title: str) -> Image.Image:
    """Draw one tile an object, those with the smallest IoU first.

    Args:
        objects: At least one object.
        title: Heading of the sheet.
    """
    ordered = sorted(objects, key=lambda o: (o.scored.score.iou, o.scored.scene, o.row))
    width = COLUMNS * TILE_WIDTH + (COLUMNS + 1) * MARGIN
    height = HEADER + -(-len(ordered) // COLUMNS) * TILE_HEIGHT + MARGIN
    page = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(page)
    _draw_header(draw, title)
    for number, item in enumerate(ordered):
        left = MARGIN + (number % COLUMNS) * (TILE_WIDTH + MARGIN)
        top = HEADER + (number // COLUMNS) * TILE_HEIGHT
        for line, text in enumerate(tile_text(item.scored)):
            ink = FAINT if line == 1 else INK
            draw.text((left, top + line * LINE), text, ink, ImageFont.load_default(LETTERS))
        for panel, image in enumerate(draw_panels(item, PANEL)):
            page.paste(image, (left + TEXT_WIDTH + panel * (PANEL + GAP), top))
    return page


def save_png(page: Image.Image, path: Path) -> None:
    """Write a PNG of 256 colours."""
    page.quantize(PALETTE, dither=0).save(path, "PNG", optimize=True)


def tile_text(scored: ScoredObject) -> list[str]:
    """Return the lines beside the images of an object."""
    place = f"{scored.layout}, scene {scored.scene} id {scored.instance}"
    lines = [scored.family.replace("_", " "), place]
    if scored.score.is_missing:
        return [*lines, "no prediction"]
    return [
        *lines,
        f"IoU {100 * scored.score.iou:.0f} %, CD {1000 * scored.score.chamfer:.1f} mm",
        f"observed {100 * scored.observed_fraction:.0f} %",
        f"confidence {scored.confidence:.2f}",
    ]


def draw_panels(item: SheetObject, size: int) -> list[Image.Image]:
    """Draw the images in the order of `TITLES`, each of size x size pixels.

    All but the input are seen from 40 degrees to the right of the camera and from above.
    """
    truth, predicted = item.true_mesh_aligned(), item.predicted_aligned
    meshes = [truth] if predicted is None else [truth, predicted]
    nothing = np.zeros((0, 3)), np.zeros(3, np.uint8)
    side = SUPERSAMPLING * size
    viewpoint = look_at([ViewedMesh(mesh, *nothing) for mesh in meshes], YAW_RAD, side, side)
    images = [
        _draw_mesh(predicted, PREDICTION, viewpoint)[0],
        _draw_mesh(truth, TRUTH, viewpoint)[0],
        _draw_errors(item, truth, viewpoint),
    ]
    reduced = [Image.fromarray(image).reduce(SUPERSAMPLING) for image in images]
    return [Image.fromarray(_draw_input(item, size)), *reduced]


def error_colors(distance: np.ndarray) -> np.ndarray:
    """Return (M, 3) uint8 for signed distances (M,) to the truth [m]: red outside, blue inside."""
    strength = np.clip(np.abs(distance) / FULL_ERROR_M, 0, 1)[:, None]
    end = np.where(distance[:, None] > 0, OUTSIDE, INSIDE)
    return np.rint(NEUTRAL + strength * (end - np.array(NEUTRAL))).astype(np.uint8)


def _draw_mesh(
    mesh_aligned: Mesh | None, color: tuple[int, int, int], viewpoint: Viewpoint
) -> tuple[np.ndarray, Rendering | None]:
    """Return (S, S, 3) uint8 of one mesh in one colour, and its rendering."""
    camera = viewpoint.camera
    image = np.full((camera.height, camera.width, 3), PAPER, np.uint8)
    if mesh_aligned is None:
        return image, None
    seen = render([mesh_aligned.transformed(viewpoint.camera_from_aligned)], camera)
    up_camera = viewpoint.camera_from_aligned[:3, 2]
    return shade(seen, np.array([color], np.uint8), up_camera, image), seen


def _draw_errors(item: SheetObject, truth: Mesh, viewpoint: Viewpoint) -> np.ndarray:
    """Return (S, S, 3) uint8: the prediction coloured by its errors, dots on the missed truth."""
    image, seen = _draw_mesh(item.predicted_aligned, NEUTRAL, viewpoint)
    samples = ScoredBody(truth).samples[:MISSED_SAMPLES]
    if seen is None:
        return _draw_dots(image, viewpoint, samples, np.full(image.shape[:2], np.inf))
    rows, columns = np.nonzero(seen.ids != BACKGROUND)
    pixels = np.column_stack([columns, rows]).astype(np.float64)
    points = viewpoint.camera.unproject(pixels, seen.depth[rows, columns].astype(np.float64))
    aligned_from_camera = np.linalg.inv(viewpoint.camera_from_aligned)
    points_aligned = points @ aligned_from_camera[:3, :3].T + aligned_from_camera[:3, 3]
    shading = image[rows, columns] / np.array(NEUTRAL)
    colors = shading * error_colors(item.signed_distance(points_aligned))
    image[rows, columns] = np.clip(colors, 0, 255).astype(np.uint8)
    missed = samples[ScoredBody(item.predicted_aligned).distance(samples) > MISSED_M]
    return _draw_dots(image, viewpoint, missed, seen.depth)


def _draw_dots(
    image: np.ndarray, viewpoint: Viewpoint, points_aligned: np.ndarray, depth: np.ndarray
) -> np.ndarray:
    """Draw missed points (M, 3) as 3 x 3 pixels where nothing of a depth (S, S) [m] hides them."""
    points = viewpoint.to_camera(points_aligned)
    points = points[points[:, 2] > NEAR_M]
    columns, rows = np.rint(viewpoint.camera.project(points)).astype(np.int64).T
    last = len(image) - 2
    shown = (columns >= 1) & (columns <= last) & (rows >= 1) & (rows <= last)
    shown[shown] = points[shown, 2] < depth[rows[shown], columns[shown]]
    for row_offset, column_offset in np.ndindex(3, 3):
        image[rows[shown] + row_offset - 1, columns[shown] + column_offset - 1] = MISSED
    return image


def _draw_input(item: SheetObject, size: int) -> np.ndarray:
    """Return (size, size, 3) uint8 of the depth image around the outlined mask."""
    mask, depth = item.observation.masks[item.row], item.observation.depth
    known = depth > 0
    near, far = np.percentile(depth[known], [1, 99]) if known.any() else (0.0, 1.0)
    grey = 0.9 - 0.7 * np.clip((depth - near) / max(far - near, 1e-6), 0, 1)
    image = np.where(known[..., None], 255 * grey[..., None], NO_READING).astype(np.uint8)
    rows, columns = np.nonzero(mask)
    box = np.array([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]], float)
    half = max(0.5 * (1 + 2 * CROP_MARGIN) * np.ptp(box, axis=0).max(), 8)
    left, top = box.mean(axis=0) - half
    scale = 2 * half / size
    affine = Image.Transform.AFFINE, (scale, 0, left, 0, scale, top)
    crop = np.array(Image.fromarray(image).transform((size, size), *affine))
    inside = np.array(Image.fromarray(mask).transform((size, size), *affine))
    crop[inside & ~binary_erosion(inside, iterations=2)] = OUTLINE
    return crop


def _draw_header(draw: ImageDraw.ImageDraw, title: str) -> None:
    draw.text((MARGIN, 12), title, INK, ImageFont.load_default(22))
    millimetres = f"{1000 * FULL_ERROR_M:.0f} mm"
    entries = (
        *((OUTLINE, "mask"), (NO_READING, "no depth")),
        *((OUTSIDE, f"{millimetres} outside the truth"), (INSIDE, f"{millimetres} inside")),
        (MISSED, f"truth without prediction (> {1000 * MISSED_M:.0f} mm)"),
    )
    font, left = ImageFont.load_default(LETTERS), MARGIN
    for color, text in entries:
        draw.rectangle([left, 46, left + 11, 57], color)
        draw.text((left + 17, 44), text, INK, font)
        left += 39 + int(draw.textlength(text, font))
    for column in range(COLUMNS):
        left = MARGIN + column * (TILE_WIDTH + MARGIN) + TEXT_WIDTH
        for number, heading in enumerate(TITLES):
            draw.text((left + number * (PANEL + GAP), HEADER - 20), heading, FAINT, font)
