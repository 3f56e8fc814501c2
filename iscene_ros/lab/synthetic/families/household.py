"""Shape families of household objects: shoes, hats, books, frames of rods, small furniture.

None is a held-out family under another name: no closed pear (bulb), no two horns on a slab
(game_controller), no grip between two heads (dumbbell).
"""

from __future__ import annotations

import numpy as np

from iscene_ros.lab.synthetic.primitives import (
    arc_chain,
    box,
    chance,
    cylinder,
    ellipsoid,
    extrusion,
    hollowed,
    longest_side,
    pose,
    revolution,
    smoothed,
    sweep,
    thin_wall,
    uniform,
)
from iscene_ros.lab.synthetic.shapes import Operation, Solid

CUT = Operation.SUBTRACT
INTERSECT = Operation.INTERSECT


def shoe(rng: np.random.Generator) -> Solid:
    """Draw a sole, toe and heel blended, with an opening cut from above."""
    s = longest_side(rng, 0.15, 0.3)
    width = s * uniform(rng, 0.28, 0.4)
    height = s * uniform(rng, 0.25, 0.5)
    toe = ellipsoid((0.3 * s, 0.48 * width, 0.55 * height), pose((0.2 * s, 0, 0.3 * height)))
    at = pose((-0.28 * s, 0, 0.45 * height))
    heel = ellipsoid((0.2 * s, 0.42 * width, 0.75 * height), at, blend=0.1 * s)
    at = pose((-0.05 * s, 0, 0.35 * height))
    middle = ellipsoid((0.3 * s, 0.4 * width, 0.6 * height), at, blend=0.1 * s)
    at = pose((0, 0, 0.06 * height))
    sole = box((s, width, 0.24 * height), at, rounding=0.1 * height, blend=0.03 * s)
    ground = box((2 * s, s, s), pose((0, 0, 0.5 * s - 0.05 * height)), operation=INTERSECT)
    at = pose((-0.25 * s, 0, 1.1 * height), pitch=uniform(rng, -0.3, 0.3))
    opening = ellipsoid((0.17 * s, 0.3 * width, 0.6 * height), at, operation=CUT)
    return Solid((toe, middle, heel, sole, ground, opening)).centred()


def book(rng: np.random.Generator) -> Solid:
    """Draw a flat slab with covers, or a phone or a remote control."""
    s = longest_side(rng, 0.12, 0.28)
    size = s * np.array([1.0, uniform(rng, 0.3, 0.8), uniform(rng, 0.05, 0.22)])
    if chance(rng, 0.5):
        return Solid((box(size, rounding=uniform(rng, 0, 0.5) * size[2]),)).centred()
    pages = box(size * (0.96, 0.96, 0.85), pose((0, 0.01 * s, 0)))
    cover = 0.09 * size[2] + 0.0008
    plates = [
        box((size[0], size[1], cover), pose((0, 0, side * (0.5 * size[2] - 0.5 * cover))))
        for side in (-1, 1)
    ]
    spine = box((size[0], cover, size[2]), pose((0, -0.5 * size[1] + 0.5 * cover, 0)))
    return Solid((pages, *plates, spine)).centred()


def spectacles(rng: np.random.Generator) -> Solid:
    """Draw two rims, a bridge and two arms bent down at their ends, with or without lenses."""
    s = longest_side(rng, 0.12, 0.16)
    wire, rim = uniform(rng, 0.0012, 0.003), s * uniform(rng, 0.15, 0.19)
    tall, apart = rim * uniform(rng, 0.6, 0.95), 0.27 * s
    turn = np.linspace(0, 2 * np.pi, 15)
    parts = [sweep([(-0.13 * s, 0, 0.2 * tall, wire), (0.13 * s, 0, 0.2 * tall, wire)])]
    long, fold = s * uniform(rng, 0.7, 1.0), uniform(rng, -0.2, 1.45)
    glazed = chance(rng, 0.6)
    for side in (-1, 1):
        ring = [(side * apart + rim * np.cos(a), 0, tall * np.sin(a), wire) for a in turn]
        parts.append(sweep(ring))
        if glazed:
            lens = ellipsoid((rim, 0.0012, tall), pose((side * apart, 0, 0)))
            parts.append(lens)
        arm = [(0, 0, 0, wire), (0, 0.75 * long, 0, wire), (0, long, -0.2 * long, 1.3 * wire)]
        hinge = pose((side * (apart + rim), 0, 0.3 * tall), yaw=side * fold)
        parts.append(sweep(arm, hinge))
    return Solid(tuple(parts)).centred()


def headphones(rng: np.random.Generator) -> Solid:
    """Draw a thin arched band with a flat cup at each end, facing each other.

    No dumbbell: the band is bent half round; no u_clamp: thin, round, without a screw.
    """
    w = longest_side(rng, 0.12, 0.2)
    r, thick = 0.5 * w, w * uniform(rng, 0.02, 0.05)
    band = arc_chain(r, -0.25, np.pi + 0.25, [thick, 0.6 * thick, thick], 14)
    band[:, 2] *= uniform(rng, 0.9, 1.3)
    parts = [sweep(band)]
    cup, deep = w * uniform(rng, 0.16, 0.26), w * uniform(rng, 0.1, 0.2)
    for end in (band[0], band[-1]):
        at = pose((end[0] - np.sign(end[0]) * 0.3 * deep, 0, end[2] - 0.5 * cup), pitch=np.pi / 2)
        parts.append(cylinder(cup, deep, at, rounding=0.3 * deep))
    return Solid(tuple(parts)).centred()


def desk_lamp(rng: np.random.Generator) -> Solid:
    """Draw a disc with a thin bent pole that carries a thin hollow tilted shade."""
    s = longest_side(rng, 0.14, 0.4)
    base, pole = s * uniform(rng, 0.16, 0.28), s * uniform(rng, 0.012, 0.025)
    foot = cylinder(base, s * uniform(rng, 0.03, 0.07), rounding=0.01 * s)
    elbow = (uniform(rng, -0.2, 0.2) * s, 0, uniform(rng, 0.4, 0.6) * s)
    head = (uniform(rng, 0.05, 0.35) * s, 0, uniform(rng, 0.75, 0.95) * s)
    chain = [(0, 0, 0, pole), (*elbow, pole), (*head, pole)]
    wide, deep = s * uniform(rng, 0.14, 0.25), s * uniform(rng, 0.12, 0.3)
    wall = thin_wall(rng)
    outer = np.array([(0, deep), (0.35 * wide, deep), (wide, 0)])
    inner = np.array([(wide - 1.3 * wall, 0), (0.35 * wide, deep - 1.3 * wall), (0, deep - wall)])
    hang = pose(head, pitch=uniform(rng, -0.9, 0.2)) @ pose((0, 0, 0.5 * wall - deep))
    shade = revolution([*outer, *inner], hang)
    return Solid((foot, sweep(chain), shade)).centred()


def stool(rng: np.random.Generator) -> Solid:
    """Draw a seat or board on three or four thin spread legs, sometimes with a back."""
    s = longest_side(rng, 0.1, 0.4)
    half = 0.5 * s * np.array([uniform(rng, 0.5, 1.0), uniform(rng, 0.4, 0.8)])
    h, leg = s * uniform(rng, 0.35, 0.9), s * uniform(rng, 0.015, 0.035)
    plate, rounded = s * uniform(rng, 0.02, 0.06), chance(rng, 0.4)
    seat = cylinder(half[0], plate) if rounded else box((*(2 * half), plate), rounding=0.3 * plate)
    reach = (half[0], half[0]) if rounded else half
    parts, spread = [seat], uniform(rng, 0.9, 1.25)
    count = int(rng.integers(3, 5))
    for turn in 2 * np.pi * (np.arange(count) + 0.5) / count:
        corner = np.sign([np.cos(turn), np.sin(turn)]) if count == 4 else None
        corner = np.array([np.cos(turn), np.sin(turn)]) if rounded or corner is None else corner
        top = 0.8 * corner * reach
        parts.append(sweep([(*top, 0, leg), (*(spread * top), -h, 0.7 * leg)]))
    if not rounded and chance(rng, 0.4):
        back = h * uniform(rng, 0.5, 1.0)
        at = pose((-0.92 * half[0], 0, 0.5 * back), pitch=uniform(rng, -0.2, 0.0))
        parts.append(box((plate, 1.9 * half[1], back), at))
        if chance(rng, 0.6):
            hole = (3 * s, 1.4 * half[1], 0.6 * back)
            parts.append(box(hole, pose((0, 0, 0.55 * back)), operation=CUT))
    return Solid(tuple(parts)).centred()


def rack(rng: np.random.Generator) -> Solid:
    """Draw a frame of rods with upright loops: a toast rack, plate rack or letter holder."""
    s = longest_side(rng, 0.1, 0.3)
    wide, h = s * uniform(rng, 0.3, 0.6), s * uniform(rng, 0.25, 0.6)
    wire = uniform(rng, 0.0018, 0.004)
    corners = [(-0.5 * s, -0.5 * wide), (0.5 * s, -0.5 * wide), (0.5 * s, 0.5 * wide)]
    corners += [(-0.5 * s, 0.5 * wide), (-0.5 * s, -0.5 * wide)]
    parts = [sweep([(*corner, 0, wire) for corner in corners])]
    pointed, lean = uniform(rng, 0.3, 1.0), uniform(rng, -0.2, 0.2) * s
    for x in np.linspace(-0.42 * s, 0.42 * s, int(rng.integers(3, 7))):
        top = 0.5 * wide * pointed
        loop = [(x, -0.5 * wide, 0), (x + lean, -top, h), (x + lean, top, h), (x, 0.5 * wide, 0)]
        parts.append(sweep([(*corner, wire) for corner in loop]))
    return Solid(tuple(parts)).centred()


def boot(rng: np.random.Generator) -> Solid:
    """Draw a shoe with a high, deep hollow shaft, with or without a heel."""
    s = longest_side(rng, 0.16, 0.32)
    wide, tall = s * uniform(rng, 0.26, 0.36), s * uniform(rng, 0.6, 1.2)
    toe = ellipsoid((0.5 * s, 0.5 * wide, 0.28 * s), pose((0.12 * s, 0, 0.08 * s)))
    core = (uniform(rng, 0.05, 0.12) * s, 0.0)
    r, wall = 0.42 * wide, uniform(rng, 0.002, 0.005)
    line = np.array([(0, 0), (r, 0), (0.9 * r, 0.5 * tall), (r * uniform(rng, 1.0, 1.25), tall)])
    outer, *_, inside = hollowed(smoothed(line, 1), wall, [], core=core)
    shift = pose((-0.22 * s, 0, 0.02 * s))
    shaft = revolution(outer.outline, shift, core, blend=0.08 * s)
    hole = revolution(inside.outline, shift @ pose((0, 0, 0.04 * s)), core, operation=CUT)
    sole = box((s, 0.95 * wide, 0.05 * s), pose((0.06 * s, 0, 0.01 * s)), rounding=0.02 * s)
    ground = box((3 * s, s, s), pose((0, 0, -0.51 * s)), operation=CUT)
    parts = [toe, shaft, ground, sole, hole]
    if chance(rng, 0.5):
        heel = s * uniform(rng, 0.03, 0.15)
        block = (0.22 * s, 0.8 * wide, heel + 0.03 * s)
        parts.append(box(block, pose((-0.3 * s, 0, -0.5 * heel)), rounding=0.01 * s))
    return Solid(tuple(parts)).centred()


def sandal(rng: np.random.Generator) -> Solid:
    """Draw a foot-shaped thin sole, mostly under one to three thin straps."""
    s = longest_side(rng, 0.16, 0.3)
    thick, wide = s * uniform(rng, 0.03, 0.09), s * uniform(rng, 0.14, 0.2)
    half = [(-0.5, 0.25), (-0.48, 0.75), (-0.2, 0.7), (0.2, 1.0), (0.42, 0.8), (0.5, 0.2)]
    upper = np.array([(s * x, wide * y) for x, y in half])
    lower = (upper * (1, -uniform(rng, 0.7, 1.0)))[::-1]
    parts = [extrusion(smoothed([*upper, *lower], 2), thick, rounding=0.002)]
    strap = uniform(rng, 0.0018, 0.004)
    for x in rng.choice([-0.35, -0.1, 0.12, 0.28], int(rng.integers(1, 4)), replace=False):
        r = wide * uniform(rng, 0.75, 0.9)
        arch = arc_chain(r, 0.0, np.pi, [strap], 9)
        arch[:, 2] *= uniform(rng, 0.5, 0.9)
        for offset in np.arange(int(rng.integers(1, 4))) * 1.6 * strap:
            parts.append(sweep(arch, pose((x * s + offset, 0, 0.3 * thick), yaw=np.pi / 2)))
    return Solid(tuple(parts)).centred()


def hat(rng: np.random.Generator) -> Solid:
    """Draw a thin hollow dome with a brim all around or a peak on one side, such as a cap."""
    w = longest_side(rng, 0.14, 0.3)
    radii = 0.36 * w * np.array([1.0, uniform(rng, 0.8, 1.0), uniform(rng, 0.6, 1.1)])
    wall = thin_wall(rng)
    below = box((4 * w, 4 * w, 2 * w), pose((0, 0, -w)), operation=CUT)
    inside = ellipsoid(radii - wall, operation=CUT)
    brim = uniform(rng, 1.2, 1.45) if chance(rng, 0.5) else 1.02
    plate = cylinder(brim * radii[0], wall, pose((0, 0, 0.5 * wall)))
    parts = [ellipsoid(radii), below, plate]
    if brim < 1.1:
        peak = 0.36 * w * uniform(rng, 0.5, 0.9)
        at = pose((radii[0] + 0.1 * peak, 0, 0.5 * wall), pitch=uniform(rng, 0.0, 0.2))
        parts.append(extrusion(_peak(peak, 0.8 * radii[1]), wall, at))
    return Solid((*parts, inside)).centred()


def _peak(reach: float, half: float) -> np.ndarray:
    """Draw the rounded outline (K, 2) of a cap's peak, from x = -reach to reach."""
    line = [(-reach, -half), (0.6 * reach, -half), (reach, 0), (0.6 * reach, half), (-reach, half)]
    return smoothed(line, 2)
