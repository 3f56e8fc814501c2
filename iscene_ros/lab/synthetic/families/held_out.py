"""Held-out shape families, for evaluation only: no training family is a case of them."""

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
    longest_side,
    pose,
    revolution,
    smoothed,
    sweep,
    torus,
    uniform,
    wall_profile,
    wall_thickness,
)
from iscene_ros.lab.synthetic.shapes import Operation, Solid

CUT = Operation.SUBTRACT


def mug(rng: np.random.Generator) -> Solid:
    """Draw a hollow cup with a handle."""
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
    inside = revolution(cavity, operation=CUT)
    return Solid((body, handle, inside)).centred()


def teapot(rng: np.random.Generator) -> Solid:
    """Round body with lid, spout and handle."""
    width = longest_side(rng, 0.12, 0.22)
    r = 0.3 * width
    body = ellipsoid((r, r, r * uniform(rng, 0.7, 1.0)))
    foot = cylinder(0.6 * r, 0.3 * r, pose((0, 0, -0.75 * r)))
    knob = ellipsoid((0.15 * r,) * 3, pose((0, 0, 1.05 * r)))
    lid = frustum(0.5 * r, 0.1 * r, 0.25 * r, pose((0, 0, 0.75 * r)))
    chain = [(0.7 * r, 0, -0.3 * r, 0.3 * r), (1.3 * r, 0, 0.0, 0.17 * r)]
    spout = sweep([*chain, (1.7 * r, 0, 0.7 * r, 0.12 * r)], blend=0.15 * r)
    loop = torus(0.55 * r, 0.1 * r, pose((-1.05 * r, 0, 0.05 * r), roll=np.pi / 2))
    return Solid((body, foot, lid, knob, spout, loop)).centred()


def hammer(rng: np.random.Generator) -> Solid:
    """Draw a long handle with a head across it."""
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
    """Draw a U-shaped frame with a screw through one arm."""
    s = longest_side(rng, 0.08, 0.2)
    deep, arm = s * uniform(rng, 0.5, 0.9), s * uniform(rng, 0.1, 0.18)
    outline = [(0, 0), (s, 0), (s, arm), (arm, arm)]
    outline += [(arm, deep - arm), (s, deep - arm), (s, deep), (0, deep)]
    frame = extrusion(outline, arm * uniform(rng, 0.8, 1.6), rounding=0.05 * arm)
    screw = cylinder(0.3 * arm, 0.7 * deep, pose((s - 0.6 * arm, 0.85 * deep, 0), roll=np.pi / 2))
    bar = cylinder(0.2 * arm, 0.4 * s, pose((s - 0.6 * arm, 1.15 * deep, 0), pitch=np.pi / 2))
    return Solid((frame, screw, bar)).centred()


def dumbbell(rng: np.random.Generator) -> Solid:
    """Draw a grip between two round or hexagonal heads, lying along x."""
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
    """Draw a pear or light bulb: a wide body that narrows to a stem."""
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
    """Draw a flat canister with a grip cut through one shoulder and a cap on the other."""
    height = longest_side(rng, 0.16, 0.32)
    width, depth = height * uniform(rng, 0.5, 0.8), height * uniform(rng, 0.25, 0.4)
    body = box((width, depth, 0.85 * height), rounding=0.35 * depth)
    at = pose((0.27 * width, 0, 0.17 * height), pitch=uniform(rng, -0.3, 0.1))
    size = (0.2 * width, 2 * depth, 0.3 * height)
    hole = box(size, at, rounding=0.08 * width, operation=CUT)
    at = pose((-0.2 * width, 0, 0.48 * height))
    cap = cylinder(depth * uniform(rng, 0.25, 0.42), 0.2 * height, at)
    return Solid((body, hole, cap)).centred()


def game_controller(rng: np.random.Generator) -> Solid:
    """Draw two horns and a flat middle, with sticks and a pad on top."""
    s = longest_side(rng, 0.12, 0.2)
    thick = s * uniform(rng, 0.12, 0.18)
    middle = box((0.62 * s, 0.42 * s, thick), rounding=0.4 * thick)
    parts = [middle]
    for side in (-1, 1):
        where = (side * 0.33 * s, -0.08 * s, -0.1 * thick)
        at = pose(where, yaw=side * uniform(rng, 0.15, 0.45))
        horn = ellipsoid((0.19 * s, 0.33 * s, 0.62 * thick), at, blend=0.06 * s)
        stick = cylinder(0.055 * s, 0.6 * thick, pose((side * 0.17 * s, -0.09 * s, 0.6 * thick)))
        parts += [horn, stick]
    return Solid(tuple(parts)).centred()


def stapler(rng: np.random.Generator) -> Solid:
    """Draw a foot and an arm that meet at one end, open at the other."""
    s = longest_side(rng, 0.1, 0.2)
    width, thick = s * uniform(rng, 0.2, 0.35), s * uniform(rng, 0.07, 0.12)
    angle = uniform(rng, 0.12, 0.35)
    foot = box((s, width, thick), rounding=0.2 * thick)
    lift = 0.5 * s * np.sin(angle) + thick
    arm = box((s, 0.8 * width, 1.4 * thick), pose((0, 0, lift), pitch=-angle), rounding=0.5 * thick)
    hinge = box((0.2 * s, 0.8 * width, 1.8 * thick), pose((-0.4 * s, 0, 0.7 * thick)))
    return Solid((foot, arm, hinge)).centred()


def milk_carton(rng: np.random.Generator) -> Solid:
    """Draw a square column with a sloped top and a flat fin along its ridge."""
    width = longest_side(rng, 0.12, 0.26) * 0.36
    height, roof = width * uniform(rng, 1.6, 2.4), width * uniform(rng, 0.35, 0.6)
    outline = [(-0.5 * width, 0), (0.5 * width, 0), (0.02 * width, roof), (-0.02 * width, roof)]
    top = extrusion(outline, width, pose((0, 0, 0.5 * height), roll=np.pi / 2))
    fin = box(
        (max(0.04 * width, 0.003), width, 0.2 * width),
        pose((0, 0, 0.5 * height + roof + 0.06 * width)),
    )
    return Solid((box((width, width, height)), top, fin)).centred()
