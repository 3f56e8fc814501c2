"""Shape families of toys and fruit: smooth compact bodies."""

from __future__ import annotations

import numpy as np

from iscene_ros.lab.synthetic.primitives import (
    arc_chain,
    box,
    chance,
    cylinder,
    ellipsoid,
    longest_side,
    pose,
    ratios,
    revolution,
    smoothed,
    sweep,
    uniform,
)
from iscene_ros.lab.synthetic.shapes import Solid


def toy_animal(rng: np.random.Generator) -> Solid:
    """Draw a body, head, legs, ears and tail, smoothly joined."""
    s = longest_side(rng, 0.06, 0.25)
    body = s * np.array([0.32, *rng.uniform(0.12, 0.24, 2)])
    blend = uniform(rng, 0.02, 0.07) * s
    neck = s * np.array([uniform(rng, 0.22, 0.38), 0.0, uniform(rng, 0.02, 0.3)])
    head = s * rng.uniform(0.1, 0.2, 3)
    parts = [ellipsoid(body), ellipsoid(head, pose(neck), blend=blend)]
    drop, thick = body[2] + s * uniform(rng, 0.05, 0.25), s * uniform(rng, 0.03, 0.07)
    for x in (-0.2 * s, 0.2 * s):
        for y in (-0.7, 0.7):
            foot = (x * uniform(rng, 0.9, 1.2), y * body[1], -drop, thick)
            parts.append(sweep([(x, y * body[1], 0, thick), foot], blend=blend))
    if chance(rng, 0.6):
        back, up = s * uniform(rng, 0.35, 0.55), s * uniform(rng, -0.1, 0.2)
        tail = [(-0.28 * s, 0, 0.05 * s, thick), (-back, 0, up, 0.6 * thick)]
        parts.append(sweep(tail, blend=blend))
    if chance(rng, 0.5):
        for y in (-0.6, 0.6):
            at = pose(neck + (0, y * head[1], head[2]))
            parts.append(ellipsoid((0.04 * s, 0.05 * s, 0.09 * s), at, blend=blend))
    return Solid(tuple(parts)).centred()


def toy_car(rng: np.random.Generator) -> Solid:
    """Draw a chassis, cabin and four wheels."""
    s = longest_side(rng, 0.06, 0.25)
    width, height = s * uniform(rng, 0.35, 0.6), s * uniform(rng, 0.15, 0.3)
    wheel = s * uniform(rng, 0.08, 0.15)
    cabin = s * np.array([uniform(rng, 0.3, 0.6), 0, uniform(rng, 0.12, 0.3)])
    cabin[1] = 0.9 * width
    where = (s * uniform(rng, -0.2, 0.15), 0, 0.5 * (height + cabin[2]) - 0.01 * s)
    parts = [box((s, width, height), rounding=0.3 * height * uniform(rng, 0, 1))]
    parts.append(box(cabin, pose(where), 0.08 * s * uniform(rng, 0, 1), blend=0.04 * s))
    for x in (-0.3 * s, 0.3 * s):
        for y in (-0.5 * width, 0.5 * width):
            at = pose((x, y, -0.5 * height), roll=np.pi / 2)
            parts.append(cylinder(wheel, 0.2 * width, at, rounding=0.1 * wheel))
    return Solid(tuple(parts)).centred()


def ball(rng: np.random.Generator) -> Solid:
    """Draw a sphere or ellipsoid."""
    radii = 0.5 * longest_side(rng, 0.035, 0.2) * np.ones(3)
    if chance(rng, 0.6):
        radii = radii * ratios(rng, 3, 0.45, 1.0)
    return Solid((ellipsoid(radii),)).centred()


def banana(rng: np.random.Generator) -> Solid:
    """Draw a bent, tapered chain lying flat: a banana, pepper, croissant or hook."""
    s = longest_side(rng, 0.08, 0.22)
    angle = uniform(rng, 0.6, 2.4)
    radius = 0.5 * s / np.sin(min(0.5 * angle, np.pi / 2))
    thick = s * uniform(rng, 0.06, 0.13)
    taper = thick * rng.uniform(0.25, 0.8, 2)
    widths = [taper[0], 0.9 * thick, thick, 0.9 * thick, taper[1]]
    chain = arc_chain(radius, -0.5 * angle, 0.5 * angle, widths, 9)
    return Solid((sweep(chain, pose(roll=np.pi / 2)),)).centred()


def fruit(rng: np.random.Generator) -> Solid:
    """Draw an apple, pear, lemon or egg: a smooth profile, with or without dents and a stem."""
    h = longest_side(rng, 0.04, 0.12)
    r = 0.5 * h * uniform(rng, 0.6, 1.2)
    top, dent = uniform(rng, 0.4, 1.0), h * uniform(rng, 0, 0.1)
    line = [(0, dent), (0.7 * r, 0), (r, 0.35 * h), (top * r, 0.75 * h)]
    line += [(0.5 * top * r, h), (0, h - dent)]
    parts = [revolution(smoothed(line, 2))]
    if chance(rng, 0.4):
        stem = [(0, 0, h - 2 * dent, 0.02 * h), (0.05 * h, 0, 1.1 * h, 0.025 * h)]
        parts.append(sweep(stem))
    return Solid(tuple(parts)).centred()
