"""Which edges of a cell share a dual vertex: the 256 cases of dual marching cubes.

Case c of a cell has bit i set where corner i is inside. Each inside/outside edge of the cell holds
a point of the surface; a dual vertex stands for one closed ring of such points (Nielson, Dual
Marching Cubes, 2004). The rings follow from the faces: the surface leaves a cell through segments
that join two points of one face. A face with inside corners on one diagonal and outside corners on
the other is ambiguous: it holds four points, so two segments, and each segment cuts off one of the
two inside corners.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import combinations

import torch
from torch import Tensor

# Offset (x, y, z) of corner i: its bits. This order and that of the edges is how the published
# decoder sorts its channels, and what FlexiCubes (arXiv 2308.05371) fixed.
CORNERS = tuple((i & 1, i >> 1 & 1, i >> 2 & 1) for i in range(8))
EDGES = (
    *((0, 1), (1, 5), (4, 5), (0, 4)),  # around y = 0
    *((2, 3), (3, 7), (6, 7), (2, 6)),  # around y = 1
    *((0, 2), (1, 3), (5, 7), (4, 6)),  # along y
)
CASES = 2 ** len(CORNERS)

# A cell has at most four rings, and a ring at most seven points.
MAX_RINGS = 4
MAX_RING_EDGES = 7

CPU = torch.device("cpu")


@dataclass(frozen=True)
class CellFace:
    """One of the six faces: its outward direction, and the numbers of its corners."""

    direction: tuple[int, int, int]
    corners: tuple[int, ...]


@dataclass(frozen=True)
class DualCases:
    """The table of all cases; every tensor is int64 on one device.

    Attributes:
        ring_count: (256,) dual vertices of a case.
        ring_of_edge: (256, 12) the ring that an edge belongs to; -1 where the edge has no point.
        edges_of_ring: (256, 4, 7) edges of a ring, ascending, filled up with -1.
        pinched_towards: (256, 3) direction of the face that one ring touches with both of its
            segments; zeros where there is none.
    """

    ring_count: Tensor
    ring_of_edge: Tensor
    edges_of_ring: Tensor
    pinched_towards: Tensor


@lru_cache(maxsize=8)
def dual_cases(device: torch.device) -> DualCases:
    """Return the table on a device."""
    if device != CPU:
        return DualCases(*(getattr(dual_cases(CPU), f.name).to(device) for f in fields(DualCases)))
    ring_count = torch.zeros(CASES, dtype=torch.int64)
    ring_of_edge = torch.full((CASES, len(EDGES)), -1)
    edges_of_ring = torch.full((CASES, MAX_RINGS, MAX_RING_EDGES), -1)
    pinched_towards = torch.zeros((CASES, 3), dtype=torch.int64)
    for case in range(CASES):
        rings = rings_of_case(case)
        ring_count[case] = len(rings)
        for number, ring in enumerate(rings):
            ring_of_edge[case, list(ring)] = number
            edges_of_ring[case, number, : len(ring)] = torch.tensor(ring)
        for face in pinched_faces(case):
            pinched_towards[case] = torch.tensor(face.direction)
    return DualCases(ring_count, ring_of_edge, edges_of_ring, pinched_towards)


def rings_of_case(case: int) -> list[tuple[int, ...]]:
    """Return the rings of a case as ascending edge numbers, sorted by their first edge."""
    ring_of = {edge: {edge} for edge in range(len(EDGES)) if _has_point(case, edge)}
    for face in cell_faces():
        for first, second in segments(case, face):
            merged = ring_of[first] | ring_of[second]
            ring_of.update(dict.fromkeys(merged, merged))
    return sorted({tuple(sorted(ring)) for ring in ring_of.values()})


def pinched_faces(case: int) -> list[CellFace]:
    """Return ambiguous faces of which both segments belong to one ring.

    Two neighbours that are pinched at the face they share would meet in four quadrilaterals at one
    edge, which no surface does. Joining the inside corners there, instead of cutting them off, ends
    it: those are the rings of the complementary case, as a pinched case has no other ambiguous face
    (FlexiCubes, supplement 1.3: its cases C16 and C19).
    """
    rings = [set(ring) for ring in rings_of_case(case)]
    return [
        face
        for face in cell_faces()
        if len(pairs := segments(case, face)) == 2
        if any(ring.issuperset(pairs[0] + pairs[1]) for ring in rings)
    ]


def segments(case: int, face: CellFace) -> list[tuple[int, int]]:
    """Return pairs of edges between which the surface leaves the cell through a face."""
    edges = [e for e in range(len(EDGES)) if set(EDGES[e]) <= set(face.corners)]
    crossed = [edge for edge in edges if _has_point(case, edge)]
    if len(crossed) < 4:
        return [tuple(crossed)] if crossed else []
    return [
        pair
        for pair in combinations(crossed, 2)
        if any(_is_inside(case, corner) for corner in set(EDGES[pair[0]]) & set(EDGES[pair[1]]))
    ]


@lru_cache(maxsize=1)
def cell_faces() -> tuple[CellFace, ...]:
    """Return the six faces of a cell."""
    faces = []
    for axis in range(3):
        for side in (0, 1):
            direction = [0, 0, 0]
            direction[axis] = 2 * side - 1
            corners = tuple(i for i, offset in enumerate(CORNERS) if offset[axis] == side)
            faces.append(CellFace(tuple(direction), corners))
    return tuple(faces)


def _has_point(case: int, edge: int) -> bool:
    low, high = EDGES[edge]
    return _is_inside(case, low) != _is_inside(case, high)


def _is_inside(case: int, corner: int) -> bool:
    return bool(case >> corner & 1)
