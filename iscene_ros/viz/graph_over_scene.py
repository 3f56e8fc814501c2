"""The scene graph drawn over the completed scene, as the camera sees it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from iscene_ros.core.observation import Observation
from iscene_ros.core.predicate import DRAWN_PREDICATES
from iscene_ros.core.scene import Scene
from iscene_ros.viz.graph_picture import COLORS
from iscene_ros.viz.overview_panels import draw_completed

WIDTH = 960
SUPERSAMPLING = 2


def draw_graph_over_scene(scene: Scene, observation: Observation) -> Image.Image:
    """The completed objects from the camera, arrows of the graph between their centres."""
    observation = observation.rectified()
    camera = observation.camera
    width, height = WIDTH, round(WIDTH * camera.height / camera.width)
    fine = draw_completed(scene, observation, SUPERSAMPLING * width, SUPERSAMPLING * height)
    page = Image.fromarray(fine)
    draw = ImageDraw.Draw(page)
    scale = SUPERSAMPLING * width / camera.width
    camera_from_frame = np.linalg.inv(scene.frame_from_camera)
    places = {}
    for item in scene.objects:
        center = (camera_from_frame @ item.frame_from_object)[:3, 3]
        if center[2] > 0:
            places[item.id] = camera.project(center[None])[0] * scale
    for subject, name, obj in scene.graph.drawn_edges():
        if {subject, obj} <= places.keys():
            lane = DRAWN_PREDICATES.index(name) - 2
            _arrow(draw, places[subject], places[obj], COLORS[name], 9.0 * lane)
    _labels(draw, scene, places)
    _legend(draw, page.size)
    return page.reduce(SUPERSAMPLING)


def _arrow(
    draw: ImageDraw.ImageDraw,
    start: np.ndarray,
    end: np.ndarray,
    color: tuple[int, int, int],
    shift: float,
) -> None:
    span = end - start
    length = max(float(np.linalg.norm(span)), 1e-6)
    along = span / length
    across = np.array([-along[1], along[0]])
    room = min(26.0, 0.3 * length)
    start, end = start + room * along + shift * across, end - room * along + shift * across
    neck = end - 22 * along
    line = [tuple(start), tuple(neck + 4 * along)]
    draw.line(line, (255, 255, 255), width=12)
    draw.line(line, color, width=6)
    tip = [tuple(end), tuple(neck + 11 * across), tuple(neck - 11 * across)]
    draw.polygon(tip, color, (255, 255, 255))


def _labels(draw: ImageDraw.ImageDraw, scene: Scene, places: dict[int, np.ndarray]) -> None:
    font = ImageFont.load_default(30)
    for item in scene.objects:
        if item.id in places:
            x, y = places[item.id]
            half = 12 + draw.textlength(str(item.id), font) / 2
            outline = tuple(int(c) for c in item.color)
            box = [x - half, y - 21, x + half, y + 21]
            draw.rounded_rectangle(box, 21, (255, 255, 255), outline, 4)
            draw.text((x, y), str(item.id), (32, 35, 41), font, anchor="mm")


def _legend(draw: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    font = ImageFont.load_default(26)
    left, y = 24.0, size[1] - 30
    draw.rectangle([0, y - 26, size[0], size[1]], (255, 255, 255))
    for name, color in COLORS.items():
        draw.line([left, y, left + 44, y], color, width=7)
        draw.text((left + 56, y), name, (32, 35, 41), font, anchor="lm")
        left += 56 + draw.textlength(name, font) + 34
