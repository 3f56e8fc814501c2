"""Shape families of things: toys, tools, fruit, books, shoes."""

from __future__ import annotations

import numpy as np

from iscene_ros.lab.synthetic.family_sizes import (
    chance,
    log_uniform,
    longest_side,
    ratios,
    uniform,
)
from iscene_ros.lab.synthetic.part_builders import (
    arc_chain,
    box,
    cylinder,
    ellipsoid,
    extrusion,
    pose,
    revolution,
    smoothed,
    sweep,
)
from iscene_ros.lab.synthetic.shapes import Operation, Solid

SMOOTH = Operation.SMOOTH_UNION


def shoe(rng: np.random.Generator) -> Solid:
    """Sole, toe and heel blended, with an opening cut from above."""
    s = longest_side(rng, 0.15, 0.3)
    width = s * uniform(rng, 0.28, 0.4)
    height = s * uniform(rng, 0.25, 0.5)
    toe = ellipsoid((0.3 * s, 0.48 * width, 0.55 * height), pose((0.2 * s, 0, 0.3 * height)))
    blend = 0.1 * s
    heel = ellipsoid(
        (0.2 * s, 0.42 * width, 0.75 * height),
        pose((-0.28 * s, 0, 0.45 * height)),
        operation=SMOOTH,
        blend=blend,
    )
    middle = ellipsoid(
        (0.3 * s, 0.4 * width, 0.6 * height),
        pose((-0.05 * s, 0, 0.35 * height)),
        operation=SMOOTH,
        blend=blend,
    )
    sole = box(
        (s, width, 0.24 * height),
        pose((0, 0, 0.06 * height)),
        rounding=0.1 * height,
        operation=SMOOTH,
        blend=0.03 * s,
    )
    ground = box(
        (2 * s, s, s), pose((0, 0, 0.5 * s - 0.05 * height)), operation=Operation.INTERSECT
    )
    opening = ellipsoid(
        (0.17 * s, 0.3 * width, 0.6 * height),
        pose((-0.25 * s, 0, 1.1 * height), pitch=uniform(rng, -0.3, 0.3)),
        operation=Operation.SUBTRACT,
    )
    return Solid((toe, middle, heel, sole, ground, opening)).centred()


def toy_animal(rng: np.random.Generator) -> Solid:
    """Body, head, legs, ears and tail, smoothly joined."""
    s = longest_side(rng, 0.06, 0.25)
    body = s * np.array([0.32, *rng.uniform(0.12, 0.24, 2)])
    blend = uniform(rng, 0.02, 0.07) * s
    kwargs = {"operation": SMOOTH, "blend": blend}
    neck = s * np.array([uniform(rng, 0.22, 0.38), 0.0, uniform(rng, 0.02, 0.3)])
    head = s * rng.uniform(0.1, 0.2, 3)
    parts = [ellipsoid(body), ellipsoid(head, pose(neck), **kwargs)]
    drop, thick = body[2] + s * uniform(rng, 0.05, 0.25), s * uniform(rng, 0.03, 0.07)
    for x in (-0.2 * s, 0.2 * s):
        for y in (-0.7, 0.7):
            foot = (x * uniform(rng, 0.9, 1.2), y * body[1], -drop, thick)
            parts.append(sweep([(x, y * body[1], 0, thick), foot], **kwargs))
    if chance(rng, 0.6):
        back, up = s * uniform(rng, 0.35, 0.55), s * uniform(rng, -0.1, 0.2)
        tail = [(-0.28 * s, 0, 0.05 * s, thick), (-back, 0, up, 0.6 * thick)]
        parts.append(sweep(tail, **kwargs))
    if chance(rng, 0.5):
        for y in (-0.6, 0.6):
            at = pose(neck + (0, y * head[1], head[2]))
            parts.append(ellipsoid((0.04 * s, 0.05 * s, 0.09 * s), at, **kwargs))
    return Solid(tuple(parts)).centred()


def toy_car(rng: np.random.Generator) -> Solid:
    """Chassis, cabin and four wheels."""
    s = longest_side(rng, 0.06, 0.25)
    width, height = s * uniform(rng, 0.35, 0.6), s * uniform(rng, 0.15, 0.3)
    wheel = s * uniform(rng, 0.08, 0.15)
    cabin = s * np.array([uniform(rng, 0.3, 0.6), 0, uniform(rng, 0.12, 0.3)])
    cabin[1] = 0.9 * width
    where = (s * uniform(rng, -0.2, 0.15), 0, 0.5 * (height + cabin[2]) - 0.01 * s)
    parts = [
        box((s, width, height), rounding=0.3 * height * uniform(rng, 0, 1)),
        box(
            cabin,
            pose(where),
            rounding=0.08 * s * uniform(rng, 0, 1),
            operation=SMOOTH,
            blend=0.04 * s,
        ),
    ]
    for x in (-0.3 * s, 0.3 * s):
        for y in (-0.5 * width, 0.5 * width):
            at = pose((x, y, -0.5 * height), roll=np.pi / 2)
            parts.append(cylinder(wheel, 0.2 * width, at, rounding=0.1 * wheel))
    return Solid(tuple(parts)).centred()


def spoon(rng: np.random.Generator) -> Solid:
    """Handle with a hollowed spoon bowl, a spatula blade or a brush head."""
    s = longest_side(rng, 0.14, 0.3)
    thick = s * uniform(rng, 0.02, 0.045)
    rise = s * uniform(rng, 0.0, 0.08)
    handle = sweep(
        [(-0.6 * s, 0, rise, thick), (-0.2 * s, 0, rise, 0.7 * thick), (0.1 * s, 0, 0, 0.7 * thick)]
    )
    width = s * uniform(rng, 0.08, 0.14)
    long = s * uniform(rng, 0.12, 0.2)
    at = pose((0.1 * s + 0.8 * long, 0, 0))
    if chance(rng, 0.5):
        deep = 0.5 * width
        head = ellipsoid((long, width, deep), at, operation=SMOOTH, blend=thick)
        scoop = ellipsoid(
            (0.88 * long, 0.85 * width, deep),
            pose((0.1 * s + 0.8 * long, 0, 0.35 * deep)),
            operation=Operation.SUBTRACT,
        )
        lid = box(
            (2 * s, s, s),
            pose((0.1 * s + 0.8 * long + s - long, 0, 0.5 * s + 0.05 * deep)),
            operation=Operation.SUBTRACT,
        )
        return Solid((head, scoop, lid, handle)).centred()
    blade = box(
        (2 * long, 2 * width, uniform(rng, 0.2, 1.5) * thick),
        at,
        rounding=0.3 * thick,
        operation=SMOOTH,
        blend=thick,
    )
    return Solid((handle, blade)).centred()


def screwdriver(rng: np.random.Generator) -> Solid:
    """Thick profiled grip with a thin shaft, lying along x; also brushes and whisks."""
    s = longest_side(rng, 0.1, 0.26)
    grip = s * uniform(rng, 0.3, 0.55)
    radius = s * uniform(rng, 0.05, 0.1)
    waist = radius * uniform(rng, 0.6, 1.0)
    line = smoothed(
        [
            (0, 0),
            (radius, 0),
            (radius, 0.4 * grip),
            (waist, 0.8 * grip),
            (radius, 0.9 * grip),
            (0.5 * radius, grip),
        ]
    )
    across = pose(pitch=np.pi / 2)
    shaft = s * uniform(rng, 0.012, 0.03)
    rod = cylinder(shaft, s - 0.9 * grip, pose((0.5 * (s + 0.9 * grip), 0, 0), pitch=np.pi / 2))
    tip = box((0.06 * s, uniform(rng, 2, 5) * shaft, 1.2 * shaft), pose((s, 0, 0)))
    return Solid((revolution([*line, (0, grip)], across), rod, tip)).centred()


def power_tool(rng: np.random.Generator) -> Solid:
    """Barrel on a grip with a battery: drills, hair dryers, spray guns, glue guns."""
    s = longest_side(rng, 0.12, 0.26)
    r = s * uniform(rng, 0.12, 0.18)
    line = smoothed([(0, 0), (0.8 * r, 0), (r, 0.6 * s), (0.4 * r, 0.75 * s), (0.3 * r, s)])
    barrel = revolution([*line, (0, s)], pose((-0.4 * s, 0, 0), pitch=np.pi / 2))
    tilt, low = uniform(rng, -0.3, 0.3), s * uniform(rng, 0.5, 0.8)
    grip = box(
        (0.2 * s, 1.3 * r, low),
        pose((-0.15 * s, 0, -0.5 * low), pitch=tilt),
        rounding=0.3 * r,
        operation=SMOOTH,
        blend=0.05 * s,
    )
    parts = [barrel, grip]
    if chance(rng, 0.6):
        at = pose((-0.15 * s - 0.5 * low * np.sin(tilt), 0, -low))
        parts.append(box((s * uniform(rng, 0.3, 0.5), 2 * r, 0.18 * s), at, rounding=0.2 * r))
    return Solid(tuple(parts)).centred()


def hammer(rng: np.random.Generator) -> Solid:
    """Held out: long handle with a head across it."""
    s = longest_side(rng, 0.18, 0.33)
    thick = s * uniform(rng, 0.03, 0.05)
    handle = sweep([(-0.5 * s, 0, 0, thick), (0.4 * s, 0, 0, 0.8 * thick)])
    wide, head = s * uniform(rng, 0.05, 0.08), s * uniform(rng, 0.3, 0.45)
    face = cylinder(
        wide, 0.6 * head, pose((0.42 * s, 0.15 * head, 0), roll=np.pi / 2), rounding=0.1 * wide
    )
    wedge = [(-wide, 0), (wide, 0), (0.2 * wide, 0.6 * head)]
    claw = extrusion(wedge, 1.5 * wide, pose((0.42 * s, -0.1 * head, 0), roll=np.pi))
    return Solid((handle, face, claw)).centred()


def u_clamp(rng: np.random.Generator) -> Solid:
    """Held out: U-shaped frame with a screw through one arm."""
    s = longest_side(rng, 0.08, 0.2)
    deep, arm = s * uniform(rng, 0.5, 0.9), s * uniform(rng, 0.1, 0.18)
    outline = [
        (0, 0),
        (s, 0),
        (s, arm),
        (arm, arm),
        (arm, deep - arm),
        (s, deep - arm),
        (s, deep),
        (0, deep),
    ]
    frame = extrusion(outline, arm * uniform(rng, 0.8, 1.6), rounding=0.05 * arm)
    screw = cylinder(0.3 * arm, 0.7 * deep, pose((s - 0.6 * arm, 0.85 * deep, 0), roll=np.pi / 2))
    bar = cylinder(0.2 * arm, 0.4 * s, pose((s - 0.6 * arm, 1.15 * deep, 0), pitch=np.pi / 2))
    return Solid((frame, screw, bar)).centred()


def banana(rng: np.random.Generator) -> Solid:
    """Bent, tapered chain lying flat: bananas, peppers, croissants, hooks."""
    s = longest_side(rng, 0.08, 0.22)
    angle = uniform(rng, 0.6, 2.4)
    radius = 0.5 * s / np.sin(min(0.5 * angle, np.pi / 2))
    thick = s * uniform(rng, 0.06, 0.13)
    taper = thick * rng.uniform(0.25, 0.8, 2)
    widths = [taper[0], 0.9 * thick, thick, 0.9 * thick, taper[1]]
    chain = arc_chain(radius, -0.5 * angle, 0.5 * angle, widths, 9)
    return Solid((sweep(chain, pose(roll=np.pi / 2)),)).centred()


def fruit(rng: np.random.Generator) -> Solid:
    """Apple, pear, lemon, egg: smooth profile, with or without dents and a stem."""
    h = longest_side(rng, 0.04, 0.12)
    r = 0.5 * h * uniform(rng, 0.6, 1.2)
    top, dent = uniform(rng, 0.4, 1.0), h * uniform(rng, 0, 0.1)
    line = [
        (0, dent),
        (0.7 * r, 0),
        (r, 0.35 * h),
        (top * r, 0.75 * h),
        (0.5 * top * r, h),
        (0, h - dent),
    ]
    parts = [revolution(smoothed(line, 2))]
    if chance(rng, 0.4):
        stem = [(0, 0, h - 2 * dent, 0.02 * h), (0.05 * h, 0, 1.1 * h, 0.025 * h)]
        parts.append(sweep(stem))
    return Solid(tuple(parts)).centred()


def ball(rng: np.random.Generator) -> Solid:
    """Sphere or ellipsoid."""
    radii = 0.5 * longest_side(rng, 0.035, 0.2) * np.ones(3)
    if chance(rng, 0.6):
        radii = radii * ratios(rng, 3, 0.45, 1.0)
    return Solid((ellipsoid(radii),)).centred()


def book(rng: np.random.Generator) -> Solid:
    """Flat slab with covers, or a phone or a remote control."""
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


def pen(rng: np.random.Generator) -> Solid:
    """Thin rod with a tip: pens, candles, batteries, tubes of toothpaste."""
    s = longest_side(rng, 0.08, 0.2)
    r = 0.5 * s * log_uniform(rng, 0.05, 0.25)
    line = [(0, 0), (r, 0), (r, uniform(rng, 0.6, 0.95) * s), (uniform(rng, 0.1, 0.9) * r, s)]
    core = (r * uniform(rng, 0.3, 2.0), 0.0) if chance(rng, 0.25) else (0.0, 0.0)
    part = revolution([*line, (0, s)], pose(pitch=np.pi / 2), core=core)
    return Solid((part,)).centred()
