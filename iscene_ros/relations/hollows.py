"""How much of a body lies in the hollow of another one."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from iscene_ros.relations.overlaps import Spans
from iscene_ros.relations.scene_geometry import SceneGeometry

# A surface counts as known, not completed, from this confidence on.
KNOWN = 0.99

HULL_VERTICES = 600


class Hollows:
    """Shares of bodies in the hollows of others, each asked once.

    Of known bodies a hollow is what they enclose along two of three axes. Completed walls have
    gaps; there it is the convex hull of the completed surface and of all that was seen of it.
    """

    def __init__(self, geometry: SceneGeometry) -> None:
        self._geometry = geometry
        self._spans = Spans(geometry)
        self._hulls: dict[int, np.ndarray | None] = {}
        self._shares: dict[tuple[int, int], float] = {}

    def share(self, contained: int, container: int) -> float:
        """Share of a body's volume in the hollow of another one, in [0, 1]."""
        pair = contained, container
        if pair not in self._shares:
            known = self._geometry.bodies[container].confidence >= KNOWN
            found = self._spans.enclosed_share(*pair) if known else self._hull_share(*pair)
            self._shares[pair] = found
        return self._shares[pair]

    def box_pairs(self) -> list[tuple[int, int]]:
        """Ordered pairs of objects of which one may reach into the other one's hollow."""
        bodies = self._geometry.bodies
        reach = [body.reach for body in bodies]
        low = np.array([r[0] for r in reach]).reshape(-1, 3)
        high = np.array([r[1] for r in reach]).reshape(-1, 3)
        meets = np.all((low[:, None] < high[None]) & (low[None] < high[:, None]), axis=2)
        np.fill_diagonal(meets, False)
        return [(int(i), int(j)) for i, j in np.argwhere(meets)]

    def _hull_share(self, contained: int, container: int) -> float:
        if container not in self._hulls:
            self._hulls[container] = self._half_spaces(container)
        half_spaces = self._hulls[container]
        points = self._spans.points(contained)
        if half_spaces is None or not len(points):
            return 0.0
        inside = np.all(points @ half_spaces[:, :3].T + half_spaces[:, 3] <= 0, axis=1)
        return float(inside.mean())

    def _half_spaces(self, index: int) -> np.ndarray | None:
        """(K, 4) half spaces of the hull of everything known of a body."""
        body = self._geometry.bodies[index]
        used = body.vertices[np.unique(body.faces)]
        points = np.concatenate([used[:: max(1, len(used) // HULL_VERTICES)], body.seen])
        try:
            return ConvexHull(points).equations
        except (QhullError, ValueError):
            return None
