"""How much of a body lies in the hollow of another one."""

from __future__ import annotations

import numpy as np

from iscene_ros.geometry.overlaps import Spans
from iscene_ros.geometry.scene_geometry import SceneGeometry

# A surface counts as known, not completed, from this confidence on.
KNOWN = 0.99


class Containment:
    """Shares of bodies in the hollows of others, each asked once.

    Of known bodies a hollow is what they enclose along two of three axes. Completed walls have
    gaps; there it is the convex hull of the completed surface and of all that was seen of it.
    """

    def __init__(self, geometry: SceneGeometry) -> None:
        self._geometry = geometry
        self._spans = Spans(geometry)
        self._hulls: dict[int, np.ndarray] = {}
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
            body = self._geometry.bodies[container]
            points = np.concatenate([body.points, body.seen])
            self._hulls[container] = np.max(points @ DIRECTIONS.T, axis=0)
        points = self._spans.points(contained)
        if not len(points):
            return 0.0
        inside = np.all(points @ DIRECTIONS.T <= self._hulls[container], axis=1)
        return float(inside.mean())


def _sphere(count: int) -> np.ndarray:
    """(count, 3) directions spread evenly (Fibonacci)."""
    number = np.arange(count) + 0.5
    z = 1 - 2 * number / count
    angle = np.pi * (1 + 5**0.5) * number
    radius = np.sqrt(1 - z * z)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), z])


# A hull is described by how far it reaches in these directions.
DIRECTIONS = np.concatenate([np.eye(3), -np.eye(3), _sphere(122)])
