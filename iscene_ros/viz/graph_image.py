"""Drawing of a scene graph: the environment at the bottom, objects above their supports."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from iscene_ros.core.colors import instance_color
from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene_graph import ENVIRONMENT, SceneGraph

BOX_WIDTH, BOX_HEIGHT = 170, 54
GAP_X, GAP_Y, MARGIN = 70, 96, 30
LEGEND_HEIGHT = 40
TEXT, FAINT = (32, 35, 41), (120, 124, 132)
COLORS = {
    "supported_by": (60, 66, 76),
    "leaning_on": (214, 120, 20),
    "inside": (30, 120, 200),
    "blocks_from_above": (196, 48, 64),
    "same_shape": (50, 150, 90),
    "mirrored": (130, 80, 190),
}
# Offsets at which the arrows of a pair lie beside each other [pixels].
LANES = {name: 16 * (number - 2.0) for number, name in enumerate(COLORS)}


def draw_graph(graph: SceneGraph) -> Image.Image:
    """Draw the graph; an arrow leads from the subject to the object of an edge."""
    places, size = _layout(graph)
    page = Image.new("RGB", (2 * size[0], 2 * size[1]), "white")
    draw = ImageDraw.Draw(page)
    for subject, key, obj in graph.drawn_edges():
        _arrow(draw, places[subject], places[obj], graph, (subject, key, obj))
    for node in graph.nx:
        _box(draw, places[node], node, graph)
    _legend(draw, size)
    return page.reduce(2)


def _layout(graph: SceneGraph) -> tuple[dict[int, np.ndarray], tuple[int, int]]:
    """Return the middle of each node's box, and the size of the page [pixels]."""
    levels = _levels(graph)
    rows: dict[int, list[int]] = {}
    for node, level in levels.items():
        rows.setdefault(level, []).append(node)
    widest = max(len(nodes) for nodes in rows.values())
    width = max(2 * MARGIN + widest * (BOX_WIDTH + GAP_X) - GAP_X, 820)
    top = max(levels.values())
    height = 2 * MARGIN + (top + 1) * (BOX_HEIGHT + GAP_Y) - GAP_Y + LEGEND_HEIGHT
    places: dict[int, np.ndarray] = {}
    for level in sorted(rows):
        nodes = rows[level]

        def below(node: int) -> float:
            xs = [places[o][0] for o in graph.supporters(node) if o in places] if node else []
            return float(np.mean(xs)) if xs else 0.0

        nodes.sort(key=lambda node: (below(node), node))
        step = BOX_WIDTH + GAP_X
        left = 0.5 * (width - len(nodes) * step + GAP_X + BOX_WIDTH)
        left = MARGIN + 0.5 * BOX_WIDTH if level > 1 else left
        y = MARGIN + (top - level) * (BOX_HEIGHT + GAP_Y) + 0.5 * BOX_HEIGHT
        for number, node in enumerate(nodes):
            # Above its supports, as far as its neighbours leave room.
            last = width - MARGIN - 0.5 * BOX_WIDTH - (len(nodes) - 1 - number) * step
            x = min(max(below(node), left), last) if level > 1 else left
            places[node] = np.array([x, y])
            left = x + step
    return places, (round(width), round(height))


def _levels(graph: SceneGraph) -> dict[int, int]:
    """Return how many supports lie between each node and the environment."""
    levels = {ENVIRONMENT: 0}

    def level(node: int, seen: frozenset[int]) -> int:
        if node not in levels:
            below = [o for o in graph.supporters(node) if o not in seen and o != node]
            levels[node] = 1 + max((level(o, seen | {node}) for o in below), default=0)
        return levels[node]

    for node in graph.nx:
        level(node, frozenset())
    return levels


def _arrow(
    draw: ImageDraw.ImageDraw,
    start: np.ndarray,
    end: np.ndarray,
    graph: SceneGraph,
    edge: tuple[int, str, int],
) -> None:
    key = edge[1]
    confidence = graph.confidence(*edge)
    start, end = _ends(start, end, edge)
    color = COLORS[key]
    faded = tuple(round(255 - (255 - c) * (0.35 + 0.65 * confidence)) for c in color)
    direction = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
    across = np.array([-direction[1], direction[0]])
    tip = [end, end - 11 * direction + 5 * across, end - 11 * direction - 5 * across]
    line = [tuple(2 * start), tuple(2 * (end - 8 * direction))]
    draw.line(line, faded, width=4)
    draw.polygon([tuple(2 * p) for p in tip], faded)
    middle = start + (0.5 + 0.012 * LANES[key]) * (end - start)
    font = ImageFont.load_default(20)
    text = f"{confidence:.2f}"
    box = draw.textbbox(tuple(2 * middle), text, font, anchor="mm")
    draw.rectangle([box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2], "white")
    draw.text(tuple(2 * middle), text, color, font, anchor="mm")


def _ends(
    start: np.ndarray, end: np.ndarray, edge: tuple[int, str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return where an arrow leaves one box and meets the other, vertically or side by side."""
    lane = LANES[edge[1]]
    down = np.sign(end[1] - start[1])
    if down == 0:
        right = np.sign(end[0] - start[0])
        aside = np.array([right * (0.5 * BOX_WIDTH + 3), 0.6 * lane])
        return start + aside, end - aside * (1, -1)
    step = np.array([0.0, down * (0.5 * BOX_HEIGHT + 3)])
    # The environment is a bar below everything: arrows meet it right below where they start.
    if edge[2] == ENVIRONMENT:
        end = np.array([start[0], end[1]])
    elif edge[0] == ENVIRONMENT:
        start = np.array([end[0], start[1]])
    return start + step + (lane, 0.0), end - step + (lane, 0.0)


def _box(draw: ImageDraw.ImageDraw, place: np.ndarray, node: int, graph: SceneGraph) -> None:
    wide = 0.5 * BOX_WIDTH if node != ENVIRONMENT else place[0] - MARGIN
    half = np.array([wide, 0.5 * BOX_HEIGHT])
    corners = [*(2 * (place - half)), *(2 * (place + half))]
    color = FAINT if node == ENVIRONMENT else tuple(int(c) for c in instance_color(node))
    draw.rounded_rectangle(corners, 20, "white", color, 5)
    label = graph.label(node)
    shown = label if len(label) <= 18 else f"{label[:17]}…"
    font, small = ImageFont.load_default(26), ImageFont.load_default(21)
    draw.text(tuple(2 * (place - (0, 9))), shown, TEXT, font, anchor="mm")
    near = 0 if node == ENVIRONMENT else len(graph.objects_of(node, Predicate.NEAR))
    remark = f"{node}, {near} near" if near else str(node)
    draw.text(tuple(2 * (place + (0, 14))), remark, FAINT, small, anchor="mm")


def _legend(draw: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    font = ImageFont.load_default(22)
    left = 2.0 * MARGIN
    y = 2 * (size[1] - 0.5 * LEGEND_HEIGHT)
    for name, color in COLORS.items():
        draw.line([left, y, left + 40, y], color, width=5)
        draw.text((left + 50, y), name, TEXT, font, anchor="lm")
        left += 50 + draw.textlength(name, font) + 30
