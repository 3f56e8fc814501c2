"""Shape families of the kitchen: bowls, cups, pots and pans, open vessels, cutlery.

None is a held-out family under another name. The held-out vessels are a straight-walled cup with a
round loop (mug) and a closed ball with spout and lid (teapot); docstrings state the difference.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from iscene_ros.lab.synthetic.primitives import (
    arc_chain,
    box,
    chance,
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
    wall_profile,
    wall_thickness,
)
from iscene_ros.lab.synthetic.shapes import Operation, Solid

CUT = Operation.SUBTRACT


def bowl(rng: np.random.Generator) -> Solid:
    """Draw a hollow bowl, round or oval, on a foot or not."""
    width = longest_side(rng, 0.09, 0.26)
    radius, depth = 0.5 * width, width * uniform(rng, 0.2, 0.55)
    foot = radius * uniform(rng, 0.25, 0.7)
    line = [(0, 0), (foot, 0), (radius * uniform(rng, 0.8, 1.0), depth * uniform(rng, 0.15, 0.5))]
    line = smoothed([*line, (radius, depth)], 2)
    core = (radius * uniform(rng, 0.1, 0.6), 0.0) if chance(rng, 0.25) else (0.0, 0.0)
    profile = wall_profile(line, wall_thickness(rng, width))
    return Solid((revolution(profile, core=core),)).centred()


def plate(rng: np.random.Generator) -> Solid:
    """Draw a shallow plate or tray."""
    width = longest_side(rng, 0.12, 0.3)
    radius, depth = 0.5 * width, width * uniform(rng, 0.05, 0.14)
    flat = uniform(rng, 0.5, 0.8) * radius
    line = smoothed([(0, 0), (flat, 0), (flat * 1.1, 0.6 * depth), (radius, depth)])
    core = tuple(radius * rng.uniform(0.1, 0.6, 2)) if chance(rng, 0.3) else (0.0, 0.0)
    # A wall thicker than the plate is deep would fold over itself.
    profile = wall_profile(line, min(wall_thickness(rng, width), 0.35 * depth))
    return Solid((revolution(profile, core=core),)).centred()


def tumbler(rng: np.random.Generator) -> Solid:
    """Draw a hollow cup or pot without a handle, straight or conical."""
    height = longest_side(rng, 0.07, 0.18)
    top = 0.5 * height * uniform(rng, 0.6, 1.3)
    bottom = top * uniform(rng, 0.6, 1.05)
    line = [(0, 0), (bottom, 0), (0.5 * (top + bottom) * uniform(rng, 0.95, 1.1), 0.5 * height)]
    line = smoothed([(0, 0), (0.8 * bottom, 0), *line[1:], (top, height)])
    return Solid((revolution(wall_profile(line, wall_thickness(rng, height))),)).centred()


def frying_pan(rng: np.random.Generator) -> Solid:
    """Draw a shallow hollow pan with a straight handle."""
    width = longest_side(rng, 0.1, 0.26)
    radius, depth = 0.5 * width, width * uniform(rng, 0.12, 0.5)
    line = smoothed([(0, 0), (0.8 * radius, 0), (radius, depth)])
    wall = wall_thickness(rng, width)
    thick = uniform(rng, 0.03, 0.06) * width
    reach = radius + width * uniform(rng, 0.4, 0.9)
    handle = [(radius - 0.3 * wall, 0, 0.8 * depth, thick), (reach, 0, 0.9 * depth, 1.2 * thick)]
    return Solid((revolution(wall_profile(line, wall)), sweep(handle))).centred()


def pitcher(rng: np.random.Generator) -> Solid:
    """Draw a jug with a belly, a narrow neck, a pouring lip and an angular handle.

    No mug: the wall swells and narrows, the rim has a lip, the handle is no round loop.
    """
    h = longest_side(rng, 0.14, 0.3)
    belly, wall = h * uniform(rng, 0.25, 0.4), thin_wall(rng)
    neck = belly * uniform(rng, 0.45, 0.8)
    rim = neck * uniform(rng, 1.05, 1.3)
    line = [(0, 0), (0.7 * belly, 0), (belly, 0.3 * h), (0.9 * belly, 0.5 * h), (neck, 0.8 * h)]
    thick, reach = h * uniform(rng, 0.018, 0.035), belly * uniform(rng, 1.25, 1.7)
    low = uniform(rng, 0.25, 0.4) * h
    strap = [(0.97 * neck, 0, 0.84 * h), (reach, 0, 0.86 * h), (0.95 * reach, 0, low + 0.1 * h)]
    strap = [(*corner, thick) for corner in [*strap, (0.93 * belly, 0, low)]]
    start, end = (-0.6 * neck, 0, 0.82 * h), (-1.25 * rim, 0, 1.02 * h)
    lip = sweep([(*start, 0.4 * neck), (*end, 0.25 * neck)])
    groove = [(*start, 0.4 * neck - wall), (*end, 0.25 * neck - wall)]
    above = box((4 * h, 4 * h, h), pose((0, 0, 1.5 * h)), operation=CUT)
    body = hollowed(smoothed([*line, (rim, h)], 2), wall, [sweep(strap), lip])
    return Solid((*body, sweep(groove, operation=CUT), above)).centred()


def bucket(rng: np.random.Generator) -> Solid:
    """Draw a conical thin wall, wider at the top, with a wire bail above or leaning on the rim.

    No mug: the handle is a wire arch across the mouth, hinged at two opposite sides.
    """
    h = longest_side(rng, 0.08, 0.3)
    top = h * uniform(rng, 0.45, 0.7)
    line = [(0, 0), (top * uniform(rng, 0.6, 0.85), 0), (top, 0.97 * h), (1.05 * top, h)]
    wire = uniform(rng, 0.0015, 0.004)
    arch = arc_chain(1.02 * top, 0.0, np.pi, [wire], 12)
    arch[:, 2] *= uniform(rng, 0.7, 1.1)
    bail = sweep(arch, pose((0, 0, 0.93 * h), roll=uniform(rng, -1.7, 1.7)))
    return Solid((*hollowed(line, thin_wall(rng), []), bail)).centred()


def saucepan(rng: np.random.Generator) -> Solid:
    """Draw a wide straight pot with two small ears at the rim, sometimes under a domed lid.

    No mug: ears lie flat in the plane of the rim on opposite sides; no teapot: no spout, no ball.
    """
    w = longest_side(rng, 0.12, 0.3)
    r, h = 0.5 * w, w * uniform(rng, 0.3, 0.8)
    line = smoothed([(0, 0), (0.97 * r, 0), (r, 0.1 * h), (r, h)])
    thick = w * uniform(rng, 0.012, 0.03)
    ear = arc_chain(0.25 * w, -np.pi / 2, np.pi / 2, [thick], 8)
    ear[:, 0] *= uniform(rng, 0.4, 0.9)
    at = uniform(rng, 0.75, 0.95) * h
    ears = [
        sweep(ear, pose((side * 0.96 * r, 0, at), roll=np.pi / 2, yaw=0.5 * np.pi * (1 - side)))
        for side in (-1, 1)
    ]
    if chance(rng, 0.6):
        return Solid(hollowed(line, thin_wall(rng), ears)).centred()
    dome = [*line, (0.9 * r, h + 0.04 * w), (0.4 * r, h + 0.09 * w), (0, h + 0.1 * w)]
    knob = ellipsoid((0.06 * w, 0.06 * w, 0.04 * w), pose((0, 0, h + 0.13 * w)))
    return Solid((revolution(dome), *ears, knob)).centred()


def goblet(rng: np.random.Generator) -> Solid:
    """Draw a thin hollow bowl on a stem with a foot: a wine glass, egg cup or sundae dish.

    No bulb: open and hollow above, on a thin stem with a disc below.
    """
    h = longest_side(rng, 0.1, 0.24)
    bowl, foot = h * uniform(rng, 0.18, 0.35), h * uniform(rng, 0.15, 0.28)
    stem, split = h * uniform(rng, 0.015, 0.04), h * uniform(rng, 0.2, 0.6)
    wall, plate = thin_wall(rng), max(0.02 * h, 0.002)
    cup = [(stem, split), (bowl, split + uniform(rng, 0.2, 0.6) * (h - split))]
    cup = smoothed([*cup, (bowl * uniform(rng, 0.75, 1.1), h)], 2)
    inner = wall_profile([(0, split), *cup], wall)[len(cup) + 1 :]
    outline = [(0, 0), (foot, 0), (foot, plate), (stem, 2.5 * plate), *cup, *inner[:-1]]
    return Solid((revolution([*outline, (0, split + wall)]),)).centred()


def basket(rng: np.random.Generator) -> Solid:
    """Draw a thin open box or round tub whose wall is cut by slots: a basket or colander.

    Open like open_bin, but broken by holes; nothing held out has any.
    """
    s = longest_side(rng, 0.1, 0.3)
    r, h = 0.5 * s, s * uniform(rng, 0.25, 0.7)
    core = (0.0, 0.0) if chance(rng, 0.4) else (0.6 * r, 0.6 * r * uniform(rng, 0.4, 1.0))
    outer = r - core[0]
    line = [(0, 0), (outer * uniform(rng, 0.75, 0.95), 0), (outer, h)]
    count = int(rng.integers(2, 5))
    slot = uniform(rng, 0.3, 0.6) * 2 * r / (count + 1)
    heights = (uniform(rng, 0.2, 0.35) * h, uniform(rng, 0.7, 0.85) * h)
    middle, tall = 0.5 * sum(heights), heights[1] - heights[0]
    slots = []
    for number in range(count):
        across = (number - 0.5 * (count - 1)) * 1.6 * r / count
        slots.append(box((slot, 3 * s, tall), pose((across, 0, middle)), operation=CUT))
        if chance(rng, 0.6):
            slots.append(box((3 * s, slot, tall), pose((0, across, middle)), operation=CUT))
    return Solid((revolution(wall_profile(line, thin_wall(rng)), core=core), *slots)).centred()


def ladle(rng: np.random.Generator) -> Solid:
    """Draw a deep thin half ball at the end of a long bent rod."""
    s = longest_side(rng, 0.16, 0.32)
    r, rod = s * uniform(rng, 0.12, 0.2), s * uniform(rng, 0.012, 0.025)
    wall = min(thin_wall(rng), 0.2 * r)
    lift = uniform(rng, 0.3, 1.0) * s
    chain = [(0.95 * r, 0, -0.05 * r), (1.1 * r, 0, 0.2 * r), (1.1 * r + s - lift, 0, lift)]
    chain = [(*corner, rod) for corner in [*chain, (1.2 * r + s - lift, 0, lift + 0.06 * s)]]
    top = box((2 * r + 1e-3, 3 * r, 2 * r), pose((-0.01 * r, 0, r)), operation=CUT)
    inside = ellipsoid((r - wall,) * 3, operation=CUT)
    return Solid((ellipsoid((r, r, r)), top, inside, sweep(chain))).centred()


def funnel(rng: np.random.Generator) -> Solid:
    """Draw a thin cone that ends in a tube, open at both ends: a funnel, nozzle or lamp shade."""
    h = longest_side(rng, 0.08, 0.22)
    wide, narrow = h * uniform(rng, 0.3, 0.6), h * uniform(rng, 0.04, 0.12)
    split, wall = uniform(rng, 0.25, 0.6) * h, min(thin_wall(rng), 0.5 * narrow)
    outer = np.array([(narrow, 0), (1.1 * narrow, split), (wide, 0.9 * h), (wide, h)])
    inner = outer + [(-wall, 0), (-wall, 0.3 * wall), (-wall, 0.6 * wall), (-wall, 0)]
    return Solid((revolution([*outer, *inner[::-1]]),)).centred()


def divided_tray(rng: np.random.Generator) -> Solid:
    """Draw a flat open box with thin dividing walls: a cutlery tray, paint box or ice tray."""
    s = longest_side(rng, 0.12, 0.32)
    size = s * np.array([1.0, uniform(rng, 0.4, 1.0), uniform(rng, 0.08, 0.35)])
    wall = min(thin_wall(rng), 0.3 * size[2])
    cells = []
    for side in size[:2]:
        edges = np.sort(rng.uniform(-0.4, 0.4, int(rng.integers(0, 3))))
        cells.append(side * np.array([-0.5, *edges, 0.5]))
    parts = [box(size, rounding=0.02 * s * chance(rng, 0.5))]
    for left, right in pairwise(cells[0]):
        for front, back in pairwise(cells[1]):
            room = np.array([right - left, back - front]) - 1.5 * wall
            if room.min() > 2 * wall:
                at = pose((0.5 * (left + right), 0.5 * (front + back), wall))
                rounding = uniform(rng, 0, 0.2) * room.min()
                parts.append(box((*room, size[2]), at, rounding=rounding, operation=CUT))
    return Solid(tuple(parts)).centred()


def spoon(rng: np.random.Generator) -> Solid:
    """Draw a handle with a hollowed spoon bowl, a spatula blade or a brush head."""
    s = longest_side(rng, 0.14, 0.3)
    thick = s * uniform(rng, 0.02, 0.045)
    rise = s * uniform(rng, 0.0, 0.08)
    handle = sweep(
        [(-0.6 * s, 0, rise, thick), (-0.2 * s, 0, rise, 0.7 * thick), (0.1 * s, 0, 0, 0.7 * thick)]
    )
    width = s * uniform(rng, 0.08, 0.14)
    long = s * uniform(rng, 0.12, 0.2)
    x = 0.1 * s + 0.8 * long
    if chance(rng, 0.5):
        deep = 0.5 * width
        head = ellipsoid((long, width, deep), pose((x, 0, 0)), blend=thick)
        inside = (0.88 * long, 0.85 * width, deep)
        scoop = ellipsoid(inside, pose((x, 0, 0.35 * deep)), operation=CUT)
        above = pose((x + s - long, 0, 0.5 * s + 0.05 * deep))
        return Solid((head, scoop, box((2 * s, s, s), above, operation=CUT), handle)).centred()
    size = (2 * long, 2 * width, uniform(rng, 0.2, 1.5) * thick)
    blade = box(size, pose((x, 0, 0)), rounding=0.3 * thick, blend=thick)
    return Solid((handle, blade)).centred()


def fork(rng: np.random.Generator) -> Solid:
    """Draw flat teeth at the end of a handle, or a comb of many teeth without one.

    No u_clamp: two bare prongs without a handle would be its frame, so combs have five or more.
    """
    s = longest_side(rng, 0.1, 0.28)
    has_handle = chance(rng, 0.75)
    count = int(rng.integers(2, 7)) if has_handle else int(rng.integers(5, 11))
    thick, wide = uniform(rng, 0.0015, 0.005), s * uniform(rng, 0.1, 0.3)
    deep = s * uniform(rng, 0.15, 0.35)
    pitch = wide / (2 * count - 1)
    outline = [(-0.04 * s, 0.5 * wide), (-0.04 * s, -0.5 * wide)]
    for number in range(count):
        low = -0.5 * wide + 2 * number * pitch
        outline += [(0, low)] if number else []
        outline += [(deep, low + 0.1 * pitch), (deep, low + 0.9 * pitch), (0, low + pitch)]
    parts = [extrusion(outline, thick)]
    if has_handle:
        r = s * uniform(rng, 0.015, 0.03)
        rise = s * uniform(rng, -0.05, 0.1)
        parts.append(sweep([(-0.02 * s, 0, 0, 0.6 * r), (-0.2 * s, 0, rise, 0.6 * r)]))
        parts.append(sweep([(-0.2 * s, 0, rise, 0.6 * r), (deep - s, 0, rise, r)]))
    return Solid(tuple(parts)).centred()


def handled_pot(rng: np.random.Generator) -> Solid:
    """Draw a bellied or flared open pot with one or two angular straps: cups, pots, jugs.

    No mug: the wall is never straight, and the strap has corners, no round loop.
    """
    h = longest_side(rng, 0.06, 0.2)
    base, belly = h * uniform(rng, 0.25, 0.6), h * uniform(rng, 0.45, 0.8)
    rim = belly * (uniform(rng, 0.65, 0.88) if chance(rng, 0.5) else uniform(rng, 1.12, 1.4))
    middle = uniform(rng, 0.35, 0.6) * h
    line = smoothed([(0, 0), (base, 0), (belly, middle), (rim, h)], 2)
    wall = thin_wall(rng) if chance(rng, 0.4) else wall_thickness(rng, h)
    straps = [_strap(rng, line, h)]
    if chance(rng, 0.3):
        straps.append(straps[0] * (-1, -1, 1, 1))
    return Solid(hollowed(line, wall, [sweep(strap) for strap in straps])).centred()


def _strap(rng: np.random.Generator, line: np.ndarray, h: float) -> np.ndarray:
    """Return a chain (4, 4) from the side of a profile (K, 2) outwards and back further below."""
    top, bottom = uniform(rng, 0.7, 0.92) * h, uniform(rng, 0.2, 0.45) * h
    thick = h * uniform(rng, 0.025, 0.06)
    reach = float(line[:, 0].max()) + h * uniform(rng, 0.15, 0.4)
    order = np.argsort(line[:, 1], kind="stable")
    radius = [float(np.interp(z, line[order, 1], line[order, 0])) for z in (top, bottom)]
    drop = uniform(rng, 0.0, 0.3) * (top - bottom)
    corners = [(radius[0], top), (reach, top - 0.3 * drop), (0.95 * reach, bottom + drop)]
    corners.append((radius[1], bottom))
    return np.array([(r, 0.0, z, thick) for r, z in corners])
