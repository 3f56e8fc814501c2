"""Links between the instances of several views whose ids say nothing, by what was observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.instance_views import instance_views
from iscene_ros.preprocess.view_registration import points_world

# One point is kept in each cell of this edge [m], so that near views do not count more.
CELL_M = 0.005
# Points of two views of one surface lie this close [m]; poses are wrong by millimetres.
TOLERANCE_M = 0.01
# Least share of the points of two instances that lie on the other one: different sides of an object
# share little. In 24 rendered scenes of three views, also with noise of poses, no pair was wrong.
LEAST_OVERLAP = 0.08
# Room between the seen sides of one object, beyond its longest seen edge [m].
PLACE_MARGIN_M = 0.1


def associated(views: Sequence[Observation]) -> list[Observation]:
    """Return the views with instance ids and labels that link them; those of the last stay.

    Instances whose observed points overlap most are one object. Others get ids of their own.

    Args:
        views: each with a pose and depth, in one world frame.

    Raises:
        InputError: a view without pose, or one that overlaps with no later view.
    """
    for number, view in enumerate(views, 1):
        if view.world_from_camera is None:
            raise InputError(
                f"view {number} of {len(views)}: no world_from_camera; instances are associated "
                "by their places in the world: give each view a pose"
            )
    *earlier, reference = views
    known = _points_of(reference)
    labels = dict(zip(reference.instance_ids, reference.labels, strict=True))
    linked = [reference]
    for number in range(len(earlier), 0, -1):
        view = earlier[number - 1]
        points = _points_of(view)
        matches = _matches(points, known)
        if not matches:
            raise InputError(
                f"view {number} of {len(views)}: no instance overlaps with one of a later view; "
                "check the poses, or leave the view out"
            )
        ids = [matches.get(i) for i in view.instance_ids]
        first_free = max(labels) + 1
        free = iter(range(first_free, first_free + len(ids)))
        ids = [next(free) if i is None else i for i in ids]
        for own, new, label in zip(view.instance_ids, ids, view.labels, strict=True):
            labels.setdefault(new, label)
            if own in points:
                known[new] = np.concatenate([known.get(new, points[own]), points[own]])
        names = tuple(labels[new] for new in ids)
        linked.insert(0, replace(view, instance_ids=tuple(ids), labels=names))
    return linked


def check_places(views: Sequence[Observation]) -> None:
    """Check that equal instance ids are at one place in all views.

    Raises:
        InputError: an instance is farther from its place in a later view than it is long.
    """
    boxes: dict[int, tuple[np.ndarray, np.ndarray, int]] = {}
    for number, view in reversed(list(enumerate(views, 1))):
        for instance_id, points in _points_of(view).items():
            low, high = np.quantile(points, [0.05, 0.95], axis=0)
            other_low, other_high, other = boxes.setdefault(instance_id, (low, high, number))
            gap = np.linalg.norm(np.maximum(np.maximum(low - other_high, other_low - high), 0))
            longest = max((high - low).max(), (other_high - other_low).max())
            if gap > longest + PLACE_MARGIN_M:
                raise InputError(
                    f"views {number} and {other} of {len(views)}: instance {instance_id} is "
                    f"{gap:.2f} m away from itself; the same id must be the same object at rest"
                )


def _points_of(view: Observation) -> dict[int, np.ndarray]:
    """Return the evenly spread points (M, 3) [m] of each instance that has some, by its id."""
    found = {}
    for instance_id, shown in instance_views(view).items():
        points = points_world(shown, shown.masks[shown.instance_ids.index(instance_id)])
        if len(points):
            cells = np.floor(points / CELL_M).astype(np.int64)
            found[instance_id] = points[np.unique(cells, axis=0, return_index=True)[1]]
    return found


def _matches(points: dict[int, np.ndarray], known: dict[int, np.ndarray]) -> dict[int, int]:
    """Return the known instance of each instance that overlaps with one, by ids."""
    if not points or not known:
        return {}
    own_trees = {i: cKDTree(found) for i, found in points.items()}
    known_trees = {i: cKDTree(found) for i, found in known.items()}
    overlaps = np.array(
        [[_overlap(a, b) for b in known_trees.values()] for a in own_trees.values()]
    )
    overlaps[overlaps < LEAST_OVERLAP] = 0
    pairs = zip(*linear_sum_assignment(overlaps, maximize=True), strict=True)
    own_ids, known_ids = list(points), list(known)
    return {own_ids[i]: known_ids[j] for i, j in pairs if overlaps[i, j] > 0}


def _overlap(a: cKDTree, b: cKDTree) -> float:
    """Return the share of the points of both that lie on the other one."""
    near = np.isfinite(b.query(a.data, distance_upper_bound=TOLERANCE_M)[0]).sum()
    near += np.isfinite(a.query(b.data, distance_upper_bound=TOLERANCE_M)[0]).sum()
    return float(near / (a.n + b.n))
