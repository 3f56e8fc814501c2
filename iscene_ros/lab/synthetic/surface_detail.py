"""Fine detail and asymmetry for any solid: ribs, grooves, knobs, bores, dents, chips, slices."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from iscene_ros.lab.synthetic.primitives import (
    box,
    chance,
    cylinder,
    ellipsoid,
    log_uniform,
    pose,
    sweep,
    torus,
    uniform,
)
from iscene_ros.lab.synthetic.shapes import Operation, Part, Solid

# Full bodies from which a piece can be cut without the rest falling apart.
COMPACT_FAMILIES = frozenset(
    "carton rounded_block can bottle jar vase wedge prism blob composite bracket ball fruit book "
    "toy_car bolt gear squeeze_tube pillow_pack boot".split()
)
# An open cup with a loop would be the held-out mug: no eyelets on these.
CUPS = frozenset("tumbler bowl goblet bucket basket pitcher saucepan vessel_assembly".split())


def with_details(rng: np.random.Generator, family: str, solid: Solid) -> Solid:
    """Return the solid with one to three details of one kind."""
    # Grooves and bores would cut thin things in two.
    kinds = _KINDS if family in COMPACT_FAMILIES else _ADDED
    kinds = kinds[:-1] if family in CUPS else kinds
    kind = kinds[int(rng.integers(len(kinds)))]
    parts = [part for _ in range(int(rng.integers(1, 4))) for part in kind(rng, solid)]
    return Solid((*solid.parts, *parts)).centred()


def with_cut(rng: np.random.Generator, family: str, solid: Solid) -> Solid:
    """Return the solid with a dent, chip or slice cut off; families that are not compact stay."""
    if family not in COMPACT_FAMILIES:
        return solid
    return Solid((*solid.parts, _cut(rng, solid))).centred()


def _size(solid: Solid) -> float:
    low, high = solid.bounds()
    return float((high - low).max())


def random_surface_frame(rng: np.random.Generator, solid: Solid) -> np.ndarray:
    """Draw a surface point; return a transform (4, 4) to it whose z is the normal."""
    points = solid.contact_points
    point = points[int(rng.integers(len(points)))]
    normal = solid.gradient(point[None])[0].numpy().astype(float)
    normal /= max(float(np.linalg.norm(normal)), 1e-9)
    spin = pose(yaw=uniform(rng, -np.pi, np.pi))
    return pose(point.numpy().astype(float)) @ _rotation_to(normal) @ spin


def _rotation_to(direction: np.ndarray) -> np.ndarray:
    """Return a rotation (4, 4) that turns z to a unit direction (3,)."""
    tilt = np.arctan2(np.hypot(direction[0], direction[1]), direction[2])
    return pose(yaw=np.arctan2(direction[1], direction[0])) @ pose(pitch=tilt)


def _knob(rng: np.random.Generator, solid: Solid) -> list[Part]:
    """Draw a button, stud, foot or peg that stands on the surface."""
    size = _size(solid)
    at = random_surface_frame(rng, solid)
    r = max(size * log_uniform(rng, 0.02, 0.08), 0.002)
    tall = r * uniform(rng, 0.6, 3.0)
    if chance(rng, 0.3):
        return [ellipsoid((r, r, tall), at)]
    if chance(rng, 0.3):
        return [box((2 * r, r * uniform(rng, 1, 4), tall), at, rounding=0.2 * r)]
    return [cylinder(r, 2 * tall, at, rounding=0.2 * r)]


def _ridge(
    rng: np.random.Generator, solid: Solid, thickest: float, operation: Operation
) -> list[Part]:
    """Draw a rib or a groove along the surface; nothing where that is too irregular."""
    radius = max(_size(solid) * log_uniform(rng, 0.008, thickest), 0.001)
    at = random_surface_frame(rng, solid)
    reach = _size(solid) * uniform(rng, 0.15, 0.6)
    steps = np.linspace(-0.5, 0.5, 9)[:, None] * reach * at[:3, 0] + at[:3, 3]
    line = solid.projected(torch.from_numpy(steps).float(), 4).numpy().astype(float)
    if len(line) < 3 or np.linalg.norm(np.diff(line, axis=0), axis=1).max() > 0.25 * reach:
        return []
    chain = np.column_stack([line, np.full(len(line), radius)])
    return [sweep(chain, operation=operation)]


def _bore(rng: np.random.Generator, solid: Solid) -> list[Part]:
    """Draw a hole along the normal, blind or through."""
    size = _size(solid)
    at = random_surface_frame(rng, solid)
    r = max(size * log_uniform(rng, 0.02, 0.07), 0.0015)
    return [cylinder(r, size * log_uniform(rng, 0.05, 0.8), at, operation=Operation.SUBTRACT)]


def _eyelet(rng: np.random.Generator, solid: Solid) -> list[Part]:
    """Draw a small ring that sticks in the surface: an eyelet, lug or pull tab."""
    r = max(_size(solid) * log_uniform(rng, 0.03, 0.1), 0.005)
    at = random_surface_frame(rng, solid)
    wire = max(0.2 * r, 0.0015)
    return [torus(r, wire, at @ pose((0, 0, 0.6 * r), roll=np.pi / 2))]


def _cut(rng: np.random.Generator, solid: Solid) -> Part:
    """Draw a dent, a chip off a corner, or a slice off one side."""
    size, kind = _size(solid), int(rng.integers(3))
    at = random_surface_frame(rng, solid)
    if kind == 0:
        radii = size * rng.uniform(0.08, 0.25, 3) * (1, 1, 0.4)
        return ellipsoid(radii, at, operation=Operation.SUBTRACT)
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    along = solid.contact_points.numpy().astype(float) @ direction
    share = uniform(rng, 0.05, 0.12) if kind == 1 else uniform(rng, 0.12, 0.4)
    level = along.max() - share * np.ptp(along)
    away = _rotation_to(direction) @ pose((0, 0, level + 2 * size))
    return box((4 * size, 4 * size, 4 * size), away, operation=Operation.SUBTRACT)


_RIB = partial(_ridge, thickest=0.03, operation=Operation.UNION)
_GROOVE = partial(_ridge, thickest=0.025, operation=Operation.SUBTRACT)
_KINDS = (_GROOVE, _bore, _knob, _RIB, _eyelet)
_ADDED = (_knob, _RIB, _eyelet)
