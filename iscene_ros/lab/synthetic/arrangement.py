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


class Arranger:
    """Objects put into an environment one by one.

    Args:
        rng: Source of all choices.
        layout: How the objects are arranged.
        surroundings: The environment.

    Attributes:
        ground: The environment as a solid.
        placed: The objects so far, at their poses.
    """

    def __init__(self, rng: np.random.Generator, layout: Layout, surroundings: Environment) -> None:
        self.rng, self.layout, self.surroundings = rng, layout, surroundings
        self.ground = PlacedSolid(surroundings.solid, np.eye(4), is_environment=True)
        self.placed: list[PlacedSolid] = []

    def add(self, item: PlacedSolid) -> bool:
        """Bring an object of any position into contact without overlap; False without room."""
        for _ in range(4):
            slides = self.layout is Layout.CLUTTER and self.rng.random() < 0.8
            if self.layout is Layout.SHELF or (slides and self.placed):
                result = self._slide(item)
            else:
                result = self._drop(item)
            if result is not None:
                break
        if result is None and not self.placed:
            # The first object of a scene always finds room on the support.
            result = self._on_support(item)
        self.placed += [] if result is None else [result]
        return result is not None

    def landing_offset(self, item: PlacedSolid) -> tuple[float, float]:
        """Draw the offset (x, y) [m] that brings an object above where the layout puts it."""
        rng, layout, placed = self.rng, self.layout, self.placed
        low, high = (corner.numpy() for corner in item.box_world)
        if layout is Layout.STACK and placed and rng.random() < 0.8:
            below_low, below_high = placed[-1].box_world
            middle = 0.5 * (below_low + below_high)[:2].numpy()
            spread = 0.12 * (below_high - below_low)[:2].numpy()
            return tuple(middle + rng.normal(0, 1, 2) * spread)
        room = np.array([self.surroundings.half_x, self.surroundings.half_y])
        if layout is Layout.CLUTTER and placed:
            onto = placed[int(rng.integers(len(placed)))].world_from_object[:2, 3]
            return tuple(onto + rng.normal(0, 0.07, 2))
        if layout is not Layout.BIN:
            room = 0.75 * room if placed else 0.1 * room
            return tuple(rng.uniform(-room, room))
        room = np.maximum(room - 0.5 * (high - low)[:2] - 2e-3, 0.0)
        return tuple(rng.uniform(-room, room) - 0.5 * (high + low)[:2])

    def _on_support(self, item: PlacedSolid) -> PlacedSolid:
        support = self.surroundings.support_height
        return item.shifted((0.0, 0.0, support + 0.5 * CONTACT_GAP - float(item.box_world[0][2])))

    def _out_of_overlap(self, item: PlacedSolid) -> PlacedSolid | None:
        return lift_out_of_overlap(item, [*self.placed, self.ground], self.rng)

    def _drop(self, item: PlacedSolid) -> PlacedSolid | None:
        """Move the object straight down at a random position until it touches."""
        x, y = self.landing_offset(item)
        height = self.surroundings.height
        top = max([float(other.box_world[1][2]) for other in self.placed], default=0.0)
        top = max(top, height) if np.isfinite(height) else top
        start = item.shifted((x, y, top + 0.01 - float(item.box_world[0][2])))
        fall = free_path(start, [*self.placed, self.ground], (0.0, 0.0, -1.0), top + 1.0)
        result = start.shifted((0.0, 0.0, -fall))
        if self.layout is Layout.BIN and float(result.box_world[0][2]) > 0.9 * height:
            return None
        return self._out_of_overlap(result)

    def _slide(self, item: PlacedSolid) -> PlacedSolid | None:
        """Move the object along the support towards the others until a small gap remains."""
        rng, standing = self.rng, self._on_support(item)
        if self.layout is Layout.SHELF:
            start, direction, limit = self._shelf_start(standing)
        else:
            angle = rng.uniform(-np.pi, np.pi)
            direction = -np.array([np.cos(angle), np.sin(angle), 0.0])
            limit = 3.0
            start = standing.shifted((*(0.05 * rng.normal(size=2) - limit * direction[:2]), 0.0))
        path = free_path(start, self.placed, direction, limit)
        gap = rng.uniform(0.0, MAX_CLUTTER_GAP) if path < limit else 0.0
        if path < gap + CONTACT_GAP:
            return None
        result = start.shifted((path - gap - CONTACT_GAP) * direction)
        reach = np.abs(result.world_from_object[:2, 3]).max()
        if self.layout is not Layout.SHELF and reach >= self.surroundings.half_x:
            return None
        return self._out_of_overlap(result)

    def _shelf_start(self, standing: PlacedSolid) -> tuple[PlacedSolid, np.ndarray, float]:
        """Return the object at the right end of a shelf, where it slides to, and how far."""
        low, high = (corner.numpy().astype(float) for corner in standing.box_world)
        half_x, half_y = self.surroundings.half_x, self.surroundings.half_y
        room_y = max(half_y - 0.5 * (high - low)[1] - 2e-3, 0.0)
        offset_y = self.rng.uniform(-room_y, room_y) - 0.5 * (high + low)[1]
        width = 2 * half_x - 4e-3 - (high - low)[0]
        start = standing.shifted((half_x - high[0] - 2e-3, offset_y, 0.0))
        return start, np.array([-1.0, 0.0, 0.0]), max(width, 0.0)
