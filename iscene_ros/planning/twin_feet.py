"""Feet of bodies for a simulator: what carries an object that was seen at rest.

The underside of an object was not seen, and is off by millimetres: on another object it may touch
at a single place, on which it would tip; or what carries it was not seen at all. Where the centre
of mass is not over the places at which a body touches what is below, feet fill the gap at a few
more, and fixed posts where the gap is large and the camera could not see into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from iscene_ros.geometry.stability import margin_inside
from iscene_ros.planning.convex_cuts import ConvexPart

# Columns along each side of the outline in which gaps are measured.
COLUMNS = 14
# A body may fall by this until it touches, and gaps that differ by less are closed then [m].
FALLS_M, TOUCHING_M = 0.003, 0.0015
# Lengths that are tried, and how far feet reach into the body [m].
FEET_M, POSTS_M = (0.003, 0.006, 0.009, 0.012, 0.015), (0.03, 0.06, 0.12, 0.25, 0.5)
ROOT_M = 0.003
# Feet and posts that are left out cost less than this share of the margin.
SPARED = 0.3
# The centre of mass is to be so far inside of the support, as a share of the outline's root area.
MARGIN = 0.05


@dataclass(frozen=True)
class Supports:
    """What a body needs to stand: boxes of 8 corners each, (8, 3) [m].

    Attributes:
        feet: parts of the body.
        posts: parts of the surroundings, where nothing below is near.
    """

    feet: tuple[np.ndarray, ...] = ()
    posts: tuple[np.ndarray, ...] = ()


def supports(
    parts: Sequence[ConvexPart],
    others: Sequence[ConvexPart],
    fixed: Sequence[ConvexPart],
    center: np.ndarray,
    camera: np.ndarray,
) -> Supports:
    """Return the feet and posts that a body needs; none where it stands, or cannot stand.

    Args:
        parts: of the body, z up.
        others: parts of all other bodies; none overlaps with the body's.
        fixed: parts of the surroundings.
        center: (3,) centre of mass [m].
        camera: (3,) its position: posts are where it could not see.
    """
    # Columns across the outline.
    corners = np.concatenate([part.vertices[:, :2] for part in parts])
    low, high = corners.min(axis=0), corners.max(axis=0)
    cell = (high - low) / COLUMNS
    steps = np.arange(COLUMNS) + 0.5
    x, y = np.meshgrid(low[0] + steps * cell[0], low[1] + steps * cell[1])
    flat = np.column_stack([x.ravel(), y.ravel()])
    underside = _underside(parts, flat)
    inside = np.isfinite(underside)
    flat, underside = flat[inside], underside[inside]
    if not len(flat):
        return Supports()
    ground = _ground((*others, *fixed), flat, underside)
    gap = underside - ground
    margin = MARGIN * np.sqrt(len(flat)) * cell.max()
    touches = gap < np.clip(gap.min(), 0.0, FALLS_M) + TOUCHING_M
    if margin_inside(flat[touches], center[:2]) > margin:
        return Supports()
    free = ground <= _ground(fixed, flat, underside)
    middle = np.column_stack([flat, np.where(np.isfinite(gap), underside - 0.5 * gap, 0.0)])
    free &= _hidden(middle, camera, (*parts, *others))
    for longest in (*FEET_M, *POSTS_M):
        usable = (gap < longest) & (free | (gap < FEET_M[-1]))
        chosen = _around(flat[usable], center[:2], margin)
        if chosen is not None:
            made = [_box(xy, cell, parts, (*others, *fixed)) for xy in chosen]
            return Supports(
                tuple(box for box, height in made if height < FEET_M[-1]),
                tuple(box for box, height in made if height >= FEET_M[-1]),
            )
    return Supports()


def _underside(parts: Sequence[ConvexPart], flat: np.ndarray) -> np.ndarray:
    """Return the height (C,) of the lowest surface over places (C, 2); inf beside the body."""
    return np.min([part.column(flat)[0] for part in parts], axis=0)


def _hidden(points: np.ndarray, camera: np.ndarray, parts: Sequence[ConvexPart]) -> np.ndarray:
    """Return (C,) bool, whether any part is between a camera and points (C, 3)."""
    hidden = np.zeros(len(points), bool)
    for part in parts:
        near, far = part.crossing(np.broadcast_to(camera, points.shape), points - camera)
        hidden |= (near < far) & (far > 0) & (near < 1)
    return hidden


def _ground(below: Sequence[ConvexPart], flat: np.ndarray, underside: np.ndarray) -> np.ndarray:
    """Return the height of what is below an underside, by column; -inf where there is nothing."""
    ground = np.full(len(flat), -np.inf)
    for part in below:
        _, top = part.column(flat)
        ground = np.where(top < underside + TOUCHING_M, np.maximum(ground, top), ground)
    return ground


def _around(flat: np.ndarray, center: np.ndarray, margin: float) -> np.ndarray | None:
    """Return a few of some places (C, 2), far apart, with a centre well between them, or None."""
    whole = margin_inside(flat, center)
    if whole <= margin:
        return None
    chosen = flat[ConvexHull(flat).vertices]
    for corner in list(chosen):
        rest = chosen[np.any(chosen != corner, axis=1)]
        if margin_inside(rest, center) > max(margin, (1 - SPARED) * whole):
            chosen = rest
    return chosen


def _box(
    middle: np.ndarray,
    cell: np.ndarray,
    parts: Sequence[ConvexPart],
    below: Sequence[ConvexPart],
) -> tuple[np.ndarray, float]:
    """Return the corners (8, 3) of a box in the middle of a column, and the gap it fills [m].

    A foot reaches into the body; a post ends below it.
    """
    square = middle + 0.25 * cell * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [0, 0]])
    underside = _underside(parts, square)
    underside = np.where(np.isfinite(underside), underside, underside[4])
    bottom = _ground(below, square, underside).max()
    height = float(underside.min() - bottom)
    top = underside[:4] + ROOT_M if height < FEET_M[-1] else np.full(4, underside.min())
    levels = np.concatenate([np.full(4, bottom), np.maximum(top, bottom + ROOT_M)])
    return np.column_stack([np.tile(square[:4], (2, 1)), levels]), height
