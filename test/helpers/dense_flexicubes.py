"""FlexiCubes by plain loops over every cell of a small dense grid, in float64.

Slow, and independent of the package: the vertices of a cell follow from regions of its corners, not
from a walk over its faces. On a cell's surface, which is a sphere, two regions that touch share
exactly one ring.
"""

import itertools
from dataclasses import dataclass

import numpy as np

CORNERS = [(i & 1, i >> 1 & 1, i >> 2 & 1) for i in range(8)]
EDGES = [(0, 1), (1, 5), (4, 5), (0, 4), (2, 3), (3, 7), (6, 7), (2, 6)]
EDGES += [(0, 2), (1, 3), (5, 7), (4, 6)]


@dataclass
class DenseMesh:
    """The reference.

    Attributes:
        vertices, colors: (V, 3) float64.
        splits: for each quadrilateral the pairs of triangles that are right: two of them where its
            cells weigh the same.
    """

    vertices: np.ndarray
    colors: np.ndarray
    splits: list[list[frozenset]]


def dense_mesh(coords, features, resolution):
    """The mesh of (M, 3) cells and their (M, 101) features."""
    return _Grid(np.asarray(coords), np.asarray(features, np.float64), resolution).mesh()


def rings(inside, inside_reach=1):
    """{edge number: ring} of a cell with a set of inside corners; a ring is two regions that touch.

    Inside corners are joined along edges and outside ones also across faces; with `inside_reach` 2
    it is the other way round.
    """
    region = _regions(inside, inside_reach)
    region |= _regions(set(range(8)) - inside, 3 - inside_reach)
    return {
        number: frozenset((region[a], region[b]))
        for number, (a, b) in enumerate(EDGES)
        if (a in inside) != (b in inside)
    }


def pinched_faces(inside):
    """(axis, side) of the ambiguous faces at which inside corners are of one region."""
    region = _regions(inside, 1)
    faces = []
    for axis, side in itertools.product(range(3), (0, 1)):
        here = [c for c in range(8) if CORNERS[c][axis] == side and c in inside]
        if len(here) == 2 and _steps(*here) == 2 and region[here[0]] == region[here[1]]:
            faces.append((axis, side))
    return faces


def _regions(corners, reach):
    region = {corner: corner for corner in corners}
    for _ in corners:
        for a, b in itertools.combinations(corners, 2):
            if _steps(a, b) <= reach:
                region[a] = region[b] = min(region[a], region[b])
    return region


def _steps(a, b):
    return bin(a ^ b).count("1")


class _Grid:
    def __init__(self, coords, features, resolution):
        self.resolution = resolution
        self.features = {tuple(c): f for c, f in zip(coords.tolist(), features, strict=True)}
        self.said = {}
        for cell, feature in self.features.items():
            for number, offset in enumerate(CORNERS):
                said = np.concatenate(
                    [
                        feature[number : number + 1] - 1 / resolution,
                        feature[8 + 3 * number : 11 + 3 * number],
                        feature[53 + 6 * number : 56 + 6 * number],
                    ]
                )
                self.said.setdefault(_add(cell, offset), []).append(said)

    def corner(self, position):
        """Distance, position and colour of a corner."""
        said = self.said.get(position)
        mean = np.array([1.0] + [0.0] * 6) if said is None else np.mean(said, 0)
        moved = np.array(position) / self.resolution - 0.5
        moved += np.tanh(mean[1:4]) / (2 * self.resolution)
        return mean[0], np.concatenate([moved, _sigmoid(mean[4:7])])

    def inside(self, cell):
        return {n for n, o in enumerate(CORNERS) if self.corner(_add(cell, o))[0] < 0}

    def rings(self, cell):
        inside = self.inside(cell)
        for axis, side in pinched_faces(inside):
            neighbour = list(cell)
            neighbour[axis] += 2 * side - 1
            if 0 <= neighbour[axis] < self.resolution:
                if (axis, 1 - side) in pinched_faces(self.inside(tuple(neighbour))):
                    return rings(inside, 2)
        return rings(inside)

    def mesh(self):
        values, vertex_of = [], {}
        for cell in itertools.product(range(self.resolution), repeat=3):
            rings_of_cell = self.rings(cell)
            for ring in sorted(set(rings_of_cell.values()), key=sorted):
                numbers = [n for n, r in rings_of_cell.items() if r == ring]
                vertex_of.update({(cell, number): len(values) for number in numbers})
                values.append(self.dual_value(cell, numbers))
        values = np.array(values).reshape(-1, 6)
        return DenseMesh(values[:, :3], values[:, 3:], self.splits(vertex_of))

    def weights(self, cell):
        return self.features.get(cell, np.zeros(101))[32:53]

    def dual_value(self, cell, numbers):
        weights = 0.99 * np.tanh(self.weights(cell)[:20]) + 1
        total, total_weight = np.zeros(6), 0.0
        for number in numbers:
            a, b = EDGES[number]
            (da, va), (db, vb) = (self.corner(_add(cell, CORNERS[c])) for c in (a, b))
            da, db = da * weights[12 + a], db * weights[12 + b]
            total += weights[number] * (va + (vb - va) * da / (da - db))
            total_weight += weights[number]
        return total / total_weight

    def splits(self, vertex_of):
        splits = []
        for start in itertools.product(range(self.resolution + 1), repeat=3):
            for axis in range(3):
                ring = self.cells_around(start, axis)
                if ring is None or (ring[0][0], ring[0][1]) not in vertex_of:
                    continue
                # By the right hand about the axis: outward where the lower end is inside.
                if self.corner(start)[0] >= 0:
                    ring = ring[::-1]
                a, b, c, d = (vertex_of[cell, number] for cell, number in ring)
                g = [_sigmoid(self.weights(cell)[20]) * 0.99 + 0.005 for cell, _ in ring]
                ac = frozenset([begun_at_smallest((a, b, c)), begun_at_smallest((a, c, d))])
                bd = frozenset([begun_at_smallest((a, b, d)), begun_at_smallest((b, c, d))])
                difference = g[0] * g[2] - g[1] * g[3]
                tie = abs(difference) < 1e-12
                splits.append([ac, bd] if tie else [ac if difference > 0 else bd])
        return splits

    def cells_around(self, start, axis):
        """Four (cell, edge number) by the right hand about the axis; None at the grid's faces."""
        u, v = (axis + 1) % 3, (axis + 2) % 3
        ring = []
        for du, dv in ((-1, -1), (0, -1), (0, 0), (-1, 0)):
            offset = [0, 0, 0]
            offset[u], offset[v] = du, dv
            cell = _add(start, offset)
            if min(cell) < 0 or max(cell) >= self.resolution:
                return None
            low = CORNERS.index(tuple(-o for o in offset))
            ring.append((cell, EDGES.index((low, low + 2**axis))))
        return ring


def begun_at_smallest(triangle):
    """The triangle begun at its smallest number."""
    first = triangle.index(min(triangle))
    return tuple(triangle[first:]) + tuple(triangle[:first])


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _add(a, b):
    return tuple(i + j for i, j in zip(a, b, strict=True))
