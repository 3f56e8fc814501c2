"""Shape families of geometric bodies: profiles, prisms, rings, tubes, shells, blobs, unions."""

from __future__ import annotations

import numpy as np

from iscene_ros.lab.synthetic.primitives import (
    arc_chain,
    box,
    chance,
    cylinder,
    ellipsoid,
    extrusion,
    frustum,
    log_uniform,
    longest_side,
    pose,
    ratios,
    revolution,
    smoothed,
    sweep,
    thin_wall,
    torus,
    uniform,
    wall_thickness,
)
from iscene_ros.lab.synthetic.shapes import Operation, Part, Solid

CUT = Operation.SUBTRACT
INTERSECT = Operation.INTERSECT


def bracket(rng: np.random.Generator) -> Solid:
    """Draw an extruded L, T, Z or H profile."""
    s = longest_side(rng, 0.05, 0.22)
    d, w = s * uniform(rng, 0.4, 1.0), s * uniform(rng, 0.12, 0.3)
    m = uniform(rng, 0.2, 0.8) * (s - w)
    outlines = [
        [(0, 0), (s, 0), (s, w), (w, w), (w, d + w), (0, d + w)],
        [(0, 0), (s, 0), (s, w), (m + w, w), (m + w, d + w), (m, d + w), (m, w), (0, w)],
        [(0, 0), (m + w, 0), (m + w, d), (s + w, d), (s + w, d + w), (m, d + w), (m, w), (0, w)],
    ]
    outline = np.array(outlines[int(rng.integers(3))])
    height = s * log_uniform(rng, 0.12, 1.0)
    part = extrusion(outline, height, pose(roll=np.pi / 2 * chance(rng, 0.5)), rounding=0.04 * w)
    return Solid((part,)).centred()


def wedge(rng: np.random.Generator) -> Solid:
    """Draw a prism of a triangle or trapezoid: a wedge, cheese, roof, tape or pyramidal carton."""
    s = longest_side(rng, 0.05, 0.2)
    h, top = s * uniform(rng, 0.3, 0.9), uniform(rng, 0.02, 0.7) * s
    shift = uniform(rng, 0, 1) * (s - top)
    outline = [(0, 0), (s, 0), (shift + top, h), (shift, h)]
    length, rounding = s * log_uniform(rng, 0.25, 1.3), 0.03 * h * chance(rng, 0.5)
    part = extrusion(outline, length, pose(roll=np.pi / 2), rounding=rounding)
    return Solid((part,)).centred()


def prism(rng: np.random.Generator) -> Solid:
    """Draw an extruded irregular star-shaped polygon: a hexagonal box, cookie, nut or star."""
    s = 0.5 * longest_side(rng)
    count = int(rng.integers(3, 10))
    angles = 2 * np.pi * (np.arange(count) + rng.uniform(-0.2, 0.2, count)) / count
    radii = s * (ratios(rng, count, 0.45, 1.0) if chance(rng, 0.7) else np.ones(count))
    outline = np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
    height = s * log_uniform(rng, 0.2, 3.0)
    return Solid((extrusion(outline, height, rounding=0.1 * s * uniform(rng, 0, 1)),)).centred()


def ring(rng: np.random.Generator) -> Solid:
    """Draw a torus, tape roll or short tube."""
    width = longest_side(rng, 0.04, 0.16)
    radius = 0.5 * width
    if chance(rng, 0.35):
        tube = radius * uniform(rng, 0.12, 0.35)
        return Solid((torus(radius - tube, tube),)).centred()
    wall = max(radius * uniform(rng, 0.1, 0.5), wall_thickness(rng, width))
    h = width * log_uniform(rng, 0.15, 2.0)
    profile = [(radius - wall, 0), (radius, 0), (radius, h), (radius - wall, h)]
    return Solid((revolution(profile),)).centred()


def composite(rng: np.random.Generator) -> Solid:
    """Draw random parts joined sharply or smoothly, sometimes with a cut."""
    s = longest_side(rng)
    base = random_part(rng, 0.8 * s, np.eye(4))
    parts = [base]
    square = chance(rng, 0.6)
    for _ in range(int(rng.integers(1, 5))):
        angles = rng.integers(0, 4, 3) * np.pi / 2 if square else rng.uniform(-np.pi, np.pi, 3)
        at = pose(s * rng.normal(0, 0.2, 3), *angles)
        smooth = chance(rng, 0.5)
        size = s * uniform(rng, 0.25, 0.7)
        parts.append(random_part(rng, size, at, blend=0.08 * s * smooth))
    if chance(rng, 0.25):
        direction = rng.normal(size=3)
        at = pose(0.45 * s * direction / np.linalg.norm(direction))
        cut = random_part(rng, 0.4 * s, at, operation=CUT)
        parts.append(cut)
    return Solid(tuple(parts)).centred()


def blob(rng: np.random.Generator) -> Solid:
    """Draw a smooth lump of ellipsoids: a plush toy, potato, bag or soft package."""
    s = longest_side(rng)
    parts = [ellipsoid(0.4 * s * ratios(rng, 3, 0.45, 1.0))]
    for _ in range(int(rng.integers(1, 6))):
        at = pose(s * rng.normal(0, 0.17, 3), *rng.uniform(-np.pi, np.pi, 3))
        radii = s * uniform(rng, 0.12, 0.35) * ratios(rng, 3, 0.5, 1.0)
        blend = s * uniform(rng, 0.03, 0.13)
        parts.append(ellipsoid(radii, at, blend=blend))
    return Solid(tuple(parts)).centred()


def bent_tube(rng: np.random.Generator) -> Solid:
    """Draw a bent hollow pipe of changing radius: an elbow, horn, hose or drain trap."""
    s = longest_side(rng, 0.07, 0.26)
    angle, wall = uniform(rng, 0.3, 2.6), thin_wall(rng)
    radii = s * uniform(rng, 0.07, 0.16) * ratios(rng, 4, 0.6, 1.5)
    bend = max(s / angle, 1.15 * radii.max())
    arc = arc_chain(bend, 0.0, angle, radii, 10)
    ends = []
    for end, inner in ((arc[0], arc[1]), (arc[-1], arc[-2])):
        ends.append(end + (end - inner) * (1, 1, 1, 0))
    bore = np.stack([ends[0], *arc, ends[1]])
    bore[:, 3] -= min(wall, 0.5 * radii.min())
    parts = [sweep(arc)]
    # Flat mouths: the round ends of the sweep are cut off across the tube.
    for centre, outside in ((arc[0], ends[0]), (arc[-1], ends[1])):
        along = (outside - centre)[:3] / np.linalg.norm((outside - centre)[:3])
        deep = 2.5 * radii.max()
        at = pose(centre[:3] + 0.5 * deep * along, pitch=np.arctan2(along[0], along[2]))
        parts.append(cylinder(1.25 * radii.max(), deep, at, operation=CUT))
    return Solid((*parts, sweep(bore, operation=CUT))).centred()


def half_shell(rng: np.random.Generator) -> Solid:
    """Draw a part of a thin shell of revolution: a gutter, visor, scoop, shard or half egg."""
    s = longest_side(rng, 0.07, 0.26)
    r, wall = s * uniform(rng, 0.2, 0.5), thin_wall(rng)
    radii = r * ratios(rng, 3, 0.5, 1.2)
    outer = smoothed([(radii[0], 0), (radii[1], 0.5 * s), (radii[2], s)], 2)
    profile = np.concatenate([outer, (outer - (wall, 0))[::-1]])
    profile[:, 0] = np.maximum(profile[:, 0], 1e-3)
    turn = pose(yaw=uniform(rng, -3, 3), pitch=uniform(rng, -0.4, 0.4))
    at = turn @ pose((2 * s + uniform(rng, -0.5, 0.4) * r, 0, 0))
    keep = box((4 * s, 4 * s, 4 * s), at, operation=INTERSECT)
    return Solid((revolution(profile), keep)).centred()


def random_part(rng: np.random.Generator, size: float, at: np.ndarray, **kwargs) -> Part:
    """Draw a primitive of random proportions, about `size` long [m]."""
    sides = size * ratios(rng, 3, 0.3, 1.0)
    choice = int(rng.integers(6))
    if choice <= 1:
        rounding = uniform(rng, 0, 0.4) * sides.min() * chance(rng, 0.6)
        return box(sides, at, rounding=rounding, **kwargs)
    if choice == 2:
        return ellipsoid(0.5 * sides, at, **kwargs)
    if choice == 3:
        return cylinder(0.5 * sides[0], sides[1], at, rounding=0.05 * sides.min(), **kwargs)
    if choice == 4:
        top = uniform(rng, 0.1, 0.9) * 0.5 * sides[0]
        return frustum(0.5 * sides[0], top, sides[1], at, **kwargs)
    ends = [(-0.5 * sides[0], 0, 0, 0.25 * sides[1]), (0.5 * sides[0], 0, 0, 0.25 * sides[2])]
    return sweep(ends, at, **kwargs)
