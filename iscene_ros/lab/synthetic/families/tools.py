"""Shape families of tools: grips with shafts, crossed pairs, wires, sheets, teeth, threads.

None is a held-out family under another name: no head across a handle (hammer), no U frame with a
screw (u_clamp), no two heads on a grip (dumbbell), no foot and arm hinged at one end (stapler).
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
    strip_outline,
    sweep,
    thin_wall,
    uniform,
)
from iscene_ros.lab.synthetic.shapes import Operation, Part, Solid

CUT = Operation.SUBTRACT


def screwdriver(rng: np.random.Generator) -> Solid:
    """Draw a thick profiled grip with a thin shaft along x: a screwdriver, brush or whisk."""
    s = longest_side(rng, 0.1, 0.26)
    grip = s * uniform(rng, 0.3, 0.55)
    radius = s * uniform(rng, 0.05, 0.1)
    waist = radius * uniform(rng, 0.6, 1.0)
    line = [(0, 0), (radius, 0), (radius, 0.4 * grip), (waist, 0.8 * grip)]
    line = smoothed([*line, (radius, 0.9 * grip), (0.5 * radius, grip)])
    across = pose(pitch=np.pi / 2)
    shaft = s * uniform(rng, 0.012, 0.03)
    rod = cylinder(shaft, s - 0.9 * grip, pose((0.5 * (s + 0.9 * grip), 0, 0), pitch=np.pi / 2))
    tip = box((0.06 * s, uniform(rng, 2, 5) * shaft, 1.2 * shaft), pose((s, 0, 0)))
    return Solid((revolution([*line, (0, grip)], across), rod, tip)).centred()


def power_tool(rng: np.random.Generator) -> Solid:
    """Draw a barrel on a grip with a battery: a drill, hair dryer, spray gun or glue gun."""
    s = longest_side(rng, 0.12, 0.26)
    r = s * uniform(rng, 0.12, 0.18)
    line = smoothed([(0, 0), (0.8 * r, 0), (r, 0.6 * s), (0.4 * r, 0.75 * s), (0.3 * r, s)])
    barrel = revolution([*line, (0, s)], pose((-0.4 * s, 0, 0), pitch=np.pi / 2))
    tilt, low = uniform(rng, -0.3, 0.3), s * uniform(rng, 0.5, 0.8)
    at = pose((-0.15 * s, 0, -0.5 * low), pitch=tilt)
    grip = box((0.2 * s, 1.3 * r, low), at, rounding=0.3 * r, blend=0.05 * s)
    parts = [barrel, grip]
    if chance(rng, 0.6):
        at = pose((-0.15 * s - 0.5 * low * np.sin(tilt), 0, -low))
        parts.append(box((s * uniform(rng, 0.3, 0.5), 2 * r, 0.18 * s), at, rounding=0.2 * r))
    return Solid(tuple(parts)).centred()


def pen(rng: np.random.Generator) -> Solid:
    """Draw a thin rod with a tip: a pen, candle, battery or tube of toothpaste."""
    s = longest_side(rng, 0.08, 0.2)
    r = 0.5 * s * log_uniform(rng, 0.05, 0.25)
    line = [(0, 0), (r, 0), (r, uniform(rng, 0.6, 0.95) * s), (uniform(rng, 0.1, 0.9) * r, s)]
    core = (r * uniform(rng, 0.3, 2.0), 0.0) if chance(rng, 0.25) else (0.0, 0.0)
    part = revolution([*line, (0, s)], pose(pitch=np.pi / 2), core=core)
    return Solid((part,)).centred()


def scissors(rng: np.random.Generator) -> Solid:
    """Draw two flat blades that cross at a pivot, with finger loops: scissors, shears.

    No stapler: thin, crossed in an X, in one plane.
    """
    s = longest_side(rng, 0.1, 0.25)
    blade, wide = s * uniform(rng, 0.4, 0.65), s * uniform(rng, 0.03, 0.07)
    thick, wire = uniform(rng, 0.0015, 0.004), max(s * uniform(rng, 0.015, 0.03), 0.002)
    opening, grip = uniform(rng, 0.05, 0.45), s - blade
    loop = grip * rng.uniform((0.25, 0.17), (0.35, 0.26))
    parts = [cylinder(0.6 * wide, 2.6 * thick)]
    for side in (-1, 1):
        at = pose((0, 0, 0.5 * side * thick), yaw=side * opening)
        edge = side * wide
        outline = [(-0.5 * wide, -edge), (0.6 * blade, -edge), (blade, 0)]
        parts.append(extrusion([*outline, (-0.5 * wide, 0.5 * edge)], thick, at))
        turn = np.linspace(0, 2 * np.pi, 13)
        ring = np.stack([loop[0] * np.cos(turn), loop[1] * np.sin(turn)], 1)
        ring += (loop[0] - grip, -side * (loop[1] + 0.3 * wide))
        chain = [(*point, 0, wire) for point in ring]
        shank = [(0, 0, 0, 0.8 * wire), (2 * loop[0] - grip, -side * loop[1], 0, wire)]
        parts += [sweep(chain, at), sweep(shank, at)]
    return Solid(tuple(parts)).centred()


def pliers(rng: np.random.Generator) -> Solid:
    """Draw two round bars that cross at a pivot: short jaws, long bowed grips."""
    s = longest_side(rng, 0.12, 0.26)
    jaw, r = s * uniform(rng, 0.2, 0.4), s * uniform(rng, 0.022, 0.04)
    opening, bow = uniform(rng, 0.05, 0.35), s * uniform(rng, 0.04, 0.12)
    parts = [cylinder(2.2 * r, 1.8 * r, rounding=0.2 * r)]
    for side in (-1, 1):
        tip = (jaw, side * 0.2 * r, 0, r * uniform(rng, 0.4, 0.9))
        grip = [(-0.3 * (s - jaw), -side * bow), (-0.7 * (s - jaw), -side * bow)]
        line = [(jaw * 0.5, side * r, 0, 1.2 * r), (0, 0, 0, 1.1 * r)]
        line += [(x, y, 0, r) for x, y in grip]
        chain = [tip, *line, (jaw - s, -side * 0.6 * bow, 0, r)]
        parts.append(sweep(chain, pose(yaw=side * opening)))
    return Solid(tuple(parts)).centred()


def wrench(rng: np.random.Generator) -> Solid:
    """Draw a flat bar with open jaws or a ring at its ends, in line with it."""
    s = longest_side(rng, 0.1, 0.28)
    thick, wide = s * uniform(rng, 0.025, 0.05), s * uniform(rng, 0.05, 0.09)
    parts = [box((0.8 * s, wide, 0.8 * thick), rounding=0.2 * thick)]
    cuts = []
    for side in (-1, 1):
        head = wide * uniform(rng, 0.8, 1.4)
        x = side * (0.5 * s - head)
        parts.append(cylinder(head, thick, pose((x, 0, 0)), rounding=0.1 * thick))
        gap = head * uniform(rng, 0.45, 0.65)
        if chance(rng, 0.5):
            cuts.append(cylinder(gap, 3 * thick, pose((x, 0, 0)), operation=CUT))
        else:
            turned = pose((x, 0, 0), yaw=uniform(rng, -0.3, 0.3))
            at = turned @ pose((side * 0.8 * head, 0, 0))
            cuts.append(box((2 * head, 1.4 * gap, 3 * thick), at, operation=CUT))
    return Solid((*parts, *cuts)).centred()


def knife(rng: np.random.Generator) -> Solid:
    """Draw a thin blade with a straight back and a handle in line: a knife, file or saw."""
    s = longest_side(rng, 0.15, 0.32)
    blade, wide = s * uniform(rng, 0.45, 0.7), s * uniform(rng, 0.05, 0.16)
    belly = [(0, 0), (0, -wide), (0.7 * blade, -wide), (blade, -uniform(rng, 0.0, 0.8) * wide)]
    outline = [*smoothed(belly)[1:], (blade, 0), (0, 0)]
    if chance(rng, 0.3):
        teeth = np.linspace(0.05, 0.95, 13)
        outline = [(0, 0)]
        outline += [(x * blade, -wide * (1 - 0.2 * (i % 2))) for i, x in enumerate(teeth)]
        outline += [(blade, 0)]
    grip = s - blade
    size = (grip, uniform(rng, 0.5, 1.0) * min(wide, 0.3 * grip), s * uniform(rng, 0.03, 0.06))
    handle = box(size, pose((-0.5 * grip + 0.004, -0.4 * wide, 0)), rounding=0.35 * size[2])
    return Solid((extrusion(outline, uniform(rng, 0.0015, 0.003)), handle)).centred()


def wire_form(rng: np.random.Generator) -> Solid:
    """Draw one bent wire of 3 to 8 mm: a hook, hanger, coil, clip, tent peg or cable."""
    s = longest_side(rng, 0.06, 0.28)
    radius = uniform(rng, 0.0015, 0.004)
    kind = int(rng.integers(4))
    if kind == 0:  # a random cable
        line = smoothed(rng.uniform(-0.5, 0.5, (int(rng.integers(4, 7)), 3)) * (s, s, 0.25 * s), 2)
    elif kind == 1:  # a coil
        turn = np.linspace(0, 2 * np.pi * uniform(rng, 1.5, 3.5), 36)
        wide = s * uniform(rng, 0.15, 0.4)
        rise = np.linspace(0, s, 36)
        line = np.stack([wide * np.cos(turn), wide * np.sin(turn), rise], 1)
    elif kind == 2:  # a hanger: a triangle and a hook
        hook = np.stack([np.sin(np.linspace(0, 4, 8)), 1 - np.cos(np.linspace(0, 4, 8))], 1)
        corners = s * np.array([(0, 0.05), (0.5, -0.25), (-0.5, -0.25), (0, 0.05)])
        plane = np.concatenate([corners, 0.1 * s * hook + (0, 0.08 * s)])
        line = np.column_stack([plane, np.zeros(len(plane))])
    else:  # an S hook or a zigzag
        x = np.linspace(-0.5, 0.5, 17)
        plane = np.sin(2 * np.pi * x * int(rng.integers(1, 4))) * uniform(rng, 0.15, 0.4)
        line = s * np.stack([x, plane, 0 * x], 1)
    return Solid((sweep(np.column_stack([line, np.full(len(line), radius)])),)).centred()


def brush(rng: np.random.Generator) -> Solid:
    """Draw a long flat head in line with the handle, bristles below it."""
    s = longest_side(rng, 0.12, 0.28)
    head, wide = s * uniform(rng, 0.2, 0.5), s * uniform(rng, 0.06, 0.22)
    thick, r = s * uniform(rng, 0.02, 0.05), s * uniform(rng, 0.018, 0.035)
    deep = s * uniform(rng, 0.04, 0.14)
    plate = box((head, wide, thick), rounding=0.45 * thick)
    size = (0.9 * head, 0.85 * wide, deep)
    bristles = box(size, pose((0, 0, -0.5 * (deep + 0.6 * thick))))
    rise = s * uniform(rng, -0.02, 0.08)
    chain = [
        (0.4 * head, 0, 0, r),
        (0.55 * head, 0, 0, 0.7 * r),
        (0.5 * head + 0.3 * s, 0, rise, r),
    ]
    handle = sweep([*chain, (s - 0.5 * head, 0, rise, r)], blend=0.5 * r)
    return Solid((plate, handle, bristles)).centred()


def bolt(rng: np.random.Generator) -> Solid:
    """Draw a ribbed shaft under a wider flat or hexagonal head on the same axis.

    No dumbbell: never a second head, nor a nut; no hammer: the head is coaxial with the shaft.
    """
    s = longest_side(rng, 0.04, 0.16)
    r = s * uniform(rng, 0.07, 0.16)
    head, tall = r * uniform(rng, 1.5, 2.4), s * uniform(rng, 0.08, 0.2)
    ribs = int(rng.integers(4, 10))
    levels = np.linspace(0, s, 2 * ribs + 1)
    radii = np.where(np.arange(2 * ribs + 1) % 2, r, r * uniform(rng, 0.75, 0.9))
    from_axis = [(0, 0), *zip(radii, levels, strict=True), (0, s)]
    parts = [revolution(from_axis), _head(head, tall, s - 0.5 * tall, chance(rng, 0.6))]
    return Solid(tuple(parts)).centred()


def gear(rng: np.random.Generator) -> Solid:
    """Draw a toothed disc: a gear with a bore, ribbed cap, knob, castor or pastry cutter."""
    w = longest_side(rng, 0.03, 0.18)
    r, count = 0.5 * w, int(rng.integers(6, 22))
    depth = uniform(rng, 0.7, 0.93)
    turn = 2 * np.pi * np.arange(4 * count) / (4 * count)
    radii = r * np.where(np.arange(4 * count) % 4 < 2, 1.0, depth)
    outline = np.stack([radii * np.cos(turn), radii * np.sin(turn)], 1)
    h = w * uniform(rng, 0.12, 0.8)
    parts = [extrusion(outline, h)]
    if chance(rng, 0.6):
        bore = r * uniform(rng, 0.15, 0.6)
        parts.append(cylinder(bore, 3 * h, operation=CUT))
    elif chance(rng, 0.6):
        wall = min(thin_wall(rng), 0.3 * r)
        cup = cylinder(depth * r - wall, h, pose((0, 0, wall)), operation=CUT)
        parts.append(cup)
    else:
        parts.append(ellipsoid((0.6 * r, 0.6 * r, 0.4 * h), pose((0, 0, 0.5 * h))))
    return Solid(tuple(parts)).centred()


def bent_sheet(rng: np.random.Generator) -> Solid:
    """Draw a thin sheet bent along one direction: a wave, zigzag, roll, easel or bracket."""
    s = longest_side(rng, 0.08, 0.28)
    thick, kind = thin_wall(rng), int(rng.integers(4))
    if kind == 0:
        x = np.linspace(0, 1, 25)
        line = np.stack([x, uniform(rng, 0.04, 0.15) * np.sin(x * uniform(rng, 4, 16))], 1)
    elif kind == 1:
        count = int(rng.integers(3, 6))
        x = np.cumsum([0.0, *ratios(rng, count - 1, 0.4, 1.0)])
        corners = np.stack(
            [x / x[-1], 0.3 * rng.uniform(0.2, 1, count) * (np.arange(count) % 2)], 1
        )
        line = smoothed(corners, 2)
    elif kind == 2:
        turn = np.linspace(0, uniform(rng, 1.0, 9.0), 30)
        reach = 0.5 - 0.3 * turn / 9.0
        line = np.stack([reach * np.cos(turn), reach * np.sin(turn)], 1)
    else:
        angle = uniform(rng, 0.5, 2.2)
        arm = uniform(rng, 0.4, 1.0)
        fold = [(arm * np.cos(angle), arm * np.sin(angle)), (0, 0), (1, 0)]
        line = smoothed(fold, 3)
    outline = strip_outline(s * np.asarray(line), thick)
    width = s * uniform(rng, 0.2, 1.0)
    return Solid((extrusion(outline, width, pose(roll=np.pi / 2 * chance(rng, 0.7))),)).centred()


def _head(radius: float, height: float, middle: float, hexagonal: bool) -> Part:
    if not hexagonal:
        return cylinder(radius, height, pose((0, 0, middle)), rounding=0.3 * height)
    turn = np.pi / 3 * np.arange(6)
    outline = radius * np.stack([np.cos(turn), np.sin(turn)], 1)
    return extrusion(outline, height, pose((0, 0, middle)))
