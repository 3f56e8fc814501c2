"""The image overview.png: the input with its masks, and the completed scene from three sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from iscene_ros.core.colors import instance_color
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene
from iscene_ros.planning.grasps import Grasps
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps
from iscene_ros.viz.camera_images import (
    SKIPPED_COLOR,
    draw_completed,
    draw_masks,
    mask_anchor,
)
from iscene_ros.viz.grasp_image import best_forks
from iscene_ros.viz.side_view import ViewedMesh, draw_side_view, grid_spacing

WIDTH = 1600
MARGIN, TITLE_HEIGHT, LEGEND_HEIGHT = 24, 44, 34
PANEL_WIDTH = (WIDTH - 3 * MARGIN) // 2
# Height over width of a panel; images beyond are fitted in.
ASPECT = (0.5, 1.0)
SUPERSAMPLING = 2
SIDE_YAW_DEG = (65, -65)
POINTS_PER_OBJECT = 1500
LEGEND_COLUMNS = 5
TEXT, FAINT_TEXT = (32, 35, 41), (120, 124, 132)


def draw_overview(
    scene: Scene, observation: Observation, grasps: Sequence[Grasps] = ()
) -> Image.Image:
    """Draw the overview of a scene, 1600 pixels wide.

    Args:
        scene: the completed scene.
        observation: the input of the completion.
        grasps: of its objects; the best of each is drawn from the sides, as a fork.
    """
    observation = observation.rectified()
    camera = observation.camera
    panel_height = round(PANEL_WIDTH * np.clip(camera.height / camera.width, *ASPECT))
    panels = _panels(scene, observation, grasps, panel_height)
    rows = -(-len(_labels(scene, observation)) // LEGEND_COLUMNS)
    height = 2 * (TITLE_HEIGHT + panel_height) + rows * LEGEND_HEIGHT + 2 * MARGIN
    page = Image.new("RGB", (WIDTH, height), "white")
    draw = ImageDraw.Draw(page)
    for index, (title, remark, image) in enumerate(panels):
        left = MARGIN + (index % 2) * (PANEL_WIDTH + MARGIN)
        top = (index // 2) * (TITLE_HEIGHT + panel_height)
        draw_title(draw, left, top, title, remark)
        page.paste(image, (left, top + TITLE_HEIGHT))
    _draw_legend(draw, scene, observation, 2 * (TITLE_HEIGHT + panel_height) + MARGIN)
    return page


def _panels(
    scene: Scene, observation: Observation, grasps: Sequence[Grasps], panel_height: int
) -> list[tuple[str, str, Image.Image]]:
    """Return title, remark and image of each panel."""
    camera = observation.camera
    scale = min(PANEL_WIDTH / camera.width, panel_height / camera.height)
    size = round(camera.width * scale), round(camera.height * scale)
    fine = tuple(SUPERSAMPLING * edge for edge in size)
    masks = _reduced(draw_masks(observation, {s.id for s in scene.skipped}, *fine))
    _draw_labels(masks, observation)
    completed = _reduced(draw_completed(scene, observation, *fine))
    count = f"{len(scene.objects)} of {len(_labels(scene, observation))} objects"
    panels = [
        ("Input", "colour image and instance masks", _framed(masks, panel_height)),
        ("Completed, from the camera", count, _framed(completed, panel_height)),
    ]
    # A point in an overlap of masks is drawn for the instance that it was assigned to.
    parts = _parts(scene, resolve_mask_overlaps(observation), grasps)
    for yaw, side in zip(SIDE_YAW_DEG, ("right", "left"), strict=True):
        image = Image.new("RGB", (PANEL_WIDTH, panel_height), "white")
        remark = "dots: observed points" + (", best grasps" if any(map(len, grasps)) else "")
        if parts:
            size = SUPERSAMPLING * PANEL_WIDTH, SUPERSAMPLING * panel_height
            image = _reduced(draw_side_view(parts, np.deg2rad(yaw), *size))
            remark += f", grid: {100 * grid_spacing(parts):.0f} cm"
        panels.append((f"Completed, from the {side}", remark, image))
    return panels


def _parts(scene: Scene, observation: Observation, grasps: Sequence[Grasps]) -> list[ViewedMesh]:
    aligned_frame = GravityAlignedFrame.from_gravity(scene.gravity_camera)
    camera_from_frame = np.linalg.inv(scene.frame_from_camera)
    aligned_from_frame = np.linalg.inv(aligned_frame.camera_from_aligned()) @ camera_from_frame
    objects = [
        ViewedMesh(
            o.mesh.transformed(aligned_from_frame @ o.frame_from_object),
            aligned_frame.from_camera(observed_points(observation, o.id)),
            o.color,
        )
        for o in scene.objects
    ]
    return objects + best_forks(grasps, aligned_from_frame)


def observed_points(observation: Observation, instance_id: int) -> np.ndarray:
    """Return at most POINTS_PER_OBJECT points_camera [m], evenly over the instance's mask."""
    if instance_id not in observation.instance_ids:
        return np.zeros((0, 3))
    mask = observation.masks[observation.instance_ids.index(instance_id)]
    rows, columns = np.nonzero(mask & (observation.depth > 0))
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), POINTS_PER_OBJECT)).astype(np.int64)
    rows, columns = rows[chosen], columns[chosen]
    pixels = np.column_stack([columns, rows]).astype(np.float64)
    return observation.camera.unproject(pixels, observation.depth[rows, columns])


def _reduced(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image).reduce(SUPERSAMPLING)


def _framed(image: Image.Image, panel_height: int) -> Image.Image:
    panel = Image.new("RGB", (PANEL_WIDTH, panel_height), "white")
    panel.paste(image, ((PANEL_WIDTH - image.width) // 2, (panel_height - image.height) // 2))
    return panel


def draw_title(draw: ImageDraw.ImageDraw, left: int, top: int, title: str, remark: str) -> None:
    """Draw a heading and a fainter remark above a panel whose corner is given [pixels]."""
    baseline = top + TITLE_HEIGHT - 13
    font = ImageFont.load_default(22)
    draw.text((left, baseline), title, TEXT, font, anchor="ls")
    left += round(draw.textlength(title, font)) + 14
    draw.text((left, baseline), remark, FAINT_TEXT, ImageFont.load_default(16), anchor="ls")


def _draw_labels(image: Image.Image, observation: Observation) -> None:
    """Draw the id of every instance in its mask; the legend has the names."""
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(17)
    for instance_id, mask in zip(observation.instance_ids, observation.masks, strict=True):
        if mask.any():
            u, v = mask_anchor(mask)
            center = u * image.width, v * image.height
            half = 8 + draw.textlength(str(instance_id), font) / 2
            box = [center[0] - half, center[1] - 13, center[0] + half, center[1] + 13]
            draw.rounded_rectangle(box, 13, (255, 255, 255), tuple(instance_color(instance_id)), 2)
            draw.text(center, str(instance_id), TEXT, font, anchor="mm")


def _draw_legend(
    draw: ImageDraw.ImageDraw, scene: Scene, observation: Observation, top: int
) -> None:
    skipped = {s.id for s in scene.skipped}
    font = ImageFont.load_default(16)
    column_width = (WIDTH - 2 * MARGIN) // LEGEND_COLUMNS
    for index, (instance_id, label) in enumerate(_labels(scene, observation).items()):
        left = MARGIN + (index % LEGEND_COLUMNS) * column_width
        middle = top + (index // LEGEND_COLUMNS) * LEGEND_HEIGHT + LEGEND_HEIGHT // 2
        color = SKIPPED_COLOR if instance_id in skipped else instance_color(instance_id)
        draw.rounded_rectangle([left, middle - 9, left + 18, middle + 9], 4, tuple(color))
        text = f"{instance_id}  {label}"
        text += " (skipped)" if instance_id in skipped else ""
        draw.text(
            (left + 28, middle), _fitted(draw, text, font, column_width - 40), TEXT, font, "lm"
        )


def _labels(scene: Scene, observation: Observation) -> dict[int, str]:
    """Return the labels by instance id, also of what only earlier views show."""
    labels = dict(zip(observation.instance_ids, observation.labels, strict=True))
    for item in (*scene.objects, *scene.skipped):
        labels.setdefault(item.id, item.label)
    return labels


def _fitted(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, width: float
) -> str:
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "…", font) > width:
        text = text[:-1]
    return text + "…"
