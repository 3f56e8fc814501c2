"""Objects arranged one after the other: moved straight until they touch, without physics."""

from __future__ import annotations

from enum import Enum

import numpy as np

from iscene_ros.lab.synthetic.collisions import (
    CONTACT_GAP,
    PlacedSolid,
    free_path,
    lift_out_of_overlap,
)
from iscene_ros.lab.synthetic.environments import Environment

# Objects that slide into clutter stop up to this far before they touch [m].
MAX_CLUTTER_GAP = 0.02


class Layout(str, Enum):
    """Arrangement of the objects of a scene."""

    SINGLE = "single"
    SPARSE = "sparse"
    CLUTTER = "clutter"
    STACK = "stack"
    BIN = "bin"
    SHELF = "shelf"


def arrange(
    rng: np.random.Generator,
    layout: Layout,
    turned: list[PlacedSolid],
    order: np.ndarray,
    ground: PlacedSolid,
    surroundings: Environment,
) -> tuple[list[int], list[PlacedSolid]]:
    """Arrange objects in order.

    Args:
        rng: Source of all choices.
        layout: How the objects are arranged.
        turned: Objects at their orientation, at any position.
        order: Indices (N,) of `turned`.
        ground: The environment.
        surroundings: Sizes of the environment.

    Returns:
        Indices of the objects that found room, and those objects at their poses.
    """
    kept: list[int] = []
    placed: list[PlacedSolid] = []
    for index in order:
        result = _arrange_one(rng, layout, turned[index], placed, ground, surroundings)
        if result is not None:
            kept.append(int(index))
            placed.append(result)
    return kept, placed


def _arrange_one(
    rng: np.random.Generator,
    layout: Layout,
    item: PlacedSolid,
    placed: list[PlacedSolid],
    ground: PlacedSolid,
    surroundings: Environment,
) -> PlacedSolid | None:
    """Return the object in contact without overlap; None when it finds no room."""
    for _ in range(4):
        slides = layout is Layout.CLUTTER and rng.random() < 0.8
        if layout is Layout.SHELF or (slides and placed):
            result = _slide(rng, layout, item, placed, ground, surroundings)
        else:
            result = _drop(rng, layout, item, placed, ground, surroundings)
        if result is not None:
            return result
    # The first object of a scene always finds room on the support.
    return _on_support(item, surroundings) if not placed else None


def _on_support(item: PlacedSolid, surroundings: Environment) -> PlacedSolid:
    lift = surroundings.support_height + 0.5 * CONTACT_GAP - float(item.box_world[0][2])
    return item.shifted((0.0, 0.0, lift))


def _drop(
    rng: np.random.Generator,
    layout: Layout,
    item: PlacedSolid,
    placed: list[PlacedSolid],
    ground: PlacedSolid,
    surroundings: Environment,
) -> PlacedSolid | None:
    """Move the object straight down at a random position until it touches."""
    x, y = landing_offset(rng, layout, item, placed, surroundings)
    top = max([float(other.box_world[1][2]) for other in placed], default=0.0)
    if np.isfinite(surroundings.height):
        top = max(top, surroundings.height)
    start = item.shifted((x, y, top + 0.01 - float(item.box_world[0][2])))
    fall = free_path(start, [*placed, ground], (0.0, 0.0, -1.0), top + 1.0)
    result = start.shifted((0.0, 0.0, -fall))
    if layout is Layout.BIN and float(result.box_world[0][2]) > 0.9 * surroundings.height:
        return None
    return lift_out_of_overlap(result, [*placed, ground], rng)


def landing_offset(
    rng: np.random.Generator,
    layout: Layout,
    item: PlacedSolid,
    placed: list[PlacedSolid],
    surroundings: Environment,
) -> tuple[float, float]:
    """Draw the offset (x, y) [m] that brings an object above where the layout puts it."""
    low, high = (corner.numpy() for corner in item.box_world)
    if layout is Layout.STACK and placed and rng.random() < 0.8:
        below_low, below_high = placed[-1].box_world
        middle = 0.5 * (below_low + below_high)[:2].numpy()
        spread = 0.12 * (below_high - below_low)[:2].numpy()
        return tuple(middle + rng.normal(0, 1, 2) * spread)
    room = np.array([surroundings.half_x, surroundings.half_y])
    if layout is Layout.CLUTTER and placed:
        onto = placed[int(rng.integers(len(placed)))].world_from_object[:2, 3]
        return tuple(onto + rng.normal(0, 0.07, 2))
    if layout is not Layout.BIN:
        room = 0.75 * room if placed else 0.1 * room
        return tuple(rng.uniform(-room, room))
    room = np.maximum(room - 0.5 * (high - low)[:2] - 2e-3, 0.0)
    return tuple(rng.uniform(-room, room) - 0.5 * (high + low)[:2])


def _slide(
    rng: np.random.Generator,
    layout: Layout,
    item: PlacedSolid,
    placed: list[PlacedSolid],
    ground: PlacedSolid,
    surroundings: Environment,
) -> PlacedSolid | None:
    """Move the object along the support towards the others until a small gap remains."""
    standing = _on_support(item, surroundings)
    if layout is Layout.SHELF:
        start, direction, limit = _shelf_start(rng, standing, surroundings)
    else:
        angle = rng.uniform(-np.pi, np.pi)
        direction = -np.array([np.cos(angle), np.sin(angle), 0.0])
        aim = 0.05 * rng.normal(size=2)
        limit = 3.0
        start = standing.shifted((*(aim - limit * direction[:2]), 0.0))
    path = free_path(start, placed, direction, limit)
    gap = rng.uniform(0.0, MAX_CLUTTER_GAP) if path < limit else 0.0
    if path < gap + CONTACT_GAP:
        return None
    result = start.shifted((path - gap - CONTACT_GAP) * direction)
    if layout is Layout.SHELF:
        return lift_out_of_overlap(result, [*placed, ground], rng)
    within = np.abs(result.world_from_object[:2, 3]).max() < surroundings.half_x
    return lift_out_of_overlap(result, [*placed, ground], rng) if within else None


def _shelf_start(
    rng: np.random.Generator, standing: PlacedSolid, surroundings: Environment
) -> tuple[PlacedSolid, np.ndarray, float]:
    low, high = (corner.numpy().astype(float) for corner in standing.box_world)
    room_y = max(surroundings.half_y - 0.5 * (high - low)[1] - 2e-3, 0.0)
    offset_y = rng.uniform(-room_y, room_y) - 0.5 * (high + low)[1]
    offset_x = surroundings.half_x - high[0] - 2e-3
    width = 2 * surroundings.half_x - 4e-3 - (high - low)[0]
    start = standing.shifted((offset_x, offset_y, 0.0))
    return start, np.array([-1.0, 0.0, 0.0]), max(width, 0.0)
