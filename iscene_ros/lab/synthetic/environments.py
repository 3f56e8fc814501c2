"""Environments made of boxes: a table, a bin on it, a shelf [m]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.lab.synthetic.primitives import box, pose
from iscene_ros.lab.synthetic.shapes import Part, Solid


@dataclass(frozen=True)
class Environment:
    """Boxes in the world, and the room that they leave for objects.

    Attributes:
        solid: The boxes.
        support_height: Height of the surface that objects are put on.
        half_x, half_y: Half sizes of that surface.
        height: Height of the walls or of the board above; infinite for an open table.
    """

    solid: Solid
    support_height: float
    half_x: float
    half_y: float
    height: float


def open_ground(rng: np.random.Generator, reach: float) -> Environment:
    """Draw a table with its top at z = 0, at least `reach` from the centre to its border."""
    half = reach * rng.uniform(1.05, 2.0, 2) + 0.1
    return Environment(Solid((_table(half),)), 0.0, reach, reach, np.inf)


def bin_on_ground(rng: np.random.Generator, half_x: float, half_y: float) -> Environment:
    """Draw a bin with a floor and four walls around a free area of half sizes half_x, half_y."""
    wall, floor = rng.uniform(0.003, 0.02, 2)
    height = float(min(half_x, half_y) * rng.uniform(0.4, 1.0))
    middle = 0.5 * (floor + height)
    parts = [
        _table(rng.uniform(1.2, 3.0) * np.array([half_x, half_y]) + 0.1),
        box((2 * half_x, 2 * half_y, floor), pose((0, 0, 0.5 * floor))),
    ]
    for side in (-1, 1):
        at_x = pose((side * (half_x + 0.5 * wall), 0, middle))
        at_y = pose((0, side * (half_y + 0.5 * wall), middle))
        parts.append(box((wall, 2 * half_y + 2 * wall, height + floor), at_x))
        parts.append(box((2 * half_x + 2 * wall, wall, height + floor), at_y))
    return Environment(Solid(tuple(parts)), float(floor), half_x, half_y, height + float(floor))


def shelf(rng: np.random.Generator, half_x: float, half_y: float, height: float) -> Environment:
    """Draw a compartment open towards -y, with its board at z = 0 and another one above."""
    board = float(rng.uniform(0.01, 0.03))
    depth = 2 * half_y + board
    parts = [
        box((2 * half_x + 2 * board, 2 * half_y, board), pose((0, 0, -0.5 * board))),
        box((2 * half_x + 2 * board, depth, board), pose((0, 0.5 * board, height + 0.5 * board))),
        box(
            (2 * half_x + 2 * board, board, height + 2 * board),
            pose((0, half_y + 0.5 * board, 0.5 * height)),
        ),
    ]
    for side in (-1, 1):
        at = pose((side * (half_x + 0.5 * board), 0, 0.5 * height))
        parts.append(box((board, 2 * half_y, height + 2 * board), at))
    return Environment(Solid(tuple(parts)), 0.0, half_x, half_y, height)


def _table(half: np.ndarray) -> Part:
    thickness = 0.05
    return box((2 * half[0], 2 * half[1], thickness), pose((0, 0, -0.5 * thickness)))
