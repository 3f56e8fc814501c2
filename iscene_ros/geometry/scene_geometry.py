"""Everything that relations are read from: bodies and surroundings, cut into columns once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from iscene_ros.geometry.bodies import Body
from iscene_ros.geometry.contacts import Facings, Patch, facings, patches
from iscene_ros.geometry.environment import Environment
from iscene_ros.geometry.ray_columns import BITS, ColumnGrid, Intervals, Triangles
from iscene_ros.geometry.stability import margin_inside

# Columns of all bodies along all axes together; they lie closer in small scenes.
COLUMN_BUDGET = 40_000
CLOSEST_COLUMNS_M = 3e-4

# Where this share of the space right below an object is hidden, it may stand on something unseen.
HIDDEN_SHARE = 0.5
# Above so many of an object's columns the surroundings below it are known.
FEW_KNOWN = 0.1
# How far below an object the space is looked at [m].
BELOW_M = 0.01


@dataclass(frozen=True)
class SceneGeometry:
    """Bodies in the upright frame; the environment counts as the body after the last one.

    Attributes:
        bodies: the completed objects.
        spacing: of the columns [m].
        sigmas: (B + 1,) standard deviation of each surface, the environment's last [m].
        intervals: of all of them along x, y, z.
        hidden_below: (B,) bool, whether the frame shows a body but not the space right below it,
            and no surroundings are known there.
    """

    bodies: tuple[Body, ...]
    spacing: float
    sigmas: np.ndarray
    intervals: tuple[Intervals, Intervals, Intervals]
    hidden_below: np.ndarray

    @property
    def environment(self) -> int:
        """The environment's index."""
        return len(self.bodies)

    @cached_property
    def facings(self) -> tuple[Facings, Facings, Facings]:
        """Which bodies face each other along x, y, z."""
        grids = (ColumnGrid(axis, self.spacing) for axis in range(3))
        return tuple(facings(g, i) for g, i in zip(grids, self.intervals, strict=True))

    @cached_property
    def footprints(self) -> np.ndarray:
        """(B + 1,) number of vertical columns through each body."""
        pairs = np.unique((self.intervals[2].body << (2 * BITS)) | self.intervals[2].cell)
        return np.bincount(pairs >> (2 * BITS), minlength=len(self.sigmas))

    @cached_property
    def bearing(self) -> list[Patch]:
        """Patches that could bear load; the upper body rests on the lower one."""
        return patches(self.facings[2:], self.sigmas)

    @cached_property
    def sideways(self) -> list[Patch]:
        """Patches at the sides of bodies."""
        return patches(self.facings[:2], self.sigmas)

    def is_exact(self, index: int) -> bool:
        """Return whether a body's surface is known; the environment counts as known."""
        return index == self.environment or self.bodies[index].is_exact

    def object_id(self, index: int) -> int:
        """Return the object's id of a body, 0 for the environment."""
        return 0 if index == self.environment else self.bodies[index].id

    def support_points(self, supported: Iterable[tuple[int, int]]) -> dict[int, np.ndarray]:
        """Return where bodies touch their supporters.

        Args:
            supported: Pairs of a body and what supports it.

        Returns:
            (M, 2) horizontal coordinates [m] by body.
        """
        touching = {(p.upper, p.lower): p.points[:, :2] for p in self.bearing}
        points: dict[int, list[np.ndarray]] = {}
        for pair in supported:
            points.setdefault(pair[0], []).append(touching.get(pair, np.zeros((0, 2))))
        return {body: np.concatenate(parts) for body, parts in points.items()}

    def support_margin(self, body: int, points: np.ndarray) -> float:
        """Return how far a centre of mass lies within the hull of points, negative outside [m].

        Surfaces being sampled by columns, contact points lie up to a column apart.

        Args:
            body: Index of the body.
            points: (M, 2) where it touches its supporters [m].
        """
        center = self.bodies[body].center_of_mass[:2]
        return max(margin_inside(points, center), -1.0) + self.spacing

    def is_steady(self, body: int, points: np.ndarray) -> bool:
        """Return whether a centre of mass may lie over the hull of points; see `support_margin`."""
        return bool(self.support_margin(body, points) >= -self.sigmas[body])


def measure(bodies: Sequence[Body], environment: Environment | None) -> SceneGeometry:
    """Cut bodies and surroundings into columns along all three axes.

    Args:
        bodies: in the upright frame.
        environment: of the same frame; None where nothing is known of it.
    """
    sizes = np.array([body.size for body in bodies]).reshape(-1, 3)
    area = float((sizes * np.roll(sizes, 1, axis=1)).sum())
    spacing = max(float(np.sqrt(area / COLUMN_BUDGET)), CLOSEST_COLUMNS_M)
    found = []
    triangles = Triangles.of(bodies)
    for axis in range(3):
        grid = ColumnGrid(axis, spacing)
        own = grid.intervals(triangles)
        cells = np.unique(own.cell)
        around = [] if environment is None else [environment.intervals(grid, cells, len(bodies))]
        found.append(Intervals.joined([own, *around]))
    environment_sigma = 0.0 if environment is None else environment.sigma
    sigmas = np.array([*(body.sigma for body in bodies), environment_sigma])
    hidden = _hidden_below(bodies, ColumnGrid(2, spacing), found[2], environment)
    return SceneGeometry(tuple(bodies), spacing, sigmas, tuple(found), hidden)


def _hidden_below(
    bodies: Sequence[Body], grid: ColumnGrid, vertical: Intervals, environment: Environment | None
) -> np.ndarray:
    """Return `SceneGeometry.hidden_below`; False for a body that the frame does not show."""
    hidden = np.zeros(len(bodies), bool)
    if environment is None:
        return hidden
    body = vertical.body
    around, own = np.flatnonzero(body == len(bodies)), np.flatnonzero(body < len(bodies))
    around = around[np.lexsort((vertical.low[around], vertical.cell[around]))]
    cells, lowest = np.unique(vertical.cell[around], return_index=True)
    place = np.searchsorted(cells, vertical.cell[own])
    place = np.minimum(place, len(cells) - 1)
    is_known = np.zeros(len(own), bool)
    if len(cells):
        is_known = cells[place] == vertical.cell[own]
        is_known &= vertical.low[around[lowest[place]]] < vertical.low[own]
    # A wall that ends below a few columns is no floor.
    known, all_own = (
        np.bincount(body[rows], minlength=len(bodies)) for rows in (own[is_known], own)
    )
    for index in np.flatnonzero(known <= FEW_KNOWN * all_own):
        rows = np.flatnonzero(body == index)
        if len(rows) and len(bodies[index].observed):
            points = grid.points(vertical.cell[rows], vertical.low[rows] - BELOW_M)
            hidden[index] = environment.is_hidden(points).mean() >= HIDDEN_SHARE
    return hidden
