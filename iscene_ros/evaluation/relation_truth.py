"""Which relations hold in a scene at rest: from its contacts, and from its exact geometry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from iscene_ros.evaluation.convex_columns import column_intervals, enclosed_share
from iscene_ros.evaluation.physics_scenes import PhysicsScene
from iscene_ros.evaluation.simulation import PhysicsContact
from iscene_ros.relations.predicate import Predicate
from iscene_ros.relations.support_polygon import margin_inside

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
    pieces = [scene.pieces_world(i) for i in range(len(scene.shapes))]
    intervals = [column_intervals(p, SPACING_M) for p in pieces]
    edges: set[Edge] = set()
    for one in range(len(pieces)):
        for other in range(len(pieces)):
            if one == other:
                continue
            if enclosed_share(pieces[one], pieces[other], 2 * SPACING_M) >= INSIDE_SHARE:
                edges.add((one + 1, Predicate.INSIDE, other + 1))
            reach = _reach_over(intervals[one], intervals[other])
            if reach >= LEAST_REACH:
                edges.add((one + 1, Predicate.BLOCKS_FROM_ABOVE, other + 1))
                if (one + 1, Predicate.TOUCHING, other + 1) not in known:
                    edges.add((one + 1, Predicate.ABOVE, other + 1))
    for body, columns in enumerate(intervals):
        if _boxes_over(columns, scene.boxes) >= LEAST_REACH:
            edges.add((0, Predicate.BLOCKS_FROM_ABOVE, body + 1))
    return edges


def _reach_over(upper: dict, lower: dict) -> float:
    """How many columns deep the upper body reaches over the lower one."""
    shared = [cell for cell in upper if cell in lower]
    over = [c for c in shared if upper[c][-1][1] > lower[c][0][1] + SPACING_M]
    over = [c for c in over if any(low >= lower[c][0][1] - 5e-4 for low, _ in upper[c])]
    return _depth(over)


def _boxes_over(columns: dict, boxes: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    over = []
    for (i, j), parts in columns.items():
        point = SPACING_M * np.array([i, j])
        for low, high in boxes:
            covers = np.all((point > low[:2]) & (point < high[:2]))
            if covers and low[2] >= parts[0][1] - 5e-4:
                over.append((i, j))
                break
    return _depth(over)


def _depth(cells: list[tuple[int, int]]) -> float:
    if not cells:
        return 0.0
    index = np.array(cells)
    index -= index.min(axis=0) - 1
    mask = np.zeros(index.max(axis=0) + 2, bool)
    mask[tuple(index.T)] = True
    return float(ndimage.distance_transform_edt(mask).max())


def _center_of_mass(scene: PhysicsScene, body: int) -> np.ndarray:
    from iscene_ros.relations.bodies import Body

    mesh = scene.shapes[body].mesh.transformed(scene.world_from_object[body])
    made = Body.of(1, mesh.vertices, mesh.faces)
    return made.center_of_mass
