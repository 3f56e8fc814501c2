"""Picture of one scene completed from more and more views, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps
from iscene_ros.viz.camera_images import draw_masks
from iscene_ros.viz.overview import (
    MARGIN,
    SUPERSAMPLING,
    TITLE_HEIGHT,
    WIDTH,
    draw_title,
    observed_points,
)
from iscene_ros.viz.side_view import ViewedMesh, draw_side_view

# From behind, as seen by the reference: the side that it did not see.
YAW_RAD = np.deg2rad(160)


def draw_view_comparison(scenes: Sequence[Scene], views: Sequence[Observation]) -> Image.Image:
    """Draw what each view shows, and below it the scene completed from all views until there.

    Args:
        scenes: completed from the first view, the first two and so on; at least one object each.
        views: posed, with one image size; the first is the reference of all scenes.
    """
    count = len(views)
    views = [resolve_mask_overlaps(view.rectified()) for view in views]
    width = (WIDTH - (count + 1) * MARGIN) // count
    height = round(width * views[0].camera.height / views[0].camera.width)
    page = Image.new("RGB", (WIDTH, 2 * (TITLE_HEIGHT + height) + MARGIN), "white")
    draw = ImageDraw.Draw(page)
    fine = SUPERSAMPLING * width, SUPERSAMPLING * height
    for column, (scene, view) in enumerate(zip(scenes, views, strict=True)):
        left, number = MARGIN + column * (width + MARGIN), column + 1
        parts = _parts(scene, views[:number])
        images = [draw_masks(view, set(), *fine), draw_side_view(parts, YAW_RAD, *fine)]
        completed = f"Completed from {number} {'view' if number == 1 else 'views'}"
        titles = [(f"View {number}", "depth and masks"), (completed, "seen from behind")]
        for row, (image, (title, remark)) in enumerate(zip(images, titles, strict=True)):
            top = row * (TITLE_HEIGHT + height)
            draw_title(draw, left, top, title, remark)
            page.paste(Image.fromarray(image).reduce(SUPERSAMPLING), (left, top + TITLE_HEIGHT))
    return page


def _parts(scene: Scene, views: Sequence[Observation]) -> list[ViewedMesh]:
    """Return the objects with the points that all views observed of them."""
    aligned_frame = GravityAlignedFrame.from_gravity(scene.gravity_camera)
    aligned_from_world = np.linalg.inv(
        scene.frame_from_camera @ aligned_frame.camera_from_aligned()
    )
    parts = []
    for item in scene.objects:
        mesh = item.mesh.transformed(aligned_from_world @ item.frame_from_object)
        points = []
        for view in views:
            aligned_from_camera = aligned_from_world @ view.world_from_camera
            points_camera = observed_points(view, item.id)
            points.append(
                points_camera @ aligned_from_camera[:3, :3].T + aligned_from_camera[:3, 3]
            )
        parts.append(ViewedMesh(mesh, np.concatenate(points), item.color))
    return parts
