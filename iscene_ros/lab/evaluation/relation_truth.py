"""Which relations hold in a scene at rest: from its contacts, and from its exact geometry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from iscene_ros.core.predicate import Predicate
from iscene_ros.geometry.stability import margin_inside
from iscene_ros.lab.evaluation.convex_columns import Columns, ConvexBody, enclosed_share, unpacked
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene
from iscene_ros.lab.synthetic.simulation import PhysicsContact

Edge = tuple[int, Predicate, int]

# Contacts whose normal is within 60 degrees of the vertical bear load.
BEARING = 0.5

# What carries less than this share of the weight does not support.
LEAST_SHARE = 0.05

# Sideways pushes below this share of the weight hold nothing.
LEAST_PUSH = 0.02

# Columns of the exact geometry [m], and how far an object must reach over another one to be in its
# way, in columns.
SPACING_M = 0.0015
LEAST_REACH = 2

INSIDE_SHARE = 0.3


def true_relations(scene: PhysicsScene) -> set[Edge]:
    """Edges by object index + 1; 0 is the environment."""
    edges = contact_relations(scene)
    edges |= geometric_relations(scene, edges)
    return edges


def contact_relations(scene: PhysicsScene) -> set[Edge]:
    """supported_by, leaning_on and touching, from the forces of the physics engine."""
    edges: set[Edge] = set()
    for body in range(len(scene.shapes)):
        by_other: dict[int, list[PhysicsContact]] = defaultdict(list)
        for contact in scene.contacts:
            if body in (contact.one, contact.other):
                seen = contact.seen_from(body)
                by_other[seen.other].append(seen)
        center = _center_of_mass(scene, body)
        edges |= _edges_of(body, by_other, center)
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


def geometric_relations(scene: PhysicsScene, known: set[Edge]) -> set[Edge]:
    """inside, above, blocks_from_above, from exact columns."""
    bodies = [ConvexBody(scene.pieces_world(i)) for i in range(len(scene.shapes))]
    edges: set[Edge] = set()
    for one, body in enumerate(bodies):
        for other, below in enumerate(bodies):
            if one == other or not body.overlaps(below):
                continue
            if enclosed_share(body, below, 2 * SPACING_M) >= INSIDE_SHARE:
                edges.add((one + 1, Predicate.INSIDE, other + 1))
            if _reach_over(body.columns(SPACING_M), below.columns(SPACING_M)) >= LEAST_REACH:
                edges.add((one + 1, Predicate.BLOCKS_FROM_ABOVE, other + 1))
                if (one + 1, Predicate.TOUCHING, other + 1) not in known:
                    edges.add((one + 1, Predicate.ABOVE, other + 1))
        if _boxes_over(body, scene.boxes) >= LEAST_REACH:
            edges.add((0, Predicate.BLOCKS_FROM_ABOVE, one + 1))
    return edges


def _reach_over(upper: Columns, lower: Columns) -> float:
    """How many columns deep the upper body reaches over the lower one."""
    cells, first = np.unique(lower.cell, return_index=True)
    if not len(cells):
        return 0.0
    row = np.minimum(np.searchsorted(cells, upper.cell), len(cells) - 1)
    top = lower.high[first[row]]
    over = (cells[row] == upper.cell) & (upper.low >= top - 5e-4) & (upper.high > top + SPACING_M)
    return _depth(unpacked(np.unique(upper.cell[over])))


def _boxes_over(body: ConvexBody, boxes: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    columns = body.columns(SPACING_M)
    cells, first = np.unique(columns.cell, return_index=True)
    points, top = SPACING_M * unpacked(cells), columns.high[first]
    over = np.zeros(len(cells), bool)
    for low, high in boxes:
        covers = np.all((points > low[:2]) & (points < high[:2]), axis=1)
        over |= covers & (low[2] >= top - 5e-4)
    return _depth(unpacked(cells[over]))


def _depth(cells: np.ndarray) -> float:
    """Half the width of a set of columns (M, 2) where it is widest, in columns."""
    if not len(cells):
        return 0.0
    cells = cells - cells.min(axis=0) + 1
    mask = np.zeros(cells.max(axis=0) + 2, bool)
    mask[tuple(cells.T)] = True
    return float(ndimage.distance_transform_edt(mask).max())


def _center_of_mass(scene: PhysicsScene, body: int) -> np.ndarray:
    from iscene_ros.geometry.bodies import Body

    mesh = scene.shapes[body].mesh.transformed(scene.world_from_object[body])
    made = Body.of(1, mesh.vertices, mesh.faces)
    return made.center_of_mass
