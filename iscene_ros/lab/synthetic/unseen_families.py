"""Shape families made for evaluation only: everyday things that no training family is a case of."""

from __future__ import annotations

import numpy as np

from iscene_ros.lab.synthetic.family_sizes import chance, longest_side, uniform
from iscene_ros.lab.synthetic.part_builders import (
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


def dumbbell(rng: np.random.Generator) -> Solid:
    """A grip between two round or hexagonal heads, lying along x."""
    s = longest_side(rng, 0.12, 0.3)
    radius, width = s * uniform(rng, 0.16, 0.3), s * uniform(rng, 0.18, 0.3)
    sides = 6 if chance(rng, 0.5) else 24
    turn = 2 * np.pi * np.arange(sides) / sides
    head = np.stack([radius * np.cos(turn), radius * np.sin(turn)], 1)
    parts = [cylinder(radius * uniform(rng, 0.3, 0.5), 0.8 * s, pose(pitch=np.pi / 2))]
    for side in (-1, 1):
        at = pose((side * 0.5 * (s - width), 0, 0), pitch=np.pi / 2)
        parts.append(extrusion(head, width, at, rounding=0.05 * radius))
    return Solid(tuple(parts)).centred()


def bulb(rng: np.random.Generator) -> Solid:
    """Pear or light bulb: a wide body that narrows to a stem."""
    height = longest_side(rng, 0.07, 0.18)
    wide, narrow = height * uniform(rng, 0.28, 0.42), height * uniform(rng, 0.1, 0.2)
    line = [(0, 0), (0.8 * wide, 0.02 * height), (wide, 0.3 * height), (0.9 * wide, 0.5 * height)]
    line += [(1.2 * narrow, 0.72 * height), (narrow, 0.9 * height), (0.6 * narrow, height)]
    body = smoothed(line, 2)
    parts = [revolution([*body, (0, height)])]
    if chance(rng, 0.5):
        foot = (0.2 * narrow, 0, 1.1 * height, 0.15 * narrow)
        parts.append(sweep([(0, 0, 0.95 * height, 0.2 * narrow), foot]))
    return Solid(tuple(parts)).centred()


def detergent_jug(rng: np.random.Generator) -> Solid:
    """A flat canister with a grip cut through one shoulder and a cap on the other."""
    height = longest_side(rng, 0.16, 0.32)
    width, depth = height * uniform(rng, 0.5, 0.8), height * uniform(rng, 0.25, 0.4)
    body = box((width, depth, 0.85 * height), rounding=0.35 * depth)
    hole = box(
        (0.2 * width, 2 * depth, 0.3 * height),
        pose((0.27 * width, 0, 0.17 * height), pitch=uniform(rng, -0.3, 0.1)),
        rounding=0.08 * width,
        operation=Operation.SUBTRACT,
    )
    cap = cylinder(
        depth * uniform(rng, 0.25, 0.42), 0.2 * height, pose((-0.2 * width, 0, 0.48 * height))
    )
    return Solid((body, hole, cap)).centred()


def game_controller(rng: np.random.Generator) -> Solid:
    """Two horns and a flat middle, with sticks and a pad on top."""
    s = longest_side(rng, 0.12, 0.2)
    thick = s * uniform(rng, 0.12, 0.18)
    middle = box((0.62 * s, 0.42 * s, thick), rounding=0.4 * thick)
    parts = [middle]
    for side in (-1, 1):
        horn = ellipsoid(
            (0.19 * s, 0.33 * s, 0.62 * thick),
            pose((side * 0.33 * s, -0.08 * s, -0.1 * thick), yaw=side * uniform(rng, 0.15, 0.45)),
            operation=SMOOTH,
            blend=0.06 * s,
        )
        stick = cylinder(0.055 * s, 0.6 * thick, pose((side * 0.17 * s, -0.09 * s, 0.6 * thick)))
        parts += [horn, stick]
    return Solid(tuple(parts)).centred()


def stapler(rng: np.random.Generator) -> Solid:
    """A foot and an arm that meet at one end, open at the other."""
    s = longest_side(rng, 0.1, 0.2)
    width, thick = s * uniform(rng, 0.2, 0.35), s * uniform(rng, 0.07, 0.12)
    angle = uniform(rng, 0.12, 0.35)
    foot = box((s, width, thick), rounding=0.2 * thick)
    lift = 0.5 * s * np.sin(angle) + thick
    arm = box((s, 0.8 * width, 1.4 * thick), pose((0, 0, lift), pitch=-angle), rounding=0.5 * thick)
    hinge = box((0.2 * s, 0.8 * width, 1.8 * thick), pose((-0.4 * s, 0, 0.7 * thick)))
    return Solid((foot, arm, hinge)).centred()


def milk_carton(rng: np.random.Generator) -> Solid:
    """A square column with a sloped top and a flat fin along its ridge."""
    width = longest_side(rng, 0.12, 0.26) * 0.36
    height, roof = width * uniform(rng, 1.6, 2.4), width * uniform(rng, 0.35, 0.6)
    outline = [(-0.5 * width, 0), (0.5 * width, 0), (0.02 * width, roof), (-0.02 * width, roof)]
    top = extrusion(outline, width, pose((0, 0, 0.5 * height), roll=np.pi / 2))
    fin = box(
        (max(0.04 * width, 0.003), width, 0.2 * width),
        pose((0, 0, 0.5 * height + roof + 0.06 * width)),
    )
    return Solid((box((width, width, height)), top, fin)).centred()
