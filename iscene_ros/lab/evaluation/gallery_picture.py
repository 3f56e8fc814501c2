"""The contact sheet of the worst objects, grouped by their main cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from iscene_ros.lab.evaluation.cause_table import NONE
from iscene_ros.lab.evaluation.causes import evidence, main_cause
from iscene_ros.lab.evaluation.gallery_panels import (
    FOREIGN_POINT,
    FULL_ERROR_M,
    MISSED,
    MISSED_M,
    NO_READING,
    OUTLINE,
    TITLES,
    draw_panels,
    error_colors,
)
from iscene_ros.lab.evaluation.inspection import Case

PANEL, GAP, TEXT_WIDTH, MARGIN = 150, 4, 196, 22
COLUMNS = 2
TILE_WIDTH = TEXT_WIDTH + len(TITLES) * (PANEL + GAP)
TILE_HEIGHT = PANEL + 8
HEADER, HEADING, TITLE_ROW = 64, 40, 20
LETTERS, LINE = 14, 17
MOST_CAUSES = 4
INK, FAINT, RULE = (30, 33, 38), (110, 114, 122), (205, 208, 214)


@dataclass(frozen=True)
class _Group:
    name: str
    cases: list[Case]


def draw_gallery(cases: Sequence[Case], title: str) -> Image.Image:
    """One tile a case, those with the same main cause together, the largest group first.

    Args:
        cases: at least one.
        title: what was evaluated.
    """
    groups = _groups(cases)
    rows = sum(-(-len(group.cases) // COLUMNS) for group in groups)
    width = COLUMNS * TILE_WIDTH + (COLUMNS + 1) * MARGIN
    height = HEADER + len(groups) * (HEADING + TITLE_ROW) + rows * TILE_HEIGHT + MARGIN
    page = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(page)
    _draw_header(page, draw, title)
    top = HEADER
    for group in groups:
        _draw_heading(draw, group, top, width)
        top += HEADING + TITLE_ROW
        for number, case in enumerate(group.cases):
            left = MARGIN + (number % COLUMNS) * (TILE_WIDTH + MARGIN)
            _draw_tile(page, draw, case, left, top + (number // COLUMNS) * TILE_HEIGHT)
        top += -(-len(group.cases) // COLUMNS) * TILE_HEIGHT
    return page


def _groups(cases: Sequence[Case]) -> list[_Group]:
    members: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda c: c.explained.scored.score.iou):
        cause = main_cause(case.explained.causes)
        members.setdefault(NONE if cause is None else cause.value, []).append(case)
    groups = [_Group(name, found) for name, found in members.items()]
    return sorted(groups, key=lambda group: (group.name == NONE, -len(group.cases)))


def tile_text(case: Case) -> list[str]:
    """The lines beside the pictures: whose, how good, and why."""
    o, measures = case.explained.scored, case.explained.measures
    lines = [o.family.replace("_", " "), f"{o.layout}, scene {o.scene} id {o.instance}"]
    if o.score.is_missing:
        lines += ["no prediction"]
    else:
        lines += [
            f"IoU {100 * o.score.iou:.0f} %, CD {1000 * o.score.chamfer:.1f} mm",
            f"observed {100 * o.observed_fraction:.0f} %",
            f"confidence {o.confidence:.2f}",
        ]
    causes = list(case.explained.causes)[:MOST_CAUSES]
    return lines + [f"{cause.value}: {evidence(cause, measures)}" for cause in causes]


def _draw_tile(
    page: Image.Image, draw: ImageDraw.ImageDraw, case: Case, left: int, top: int
) -> None:
    for number, text in enumerate(tile_text(case)):
        font, ink = ImageFont.load_default(LETTERS + 3 * (number == 0)), INK
        if number == 1:
            ink = FAINT
        _draw_fitted(draw, (left, top + number * LINE + (number > 0)), text, font, ink)
    for number, picture in enumerate(draw_panels(case, PANEL)):
        page.paste(picture, (left + TEXT_WIDTH + number * (PANEL + GAP), top))


def _draw_fitted(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    font: ImageFont.FreeTypeFont,
    ink: tuple[int, int, int],
) -> None:
    """Text in smaller letters where it would run into the pictures."""
    while draw.textlength(text, font) > TEXT_WIDTH - 6 and font.size > 8:
        font = ImageFont.load_default(font.size - 0.5)
    draw.text(place, text, ink, font)


def _draw_heading(draw: ImageDraw.ImageDraw, group: _Group, top: int, width: int) -> None:
    draw.line([(MARGIN, top + 8), (width - MARGIN, top + 8)], RULE, 1)
    text = f"{group.name}  ({len(group.cases)})"
    draw.text((MARGIN, top + 14), text, INK, ImageFont.load_default(20))
    font = ImageFont.load_default(LETTERS)
    for column in range(min(COLUMNS, len(group.cases))):
        left = MARGIN + column * (TILE_WIDTH + MARGIN) + TEXT_WIDTH
        for number, title in enumerate(TITLES):
            place = left + number * (PANEL + GAP), top + HEADING
            draw.text(place, title, FAINT, font)


def _draw_header(page: Image.Image, draw: ImageDraw.ImageDraw, title: str) -> None:
    draw.text((MARGIN, 12), title, INK, ImageFont.load_default(22))
    font, top, left = ImageFont.load_default(LETTERS), 44, MARGIN
    entries = (
        (OUTLINE, "mask"),
        (NO_READING, "no reading"),
        (FOREIGN_POINT, "point of another thing"),
        (MISSED, f"missed truth (> {1000 * MISSED_M:.0f} mm)"),
    )
    for color, text in entries:
        draw.rectangle([left, top + 2, left + 11, top + 13], color)
        draw.text((left + 17, top), text, INK, font)
        left += 17 + int(draw.textlength(text, font)) + 22
    millimetres = 1000 * FULL_ERROR_M
    before, after = (
        f"prediction {millimetres:.0f} mm inside the truth",
        f"{millimetres:.0f} mm outside",
    )
    draw.text((left, top), before, INK, font)
    left += int(draw.textlength(before, font)) + 8
    ramp = error_colors(np.linspace(-FULL_ERROR_M, FULL_ERROR_M, 120))
    page.paste(Image.fromarray(np.tile(ramp, (12, 1, 1))), (left, top + 2))
    draw.text((left + 128, top), after, INK, font)
