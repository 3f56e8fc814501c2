"""Patches where two bodies touch, or nearly do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iscene_ros.geometry.facing_areas import Facings

# A patch bears load where its normal is within 60 degrees of the vertical.
BEARING = 0.5

# Standard deviations to which surfaces that face each other are looked at.
REACH = 10.0

# Overlaps deeper than this many standard deviations, and than half of the thinner body there, are
# no contact: the bodies stand beside each other and overlap sideways.
DEEPEST = 3.0

# The closest columns are left out as strays: so many times the root of their number, but at least
# two. A share of them would leave out the feet of a table.
STRAY_ROOTS, STRAYS = 0.4, 2

# So many standard deviations beyond the closest approach still belong to the patch.
PATCH = 1.0


@dataclass(frozen=True)
class Patch:
    """Where one body faces another closely.

    Attributes:
        lower, upper: bodies in the direction of the normal.
        gap: closest approach along the normal, negative = they overlap [m].
        sigma: standard deviation of that gap [m].
        area: of the patch [m^2].
        points: (P, 3) float64 in the patch [m].
        normal: (3,) unit direction from the lower to the upper body.
        share: area in which the bodies face each other closely, as a share of where they face each
            other at all.
    """

    lower: int
    upper: int
    gap: float
    sigma: float
    area: float
    points: np.ndarray
    normal: np.ndarray
    share: float

    @property
    def z_score(self) -> float:
        """The gap in standard deviations."""
        return self.gap / self.sigma

    @property
    def point(self) -> np.ndarray:
        """(3,) middle of the patch [m]."""
        return self.points.mean(axis=0)


def bearing_patches(facings: Facings, sigmas: np.ndarray) -> list[Patch]:
    """Patches of vertical columns whose normal could bear load.

    Args:
        facings: along z.
        sigmas: (B,) standard deviation of each body's surface [m].
    """
    return _patches([facings], sigmas, lambda f: f.normal[:, 2] >= BEARING)


def sideways_patches(facings: Sequence[Facings], sigmas: np.ndarray) -> list[Patch]:
    """Patches of horizontal columns whose normal could not.

    Args:
        facings: along x and along y; each counts where its axis is the nearer one.
        sigmas: (B,) standard deviation of each body's surface [m].
    """

    def sideways(f: Facings) -> np.ndarray:
        axis, other = f.grid.axis, 1 - f.grid.axis
        along = np.abs(f.normal[:, axis]) >= np.abs(f.normal[:, other]) - 1e-6
        return along & (np.abs(f.normal[:, 2]) < BEARING)

    return _patches(facings, sigmas, sideways)


def _patches(facings: Sequence[Facings], sigmas: np.ndarray, wanted) -> list[Patch]:
    columns = [[] for _ in range(6)]
    for f in facings:
        sigma = np.hypot(sigmas[f.lower], sigmas[f.upper])
        deep = np.maximum(DEEPEST * sigma, 0.5 * f.room)
        kept = f.is_next & wanted(f) & (-f.gap <= deep)
        f = f.chosen(kept)
        along = np.maximum(np.abs(f.normal[:, f.grid.axis]), 0.2)
        # The same pair may face each other either way round along x and y.
        swap = f.lower > f.upper
        code = np.where(swap, f.upper, f.lower) * len(sigmas) + np.where(swap, f.lower, f.upper)
        if f.grid.axis == 2:
            code = f.lower * len(sigmas) + f.upper
            swap = np.zeros(len(code), bool)
        normal = np.where(swap[:, None], -f.normal, f.normal)
        parts = (code, f.normal_gap, f.points, normal, f.grid.spacing**2 / along, sigma[kept])
        for column, part in zip(columns, parts, strict=True):
            column.append(part)
    code, gap, points, normal, area, sigma = (np.concatenate(column) for column in columns)
    order = np.lexsort((gap, code))
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    found = []
    for rows in np.split(order, starts[1:]):
        if not len(rows):
            continue
        closest = gap[rows[min(max(int(STRAY_ROOTS * len(rows) ** 0.5), STRAYS), len(rows) - 1)]]
        if closest > REACH * sigma[rows[0]]:
            continue
        near = rows[gap[rows] <= max(closest, 0.0) + PATCH * sigma[rows[0]]]
        lower, upper = divmod(int(code[rows[0]]), len(sigmas))
        mean = (normal[near] * area[near, None]).sum(axis=0)
        length = max(float(np.linalg.norm(mean)), 1e-9)
        found.append(
            Patch(
                lower,
                upper,
                float(closest),
                float(sigma[rows[0]]),
                float(area[near].sum()),
                points[near],
                mean / length,
                len(near) / len(rows),
            )
        )
    return found
