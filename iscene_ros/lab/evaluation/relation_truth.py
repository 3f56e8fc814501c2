"""True relations of a scene at rest: from contact forces and from the true geometry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from iscene_ros.core.predicate import Predicate
from iscene_ros.geometry.bodies import Body
from iscene_ros.geometry.ray_columns import BITS, HALF, OFFSET, ColumnGrid, Triangles
from iscene_ros.geometry.stability import margin_inside
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene
from iscene_ros.lab.synthetic.simulation import PhysicsContact

Edge = tuple[int, Predicate, int]

# Contacts whose normal is within 60 degrees of the vertical bear load.
BEARING = 0.5

# What carries less than this share of the weight does not support.
LEAST_SHARE = 0.05

# Sideways pushes below this share of the weight hold nothing.
LEAST_PUSH = 0.02

# Spacing of the columns [m], and how many of them an object must reach over another to block it.
SPACING_M = 0.0015
LEAST_REACH = 2

# A body may begin this far below the top of what it is above [m].
CLEARANCE_M = 5e-4

# Enclosed share of the volume from which on a body is inside.
INSIDE_SHARE = 0.3


def true_relations(scene: PhysicsScene) -> set[Edge]:
    """Return the true edges by object index + 1; 0 is the environment."""
    contacts = contact_relations(scene)
    return contacts | geometric_relations(scene, contacts)


def contact_relations(scene: PhysicsScene) -> set[Edge]:
    """Return supported_by, leaning_on and touching, from the forces of the physics engine."""
    edges: set[Edge] = set()
    for body, geometry in enumerate(true_bodies(scene)):
        by_other: dict[int, list[PhysicsContact]] = defaultdict(list)
        for contact in scene.contacts:
            if body in (contact.one, contact.other):
                own = contact.seen_from(body)
                by_other[own.other].append(own)
        edges |= _edges_of(body, by_other, geometry.center_of_mass)
    return edges


def _edges_of(
    body: int, by_other: dict[int, list[PhysicsContact]], center: np.ndarray
) -> set[Edge]:
    edges: set[Edge] = set()
    bearing: list[np.ndarray] = []
    carried: dict[int, float] = {}
    for other, contacts in by_other.items():
        if sum(np.linalg.norm(c.force) + np.linalg.norm(c.force_on_other) for c in contacts) > 1e-3:
            edges.add((body + 1, Predicate.TOUCHING, other + 1))
        below = [c for c in contacts if c.normal[2] >= BEARING]
        carried[other] = sum(c.force[2] for c in below)
        if carried[other] >= LEAST_SHARE:
            edges.add((body + 1, Predicate.SUPPORTED_BY, other + 1))
            bearing += [c.point for c in below]
    if not bearing and by_other:
        # Wedged: the steep contacts carry it.
        lifted = {o: sum(c.force[2] for c in contacts) for o, contacts in by_other.items()}
        return edges | {
            (body + 1, Predicate.SUPPORTED_BY, o + 1)
            for o, share in lifted.items()
            if share >= LEAST_SHARE
        }
    if margin_inside(np.array(bearing).reshape(-1, 3)[:, :2], center[:2]) >= -1e-3:
        return edges
    for other, contacts in by_other.items():
        sideways = [c for c in contacts if abs(c.normal[2]) < BEARING]
        if sum(np.linalg.norm(c.force[:2]) for c in sideways) >= LEAST_PUSH:
            edges.add((body + 1, Predicate.LEANING_ON, other + 1))
    return edges


def geometric_relations(scene: PhysicsScene, contacts: set[Edge]) -> set[Edge]:
    """Return inside, above and blocks_from_above, from columns through the true meshes.

    What touches, by the edges of `contact_relations`, is not above.
    """
    bodies = true_bodies(scene)
    fine = BodyColumns(bodies, SPACING_M, axis=2)
    coarse = [BodyColumns(bodies, 2 * SPACING_M, axis) for axis in range(3)]
    edges: set[Edge] = set()
    for one, body in enumerate(bodies):
        for other, below in enumerate(bodies):
            apart = (body.low[:2] > below.high[:2]) | (below.low[:2] > body.high[:2])
            if one == other or apart.any():
                continue
            if enclosed_share(coarse, one, other) >= INSIDE_SHARE:
                edges.add((one + 1, Predicate.INSIDE, other + 1))
            if _reach_over(fine, one, other) >= LEAST_REACH:
                edges.add((one + 1, Predicate.BLOCKS_FROM_ABOVE, other + 1))
                if (one + 1, Predicate.TOUCHING, other + 1) not in contacts:
                    edges.add((one + 1, Predicate.ABOVE, other + 1))
        if _reach_of_boxes(fine, one, scene.boxes) >= LEAST_REACH:
            edges.add((0, Predicate.BLOCKS_FROM_ABOVE, one + 1))
    return edges


def true_bodies(scene: PhysicsScene) -> list[Body]:
    """Return the objects of a scene as bodies without any error; ids are index + 1."""
    bodies = []
    for index, shape in enumerate(scene.shapes):
        mesh = shape.mesh.transformed(scene.world_from_object[index])
        bodies.append(Body.of(index + 1, mesh.vertices, mesh.faces))
    return bodies


class BodyColumns:
    """Columns along an axis, so far apart [m], through bodies; see `geometry.ray_columns`."""

    def __init__(self, bodies: Sequence[Body], spacing: float, axis: int) -> None:
        self.grid = ColumnGrid(axis, spacing)
        found = self.grid.intervals(Triangles.of(bodies))
        rows = np.searchsorted(found.body, np.arange(len(bodies) + 1))
        self._parts = [slice(*pair) for pair in zip(rows, rows[1:], strict=False)]
        self._cell, self._low, self._high = found.cell, found.low, found.high

    def intervals(self, body: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return cells (I,), sorted, and where each enters (I,) and leaves (I,) a body [m]."""
        part = self._parts[body]
        return self._cell[part], self._low[part], self._high[part]

    def spans(self, body: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return cells (C,), where each first enters (C,) and last leaves (C,) a body [m]."""
        cell, low, high = self.intervals(body)
        cells, first = np.unique(cell, return_index=True)
        return cells, low[first], high[np.append(first[1:], len(cell)) - 1]


def enclosed_share(columns: Sequence[BodyColumns], contained: int, container: int) -> float:
    """Return the share of a body's volume that another encloses along at least two axes.

    The columns are those along x, y and z, equally far apart; bodies are named by index.
    """
    points = _lattice(columns[2], contained)
    if not len(points):
        return 0.0
    enclosed = np.zeros(len(points), np.int64)
    for axis, along_axis in enumerate(columns):
        cells, low, high = along_axis.spans(container)
        if not len(cells):
            continue
        u, v = points[:, (axis + 1) % 3], points[:, (axis + 2) % 3]
        code = ((u + HALF) << BITS) | (v + HALF)
        row = np.minimum(np.searchsorted(cells, code), len(cells) - 1)
        along = (points[:, axis] + OFFSET[axis]) * along_axis.grid.spacing
        enclosed += (cells[row] == code) & (low[row] < along) & (along < high[row])
    return float(np.mean(enclosed >= 2))


def _lattice(columns: BodyColumns, body: int) -> np.ndarray:
    """Return (M, 3) int64 indices of the lattice points of all column grids within a body."""
    cell, low, high = columns.intervals(body)
    spacing, offset = columns.grid.spacing, OFFSET[2]
    first = np.ceil(low / spacing - offset).astype(np.int64)
    count = np.maximum(np.floor(high / spacing - offset).astype(np.int64) - first + 1, 0)
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.column_stack([_indices(np.repeat(cell, count)), np.repeat(first, count) + number])


def _indices(cells: np.ndarray) -> np.ndarray:
    """Return (M, 2) indices of columns along the two other axes."""
    return np.column_stack([(cells >> BITS) - HALF, (cells & ((1 << BITS) - 1)) - HALF])


def _reach_over(columns: BodyColumns, upper: int, lower: int) -> float:
    """Return how many columns deep the upper body reaches over the lower one."""
    cells, _, top = columns.spans(lower)
    if not len(cells):
        return 0.0
    cell, low, high = columns.intervals(upper)
    row = np.minimum(np.searchsorted(cells, cell), len(cells) - 1)
    over = (cells[row] == cell) & (low >= top[row] - CLEARANCE_M) & (high > top[row] + SPACING_M)
    return _depth(_indices(np.unique(cell[over])))


def _reach_of_boxes(
    columns: BodyColumns, body: int, boxes: Sequence[tuple[np.ndarray, np.ndarray]]
) -> float:
    """Return how many columns deep the environment reaches over a body."""
    cells, _, top = columns.spans(body)
    points = columns.grid.positions(cells)
    over = np.zeros(len(cells), bool)
    for low, high in boxes:
        covers = np.all((points > low[:2]) & (points < high[:2]), axis=1)
        over |= covers & (low[2] >= top - CLEARANCE_M)
    return _depth(_indices(cells[over]))


def _depth(cells: np.ndarray) -> float:
    """Return half the width of a set of columns (M, 2) where it is widest, in columns."""
    if not len(cells):
        return 0.0
    cells = cells - cells.min(axis=0) + 1
    mask = np.zeros(cells.max(axis=0) + 2, bool)
    mask[tuple(cells.T)] = True
    return float(ndimage.distance_transform_edt(mask).max())
