"""Open pots with straps on their sides."""

from __future__ import annotations

import numpy as np

from iscene_ros.lab.synthetic.primitives import (
    chance,
    hollowed,
    longest_side,
    smoothed,
    sweep,
    thin_wall,
    uniform,
    wall_thickness,
)
from iscene_ros.lab.synthetic.shapes import Solid


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
