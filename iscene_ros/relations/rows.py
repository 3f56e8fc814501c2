"""Rows and grids of objects of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

# Places may be off by this share of the step between them, or by so many standard deviations.
UNEVEN = 0.12
UNEVEN_SIGMAS = 2.0

LEAST_ROW = 3

# The steps of a grid lead to two of so many nearest neighbours.
AROUND = 6


@dataclass(frozen=True)
class Arrangement:
    """Objects at equal distances.

    Attributes:
        kind: "row" or "grid".
        members: ids, in the order of the places; a grid's row after row.
        steps: (1, 3) or (2, 3) from place to place [m].
    """

    kind: str
    members: tuple[int, ...]
    steps: np.ndarray


def arrangements(
    ids: Sequence[int], centers: np.ndarray, sigmas: Sequence[float]
) -> tuple[Arrangement, ...]:
    """Rows of at least three and grids of at least two by two among objects of one shape.

    Args:
        ids: of the objects.
        centers: (N, 3) [m].
        sigmas: standard deviation of each centre [m].
    """
    centers = np.asarray(centers, np.float64).reshape(-1, 3)
    slack = UNEVEN_SIGMAS * float(np.max(sigmas, initial=0.0))
    rows = _rows(centers, slack)
    grids = _grids(centers, slack)
    found = [_named("grid", ids, members, steps) for members, steps in grids]
    covered = [set(grid.members) for grid in found]
    for members, step in rows:
        row = _named("row", ids, members, step[None])
        if not any(set(row.members) <= other for other in covered):
            found.append(row)
    return tuple(found)


def _named(kind: str, ids: Sequence[int], members: Sequence[int], steps: np.ndarray) -> Arrangement:
    return Arrangement(kind, tuple(int(ids[i]) for i in members), steps)


def _rows(centers: np.ndarray, slack: float) -> list[tuple[list[int], np.ndarray]]:
    """The longest rows; each once, in one direction."""
    found: list[tuple[list[int], np.ndarray]] = []
    for first, second in permutations(range(len(centers)), 2):
        if first > second:
            continue
        members = _followed([first, second], centers, slack)
        before = _followed(members[:2][::-1], centers, slack)
        row = before[::-1][:-2] + members
        if len(row) >= LEAST_ROW and not any(set(row) <= set(r) for r, _ in found):
            found = [(r, s) for r, s in found if not set(r) <= set(row)]
            found.append((row, (centers[row[-1]] - centers[row[0]]) / (len(row) - 1)))
    return found


def _followed(row: list[int], centers: np.ndarray, slack: float) -> list[int]:
    """The row continued by equal steps."""
    row = list(row)
    while True:
        step = (centers[row[-1]] - centers[row[0]]) / (len(row) - 1)
        distance = np.linalg.norm(centers - (centers[row[-1]] + step), axis=1)
        distance[row] = np.inf
        nearest = int(np.argmin(distance))
        if distance[nearest] > max(UNEVEN * float(np.linalg.norm(step)), slack):
            return row
        row.append(nearest)


def _grids(centers: np.ndarray, slack: float) -> list[tuple[list[int], np.ndarray]]:
    """The largest grid without holes, if any: rows of the same step beside each other."""
    best: tuple[list[int], np.ndarray] | None = None
    count = len(centers)
    for corner in range(count):
        around = np.argsort(np.linalg.norm(centers - centers[corner], axis=1))[1 : 1 + AROUND]
        for one, other in permutations(around, 2):
            u, v = centers[one] - centers[corner], centers[other] - centers[corner]
            lengths = np.linalg.norm(u), np.linalg.norm(v)
            if abs(u @ v) > 0.5 * lengths[0] * lengths[1]:
                continue
            members, shape = _filled(corner, u, v, centers, slack)
            if min(shape) >= 2 and (best is None or len(members) > len(best[0])):
                best = members, np.stack([u, v])
    return [] if best is None else [best]


def _filled(
    corner: int, u: np.ndarray, v: np.ndarray, centers: np.ndarray, slack: float
) -> tuple[list[int], tuple[int, int]]:
    """Members of the largest rectangle of places from a corner, and its shape."""
    tolerance = max(UNEVEN * min(np.linalg.norm(u), np.linalg.norm(v)), slack)

    def at(i: int, j: int) -> int | None:
        distance = np.linalg.norm(centers - (centers[corner] + i * u + j * v), axis=1)
        nearest = int(np.argmin(distance))
        return nearest if distance[nearest] <= tolerance else None

    width = 0
    while width < len(centers) and at(width, 0) is not None:
        width += 1
    height = 0
    while height < len(centers) and all(at(i, height) is not None for i in range(width)):
        height += 1
    members = [at(i, j) for j in range(height) for i in range(width)]
    unique = list(dict.fromkeys(m for m in members if m is not None))
    if len(unique) < width * height:
        return [], (0, 0)
    return unique, (width, height)
