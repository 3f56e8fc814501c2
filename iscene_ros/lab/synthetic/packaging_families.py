"""Shape families of packages and vessels: cartons, cans, bottles, bowls, bins."""

from __future__ import annotations

import numpy as np

from iscene_ros.lab.synthetic.family_sizes import (
    chance,
    log_uniform,
    longest_side,
    ratios,
    uniform,
    wall_thickness,
)
from iscene_ros.lab.synthetic.part_builders import (
    arc_chain,
    box,
    cylinder,
    ellipsoid,
    extrusion,
    frustum,
    pose,
    revolution,
    smoothed,
    sweep,
    torus,
    wall_profile,
)
from iscene_ros.lab.synthetic.shapes import Operation, Solid


def carton(rng: np.random.Generator) -> Solid:
    """Box with sharp or slightly rounded edges, sometimes with a gabled top."""
    size = longest_side(rng, 0.06, 0.3) * np.array([1.0, *ratios(rng, 2, 0.15, 1.0)])
    size = rng.permutation(size)
    parts = [box(size, rounding=uniform(rng, 0, 0.08) * size.min() * chance(rng, 0.5))]
    if chance(rng, 0.15):
        roof = [(-0.5 * size[0], 0), (0.5 * size[0], 0), (0, uniform(rng, 0.3, 0.7) * size[0])]
        at = pose((0, 0, 0.5 * size[2] - 1e-4), roll=np.pi / 2)
        parts.append(extrusion(roof, size[1], at))
    return Solid(tuple(parts)).centred()


def rounded_block(rng: np.random.Generator) -> Solid:
    """Block between a box and an ellipsoid."""
    size = longest_side(rng) * np.array([1.0, *ratios(rng, 2, 0.25, 1.0)])
    size = rng.permutation(size)
    parts = [box(size, rounding=uniform(rng, 0.15, 0.95) * 0.5 * size.min())]
    if chance(rng, 0.3):
        lens = ellipsoid(size * rng.uniform(0.55, 0.75, 3), operation=Operation.INTERSECT)
        parts.append(lens)
    return Solid(tuple(parts)).centred()


def can(rng: np.random.Generator) -> Solid:
    """Cylinder, with rims, a neck-in or plainly rounded edges."""
    height = longest_side(rng, 0.06, 0.25)
    radius = 0.5 * height * log_uniform(rng, 0.3, 1.6)
    if chance(rng, 0.4):
        rounding = uniform(rng, 0, 0.25) * min(radius, 0.5 * height)
        return Solid((cylinder(radius, height, rounding=rounding),)).centred()
    neck, rim = uniform(rng, 0.8, 1.0), 0.02
    low, top = uniform(rng, 0.02, 0.1) * height, (1 - uniform(rng, 0.03, 0.15)) * height
    profile = [(0, rim * radius), (0.85 * neck * radius, 0), (neck * radius, 0), (radius, low)]
    profile += [(radius, top), (neck * radius, height), (0.9 * neck * radius, height)]
    profile += [(0.87 * neck * radius, height - rim * height), (0, height - rim * height)]
    return Solid((revolution(profile),)).centred()


def bottle(rng: np.random.Generator) -> Solid:
    """Bottle or flask with a shoulder, a neck and a cap; round or oval."""
    height = longest_side(rng, 0.1, 0.3)
    radius = 0.5 * height * uniform(rng, 0.2, 0.55)
    core = (0.0, 0.0)
    if chance(rng, 0.4):
        core = (radius * uniform(rng, 0.2, 0.8), 0.0 if chance(rng, 0.6) else 0.2 * radius)
        radius *= 0.75
    neck = radius * uniform(rng, 0.25, 0.6)
    shoulder, throat = uniform(rng, 0.4, 0.7), uniform(rng, 0.75, 0.87)
    waist = radius * uniform(rng, 0.75, 1.0)
    line = [(0, 0), (0.9 * radius, 0), (radius, 0.05 * height)]
    line += [(waist, shoulder * 0.5 * height), (radius, shoulder * height)]
    line += [(neck, throat * height), (neck, height)]
    body = smoothed(line) if chance(rng, 0.7) else np.array(line)
    parts = [revolution([*body, (0, height)], core=core)]
    if chance(rng, 0.7):
        cap = cylinder(
            neck * uniform(rng, 1.02, 1.4) + 0.5 * core[0],
            (1 - throat) * height * uniform(rng, 0.5, 0.9),
        )
        parts.append(cap.moved(pose((0, 0, height))))
    return Solid(tuple(parts)).centred()


def soap_bottle(rng: np.random.Generator) -> Solid:
    """Dispenser with an oval or round body, a stem and a pump head with a spout."""
    height = longest_side(rng, 0.12, 0.25)
    radius = height * uniform(rng, 0.1, 0.2)
    top = uniform(rng, 0.55, 0.72) * height
    line = smoothed([(0, 0), (radius, 0), (radius, 0.8 * top), (0.3 * radius, top)], 2)
    core = (radius * uniform(rng, 0.0, 0.8), 0.0)
    stem = radius * uniform(rng, 0.12, 0.25)
    reach = radius * uniform(rng, 0.8, 1.8)
    head = height - 2 * stem
    spout = [
        (-stem, 0, head, stem),
        (reach, 0, head, 0.8 * stem),
        (1.1 * reach, 0, head - stem, 0.6 * stem),
    ]
    collar = cylinder(0.35 * radius, 0.1 * height, pose((0, 0, top + 0.02 * height)))
    stalk = cylinder(stem, head - top, pose((0, 0, 0.5 * (top + head))))
    body = revolution([*line, (0, top)], core=core)
    return Solid((body, collar, stalk, sweep(spout))).centred()


def jar(rng: np.random.Generator) -> Solid:
    """Wide jar with a lid, round or with a rounded square section."""
    height = longest_side(rng, 0.06, 0.2)
    radius = 0.5 * height * uniform(rng, 0.5, 1.1)
    edge = chance(rng, 0.3) * uniform(rng, 0.2, 0.5) * radius
    lid = radius * uniform(rng, 0.75, 1.08)
    split = uniform(rng, 0.65, 0.85) * height
    body = smoothed([(0, 0), (radius, 0), (radius, 0.9 * split), (0.9 * lid, split)])
    parts = [revolution([*body, (0, split)], core=(edge, edge))]
    parts.append(
        revolution(
            [(0, split - 1e-3), (lid, split - 1e-3), (lid, height), (0, height)], core=(edge, edge)
        )
    )
    if chance(rng, 0.25):
        knob = 0.25 * lid
        parts.append(ellipsoid((knob, knob, knob), pose((0, 0, height + 0.6 * knob))))
    return Solid(tuple(parts)).centred()


def vase(rng: np.random.Generator) -> Solid:
    """Random smooth profile: vases, goblets, spinning tops, chess men, lamps (solid)."""
    height = longest_side(rng, 0.06, 0.28)
    levels = np.linspace(0, 1, int(rng.integers(4, 8)))
    radii = height * uniform(rng, 0.12, 0.45) * ratios(rng, len(levels), 0.35, 1.3)
    line = smoothed([(0, 0), *zip(radii, levels * height, strict=True)], 2)
    return Solid((revolution([*line, (0, height)]),)).centred()


def bowl(rng: np.random.Generator) -> Solid:
    """Hollow bowl, round or oval, on a foot or not."""
    width = longest_side(rng, 0.09, 0.26)
    radius, depth = 0.5 * width, width * uniform(rng, 0.2, 0.55)
    foot = radius * uniform(rng, 0.25, 0.7)
    line = [(0, 0), (foot, 0), (radius * uniform(rng, 0.8, 1.0), depth * uniform(rng, 0.15, 0.5))]
    line = smoothed([*line, (radius, depth)], 2)
    core = (radius * uniform(rng, 0.1, 0.6), 0.0) if chance(rng, 0.25) else (0.0, 0.0)
    profile = wall_profile(line, wall_thickness(rng, width))
    return Solid((revolution(profile, core=core),)).centred()


def plate(rng: np.random.Generator) -> Solid:
    """Shallow plate or tray."""
    width = longest_side(rng, 0.12, 0.3)
    radius, depth = 0.5 * width, width * uniform(rng, 0.05, 0.14)
    flat = uniform(rng, 0.5, 0.8) * radius
    line = smoothed([(0, 0), (flat, 0), (flat * 1.1, 0.6 * depth), (radius, depth)])
    core = tuple(radius * rng.uniform(0.1, 0.6, 2)) if chance(rng, 0.3) else (0.0, 0.0)
    # A wall thicker than the plate is deep would fold over itself.
    profile = wall_profile(line, min(wall_thickness(rng, width), 0.35 * depth))
    return Solid((revolution(profile, core=core),)).centred()


def tumbler(rng: np.random.Generator) -> Solid:
    """Hollow cup or pot without a handle, straight or conical."""
    height = longest_side(rng, 0.07, 0.18)
    top = 0.5 * height * uniform(rng, 0.6, 1.3)
    bottom = top * uniform(rng, 0.6, 1.05)
    line = [(0, 0), (bottom, 0), (0.5 * (top + bottom) * uniform(rng, 0.95, 1.1), 0.5 * height)]
    line = smoothed([(0, 0), (0.8 * bottom, 0), *line[1:], (top, height)])
    return Solid((revolution(wall_profile(line, wall_thickness(rng, height))),)).centred()


def open_bin(rng: np.random.Generator) -> Solid:
    """Hollow box without a lid."""
    length = longest_side(rng, 0.1, 0.35)
    width, height = length * uniform(rng, 0.4, 1.0), length * uniform(rng, 0.2, 0.8)
    wall = wall_thickness(rng, length)
    taper = min(uniform(rng, 0, 0.12) * height, 0.1 * width)
    radius = taper + max(2.5 * wall, uniform(rng, 0.02, 0.2) * width)
    core = (0.5 * length - radius, 0.5 * width - radius)
    line = [(0, 0), (radius - taper, 0), (radius, height)]
    profile = wall_profile(line, wall)
    return Solid((revolution(profile, core=core),)).centred()


def frying_pan(rng: np.random.Generator) -> Solid:
    """Shallow hollow pan with a straight handle."""
    width = longest_side(rng, 0.1, 0.26)
    radius, depth = 0.5 * width, width * uniform(rng, 0.12, 0.5)
    line = smoothed([(0, 0), (0.8 * radius, 0), (radius, depth)])
    wall = wall_thickness(rng, width)
    thick = uniform(rng, 0.03, 0.06) * width
    reach = radius + width * uniform(rng, 0.4, 0.9)
    handle = [(radius - 0.3 * wall, 0, 0.8 * depth, thick), (reach, 0, 0.9 * depth, 1.2 * thick)]
    return Solid((revolution(wall_profile(line, wall)), sweep(handle))).centred()


def mug(rng: np.random.Generator) -> Solid:
    """Held out: hollow cup with a handle."""
    height = longest_side(rng, 0.08, 0.13)
    radius = 0.5 * height * uniform(rng, 0.7, 1.1)
    line = smoothed([(0, 0), (radius, 0), (radius * uniform(rng, 0.9, 1.05), height)])
    wall = wall_thickness(rng, height)
    thick = uniform(rng, 0.035, 0.06) * height
    loop = arc_chain(uniform(rng, 0.25, 0.36) * height, -np.pi / 2, np.pi / 2, [thick])
    handle = sweep(loop, pose((0.97 * radius - 0.5 * wall, 0, 0.5 * height)))
    body = revolution([*line, (0, height)])
    inner = wall_profile(line, wall)[len(line) :][::-1]
    cavity = [*inner, (inner[-1][0], 2 * height), (0, 2 * height)]
    inside = revolution(cavity, operation=Operation.SUBTRACT)
    return Solid((body, handle, inside)).centred()


def teapot(rng: np.random.Generator) -> Solid:
    """Held out: round body with lid, spout and handle."""
    width = longest_side(rng, 0.12, 0.22)
    r = 0.3 * width
    body = ellipsoid((r, r, r * uniform(rng, 0.7, 1.0)))
    foot = cylinder(0.6 * r, 0.3 * r, pose((0, 0, -0.75 * r)))
    knob = ellipsoid((0.15 * r,) * 3, pose((0, 0, 1.05 * r)))
    lid = frustum(0.5 * r, 0.1 * r, 0.25 * r, pose((0, 0, 0.75 * r)))
    chain = [
        (0.7 * r, 0, -0.3 * r, 0.3 * r),
        (1.3 * r, 0, 0.0, 0.17 * r),
        (1.7 * r, 0, 0.7 * r, 0.12 * r),
    ]
    spout = sweep(chain, operation=Operation.SMOOTH_UNION, blend=0.15 * r)
    loop = torus(0.55 * r, 0.1 * r, pose((-1.05 * r, 0, 0.05 * r), roll=np.pi / 2))
    return Solid((body, foot, lid, knob, spout, loop)).centred()
