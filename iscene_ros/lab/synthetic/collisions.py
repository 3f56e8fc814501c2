"""Solids at poses in the world: how far one can move until it touches others, overlaps [m]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from iscene_ros.lab.synthetic.primitive_distances import ray_box_crossing
from iscene_ros.lab.synthetic.shapes import Solid

CONTACT_GAP = 3e-4
MAX_PENETRATION = 7e-4
# Contacts are sampled within this distance, at so many points.
EDGE_REACH, EDGE_POINTS = 0.012, 300


@dataclass(frozen=True, eq=False)
class PlacedSolid:
    """A solid at a pose in the world.

    Attributes:
        solid: Signed distance in the object's frame.
        world_from_object: (4, 4) float64.
        is_environment: A fixed environment, whose own surface points are not tested.
    """

    solid: Solid
    world_from_object: np.ndarray
    is_environment: bool = False

    def distance(self, points_world: Tensor) -> Tensor:
        """Return the signed distance (M,) of points_world (M, 3)."""
        if self.is_environment:
            return self.solid.distance(points_world)
        return self.solid.distance((points_world - self._translation) @ self._rotation)

    @cached_property
    def points_world(self) -> Tensor:
        """Points (P, 3) that cover the surface, in the world."""
        return self.solid.contact_points @ self._rotation.T + self._translation

    @cached_property
    def box_world(self) -> tuple[Tensor, Tensor]:
        """Lower and upper corner (3,) of the bounding box in the world."""
        if self.is_environment:
            infinite = torch.full((3,), 1e3)
            return -infinite, infinite
        return self.points_world.amin(0), self.points_world.amax(0)

    def shifted(self, offset: Sequence[float]) -> PlacedSolid:
        """Return the same solid moved by an offset (3,) in the world."""
        pose = self.world_from_object.copy()
        pose[:3, 3] += np.asarray(offset, float)
        placed = PlacedSolid(self.solid, pose)
        step = torch.tensor(np.asarray(offset, np.float32))
        placed.__dict__["points_world"] = self.points_world + step
        return placed

    @cached_property
    def _rotation(self) -> Tensor:
        return torch.from_numpy(self.world_from_object[:3, :3].astype(np.float32).copy())

    @cached_property
    def _translation(self) -> Tensor:
        return torch.from_numpy(self.world_from_object[:3, 3].astype(np.float32).copy())


def free_path(
    moving: PlacedSolid, obstacles: Sequence[PlacedSolid], direction: Sequence[float], limit: float
) -> float:
    """Return how far the solid can move along a unit direction (3,) before it touches others.

    Conservative advancement of every surface point on its own: each steps by its distance to the
    obstacle, so none can pass through; the points of the obstacle move the opposite way.
    """
    step = torch.tensor(np.asarray(direction, np.float32))
    best = limit
    for obstacle in obstacles:
        best = _first_contact(moving.points_world, step, obstacle, best)
        if not obstacle.is_environment:
            best = _first_contact(obstacle.points_world, -step, moving, best)
    return best


def penetration(
    moving: PlacedSolid, obstacles: Sequence[PlacedSolid], rng: np.random.Generator
) -> float:
    """Return the largest depth [m] of overlap, sampled densely around the contacts.

    The surface points are coarse, so that two edges may cross between them.
    """
    deepest = 0.0
    for obstacle in obstacles:
        if obstacle.is_environment:
            deepest = max(deepest, float(-obstacle.distance(moving.points_world).min()))
            continue
        (low, high), (other_low, other_high) = moving.box_world, obstacle.box_world
        if ((low < other_high) & (other_low < high)).all():
            deepest = max(deepest, _depth_near_contacts(moving, obstacle, rng))
            deepest = max(deepest, _depth_near_contacts(obstacle, moving, rng))
    return deepest


def lift_out_of_overlap(
    item: PlacedSolid, obstacles: Sequence[PlacedSolid], rng: np.random.Generator
) -> PlacedSolid | None:
    """Raise the object out of overlaps that the coarse points missed; None if they remain."""
    for _ in range(4):
        depth = penetration(item, obstacles, rng)
        if depth < MAX_PENETRATION:
            return item
        if depth > 0.01:
            return None
        item = item.shifted((0.0, 0.0, depth))
    return None


def _depth_near_contacts(
    probe: PlacedSolid, target: PlacedSolid, rng: np.random.Generator
) -> float:
    distance = target.distance(probe.points_world)
    anchors = probe.solid.contact_points[distance < EDGE_REACH]
    if len(anchors) == 0:
        return float(-distance.min())
    chosen = torch.from_numpy(rng.integers(0, len(anchors), EDGE_POINTS))
    noise = rng.normal(0, 0.5 * EDGE_REACH, (EDGE_POINTS, 3)).astype(np.float32)
    points = probe.solid.projected(anchors[chosen] + torch.from_numpy(noise))
    points_world = points @ probe._rotation.T + probe._translation
    return float(-torch.cat([target.distance(points_world), distance]).min())


def _first_contact(points: Tensor, step: Tensor, target: PlacedSolid, limit: float) -> float:
    """Return the shortest way (at most a limit) of points (P, 3) along a step to the target."""
    low, high = target.box_world
    entry, leave = ray_box_crossing(points, step, low - 1e-3, high + 1e-3, min_slope=1e-6)
    entry = entry.clamp_min(0.0)
    enters = (entry <= leave) & (entry < limit)
    points, travel, best = points[enters], entry[enters], limit
    for _ in range(40):
        if len(points) == 0:
            return best
        distance = target.distance(points + travel[:, None] * step)
        hit = distance < CONTACT_GAP
        if bool(hit.any()):
            best = min(best, float(travel[hit].min()))
        travel = travel + distance
        kept = ~hit & (travel < best)
        points, travel = points[kept], travel[kept]
    return min(best, float(travel.min())) if len(travel) else best
