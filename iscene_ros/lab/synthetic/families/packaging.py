"""Shape families of packaging: cartons, cans, bottles, jars, bins, tubes, bags.

None is a held-out family under another name: no flat canister with a grip cut through it
(detergent_jug), no square column with a roof and a fin along its ridge (milk_carton).
"""

from __future__ import annotations

import numpy as np

from iscene_ros.lab.synthetic.primitives import (
    box,
    chance,
    cylinder,
    ellipsoid,
    extrusion,
    log_uniform,
    longest_side,
    pose,
    ratios,
    revolution,
    smoothed,
    sweep,
    uniform,
    wall_profile,
    wall_thickness,
)
from iscene_ros.lab.synthetic.shapes import Operation, Solid

CUT = Operation.SUBTRACT
INTERSECT = Operation.INTERSECT


def carton(rng: np.random.Generator) -> Solid:
    """Draw a box with sharp or slightly rounded edges, sometimes with a gabled top."""
    size = longest_side(rng, 0.06, 0.3) * np.array([1.0, *ratios(rng, 2, 0.15, 1.0)])
    size = rng.permutation(size)
    parts = [box(size, rounding=uniform(rng, 0, 0.08) * size.min() * chance(rng, 0.5))]
    if chance(rng, 0.15):
        roof = [(-0.5 * size[0], 0), (0.5 * size[0], 0), (0, uniform(rng, 0.3, 0.7) * size[0])]
        at = pose((0, 0, 0.5 * size[2] - 1e-4), roll=np.pi / 2)
        parts.append(extrusion(roof, size[1], at))
    return Solid(tuple(parts)).centred()


def rounded_block(rng: np.random.Generator) -> Solid:
    """Draw a block between a box and an ellipsoid."""
    size = longest_side(rng) * np.array([1.0, *ratios(rng, 2, 0.25, 1.0)])
    size = rng.permutation(size)
    parts = [box(size, rounding=uniform(rng, 0.15, 0.95) * 0.5 * size.min())]
    if chance(rng, 0.3):
        lens = ellipsoid(size * rng.uniform(0.55, 0.75, 3), operation=INTERSECT)
        parts.append(lens)
    return Solid(tuple(parts)).centred()


def can(rng: np.random.Generator) -> Solid:
    """Draw a cylinder with rims, a neck-in or plainly rounded edges."""
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
    """Draw a bottle or flask with a shoulder, a neck and a cap; round or oval."""
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
    """Draw a dispenser with an oval or round body, a stem and a pump head with a spout."""
    height = longest_side(rng, 0.12, 0.25)
    radius = height * uniform(rng, 0.1, 0.2)
    top = uniform(rng, 0.55, 0.72) * height
    line = smoothed([(0, 0), (radius, 0), (radius, 0.8 * top), (0.3 * radius, top)], 2)
    core = (radius * uniform(rng, 0.0, 0.8), 0.0)
    stem = radius * uniform(rng, 0.12, 0.25)
    reach = radius * uniform(rng, 0.8, 1.8)
    head = height - 2 * stem
    spout = [(-stem, 0, head, stem), (reach, 0, head, 0.8 * stem)]
    spout.append((1.1 * reach, 0, head - stem, 0.6 * stem))
    collar = cylinder(0.35 * radius, 0.1 * height, pose((0, 0, top + 0.02 * height)))
    stalk = cylinder(stem, head - top, pose((0, 0, 0.5 * (top + head))))
    body = revolution([*line, (0, top)], core=core)
    return Solid((body, collar, stalk, sweep(spout))).centred()


def jar(rng: np.random.Generator) -> Solid:
    """Draw a wide jar with a lid, round or with a rounded square section."""
    height = longest_side(rng, 0.06, 0.2)
    radius = 0.5 * height * uniform(rng, 0.5, 1.1)
    edge = chance(rng, 0.3) * uniform(rng, 0.2, 0.5) * radius
    lid = radius * uniform(rng, 0.75, 1.08)
    split = uniform(rng, 0.65, 0.85) * height
    body = smoothed([(0, 0), (radius, 0), (radius, 0.9 * split), (0.9 * lid, split)])
    parts = [revolution([*body, (0, split)], core=(edge, edge))]
    cover = [(0, split - 1e-3), (lid, split - 1e-3), (lid, height), (0, height)]
    parts.append(revolution(cover, core=(edge, edge)))
    if chance(rng, 0.25):
        knob = 0.25 * lid
        parts.append(ellipsoid((knob, knob, knob), pose((0, 0, height + 0.6 * knob))))
    return Solid(tuple(parts)).centred()


def vase(rng: np.random.Generator) -> Solid:
    """Draw a solid of a random smooth profile: a vase, goblet, spinning top, chess man or lamp."""
    height = longest_side(rng, 0.06, 0.28)
    levels = np.linspace(0, 1, int(rng.integers(4, 8)))
    radii = height * uniform(rng, 0.12, 0.45) * ratios(rng, len(levels), 0.35, 1.3)
    line = smoothed([(0, 0), *zip(radii, levels * height, strict=True)], 2)
    return Solid((revolution([*line, (0, height)]),)).centred()


def open_bin(rng: np.random.Generator) -> Solid:
    """Draw a hollow box without a lid."""
    length = longest_side(rng, 0.1, 0.35)
    width, height = length * uniform(rng, 0.4, 1.0), length * uniform(rng, 0.2, 0.8)
    wall = wall_thickness(rng, length)
    taper = min(uniform(rng, 0, 0.12) * height, 0.1 * width)
    radius = taper + max(2.5 * wall, uniform(rng, 0.02, 0.2) * width)
    core = (0.5 * length - radius, 0.5 * width - radius)
    line = [(0, 0), (radius - taper, 0), (radius, height)]
    profile = wall_profile(line, wall)
    return Solid((revolution(profile, core=core),)).centred()


def flap_carton(rng: np.random.Generator) -> Solid:
    """Draw an opened cardboard box: thin walls, flaps at any angle, no roof."""
    s = longest_side(rng, 0.1, 0.3)
    size = s * np.array([1.0, *ratios(rng, 2, 0.4, 1.0)])
    wall = uniform(rng, 0.0015, 0.004)
    inside = box(size - (2 * wall, 2 * wall, 0), pose((0, 0, wall)), operation=CUT)
    parts = [box(size), inside]
    for turn in range(4):
        if chance(rng, 0.25):
            continue
        long, reach = (size[1], size[0]) if turn % 2 == 0 else (size[0], size[1])
        flap = min(long, reach) * log_uniform(rng, 0.3, 0.7)
        # From folded halfway over the mouth (negative) to hanging down outside.
        lean = uniform(rng, -0.9, 2.6)
        hinge = pose(yaw=turn * np.pi / 2) @ pose((0.5 * reach - 0.5 * wall, 0, 0.5 * size[2]))
        at = hinge @ pose(pitch=lean) @ pose((0, 0, 0.5 * flap - wall))
        parts.append(box((wall, 0.98 * long, flap), at))
    return Solid(tuple(parts)).centred()


def squeeze_tube(rng: np.random.Generator) -> Solid:
    """Round at the cap, flat and wide at the crimped end: toothpaste, creams, glue."""
    s = longest_side(rng, 0.08, 0.2)
    r, crimp = s * uniform(rng, 0.1, 0.18), uniform(rng, 0.0015, 0.004)
    side = [(0, -0.5 * crimp), (0.05 * s, -0.5 * crimp), (0.9 * s, -r), (0.9 * s, r)]
    side += [(0.05 * s, 0.5 * crimp), (0, 0.5 * crimp)]
    # A cone that is wider at the crimp rounds the sides off towards the cap.
    flat = r * uniform(rng, 1.3, 1.6)
    body = extrusion(side, 3 * flat, pose(roll=np.pi / 2))
    cone = revolution([(0, 0), (flat, 0), (r, 0.9 * s), (0, 0.9 * s)], pose(pitch=np.pi / 2))
    cone = revolution(cone.outline, cone.object_from_part, operation=INTERSECT)
    cap = r * uniform(rng, 0.5, 1.0)
    top = cylinder(cap, 0.12 * s, pose((0.95 * s, 0, 0), pitch=np.pi / 2), rounding=0.1 * cap)
    return Solid((body, cone, top)).centred()


def pillow_pack(rng: np.random.Generator) -> Solid:
    """Draw a soft bag with a thin crimped seam at both ends: crisps, a refill, a sachet."""
    s = longest_side(rng, 0.07, 0.26)
    wide, thick = s * uniform(rng, 0.4, 0.9), s * uniform(rng, 0.12, 0.35)
    side = [(-0.42, 0.02), (-0.3, 0.38), (0, 0.5), (0.3, 0.38), (0.42, 0.02)]
    upper = smoothed([(s * x, thick * y) for x, y in side], 2)
    body = extrusion(
        [*upper, *(upper * (1, -1))[::-1]], wide, pose(roll=np.pi / 2), rounding=0.25 * thick
    )
    lens = (0.62 * s, 0.62 * wide, 0.8 * thick)
    parts = [body, ellipsoid(lens, operation=INTERSECT)]
    seam = uniform(rng, 0.0015, 0.003)
    across = wide * ratios(rng, 1, 0.8, 1.0)[0]
    parts += [box((0.16 * s, across, seam), pose((side * 0.42 * s, 0, 0))) for side in (-1, 1)]
    return Solid(tuple(parts)).centred()
