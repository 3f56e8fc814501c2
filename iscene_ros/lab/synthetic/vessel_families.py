"""Further shape families, vessels: handles, thin open walls, tubes and shells of other outlines.

None is a held-out family under another name: the held-out vessels are a straight-walled cup with a
round loop (mug), a closed ball with spout and lid (teapot), a flat canister with a grip cut through
it (detergent_jug) and a gabled square column (milk_carton). Each docstring says what sets it apart.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from iscene_ros.lab.synthetic.family_sizes import (
    chance,
    log_uniform,
    longest_side,
    ratios,
    thin_wall,
    uniform,
)
from iscene_ros.lab.synthetic.part_builders import (
    arc_chain,
    box,
    cylinder,
    ellipsoid,
    hollowed,
    pose,
    revolution,
    smoothed,
    sweep,
    wall_profile,
)
from iscene_ros.lab.synthetic.shapes import Operation, Solid

CUT = Operation.SUBTRACT


def pitcher(rng: np.random.Generator) -> Solid:
    """Jug with a belly, a narrow neck, a pouring lip and an angular strap from neck to belly.

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
    """Conical thin wall, wider at the top, with a wire bail standing or leaning over the rim.

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
    """Wide straight pot with two small ears at the rim, sometimes under a domed lid with a knob.

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
    """Thin hollow bowl on a stem with a foot: wine glasses, egg cups, sundae dishes.

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
    """Thin open box or round tub whose wall is cut by slots: baskets, trays for cutlery, colanders.

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
    wall = thin_wall(rng)
    return Solid((revolution(wall_profile(line, wall), core=core), *slots)).centred()


def bent_tube(rng: np.random.Generator) -> Solid:
    """Hollow pipe, bent, its radius changing along the way: elbows, horns, hoses, drain traps."""
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
    """Part of a thin shell of revolution: gutters, visors, scoops, shards, half eggs."""
    s = longest_side(rng, 0.07, 0.26)
    r, wall = s * uniform(rng, 0.2, 0.5), thin_wall(rng)
    radii = r * ratios(rng, 3, 0.5, 1.2)
    outer = smoothed([(radii[0], 0), (radii[1], 0.5 * s), (radii[2], s)], 2)
    profile = np.concatenate([outer, (outer - (wall, 0))[::-1]])
    profile[:, 0] = np.maximum(profile[:, 0], 1e-3)
    turn = pose(yaw=uniform(rng, -3, 3), pitch=uniform(rng, -0.4, 0.4))
    at = turn @ pose((2 * s + uniform(rng, -0.5, 0.4) * r, 0, 0))
    keep = box((4 * s, 4 * s, 4 * s), at, operation=Operation.INTERSECT)
    return Solid((revolution(profile), keep)).centred()


def ladle(rng: np.random.Generator) -> Solid:
    """Deep thin half ball at the end of a long bent rod."""
    s = longest_side(rng, 0.16, 0.32)
    r, rod = s * uniform(rng, 0.12, 0.2), s * uniform(rng, 0.012, 0.025)
    wall = min(thin_wall(rng), 0.2 * r)
    bowl = ellipsoid((r, r, r))
    lift = uniform(rng, 0.3, 1.0) * s
    chain = [(0.95 * r, 0, -0.05 * r), (1.1 * r, 0, 0.2 * r), (1.1 * r + s - lift, 0, lift)]
    chain = [(*corner, rod) for corner in [*chain, (1.2 * r + s - lift, 0, lift + 0.06 * s)]]
    top = box((2 * r + 1e-3, 3 * r, 2 * r), pose((-0.01 * r, 0, r)), operation=CUT)
    inside = ellipsoid((r - wall,) * 3, operation=CUT)
    return Solid((bowl, top, inside, sweep(chain))).centred()


def funnel(rng: np.random.Generator) -> Solid:
    """Thin cone that ends in a tube, open at both ends; also nozzles and lamp shades."""
    h = longest_side(rng, 0.08, 0.22)
    wide, narrow = h * uniform(rng, 0.3, 0.6), h * uniform(rng, 0.04, 0.12)
    split, wall = uniform(rng, 0.25, 0.6) * h, thin_wall(rng)
    wall = min(wall, 0.5 * narrow)
    outer = np.array([(narrow, 0), (1.1 * narrow, split), (wide, 0.9 * h), (wide, h)])
    inner = outer + [(-wall, 0), (-wall, 0.3 * wall), (-wall, 0.6 * wall), (-wall, 0)]
    return Solid((revolution([*outer, *inner[::-1]]),)).centred()


def divided_tray(rng: np.random.Generator) -> Solid:
    """Flat open box with thin dividing walls: cutlery trays, paint boxes, ice trays."""
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


def flap_carton(rng: np.random.Generator) -> Solid:
    """Opened cardboard box: thin walls, flaps at any angle. No milk_carton: no roof, no fin."""
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
