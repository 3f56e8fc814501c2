"""Random compositions: a trunk with limbs on it, mirrored or in a ring.

Parts and symmetries are those of artefacts, the composition is random. What would be a held-out
family by construction is left out: no loops on open vessels (mugs), nothing at the ends of a bar
(hammers, dumbbells). By chance one may resemble a teapot or a jug.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from iscene_ros.lab.synthetic.primitives import (
    arc_chain,
    box,
    chance,
    cylinder,
    ellipsoid,
    extrusion,
    frustum,
    hollowed,
    log_uniform,
    longest_side,
    pose,
    ratios,
    revolution,
    smoothed,
    sweep,
    uniform,
    wall_thickness,
)
from iscene_ros.lab.synthetic.shapes import Part, Solid
from iscene_ros.lab.synthetic.surface_detail import random_surface_frame

MIRRORS = (np.diag([-1.0, 1, 1, 1]), np.diag([1.0, -1, 1, 1]))
# Limbs are symmetric to their own x-z plane: this makes a mirrored pose a rotation again.
OWN_MIRROR = np.diag([1.0, -1, 1, 1])
TOUCHES_WITHIN_M = 1e-3
Limb = Callable[[np.random.Generator, float, float], Part]


def assembly(rng: np.random.Generator) -> Solid:
    """Draw a compact trunk with one to three kinds of limbs."""
    size = longest_side(rng)
    trunks = (_block, _turned, _outlined, _mirrored_outline)
    trunk = Solid((trunks[int(rng.integers(len(trunks)))](rng, 0.75 * size),))
    limbs = _limbs(rng, trunk, size, (_slab, _ball, _rod, _disc, _cone, _loop))
    return Solid((*trunk.parts, *limbs)).centred()


def bent_assembly(rng: np.random.Generator) -> Solid:
    """Draw a bent bar that swells and narrows, with a limb or two along it."""
    size = longest_side(rng, 0.08, 0.3)
    count = int(rng.integers(4, 8))
    along = np.linspace(-0.5, 0.5, count)
    bend = 0.5 * size * uniform(rng, 0, 0.7) * np.cos(np.pi * along)
    wave = 0.12 * size * rng.normal(size=count) * chance(rng, 0.4)
    radii = size * log_uniform(rng, 0.04, 0.14) * ratios(rng, count, 0.5, 1.2)
    chain = np.stack([size * along, 0 * along, bend + wave, radii], 1)
    trunk = Solid((sweep(smoothed(chain, 2)),))
    middle = chain[count // 2, :3]

    def near_the_middle(at: np.ndarray) -> bool:
        return bool(np.linalg.norm(at[:3, 3] - middle) < 0.3 * size)

    limbs = _limbs(rng, trunk, 0.6 * size, (_slab, _ball, _disc, _loop), near_the_middle)
    return Solid((*trunk.parts, *limbs)).centred()


def vessel_assembly(rng: np.random.Generator) -> Solid:
    """Draw an open vessel with knobs, feet or flanges."""
    height = longest_side(rng, 0.06, 0.25)
    radius = 0.5 * height * log_uniform(rng, 0.4, 2.0)
    line = smoothed([(0, 0), *_profile(rng, radius, height)], 2)
    core = tuple(radius * rng.uniform(0, 0.8, 2)) if chance(rng, 0.5) else (0.0, 0.0)
    full = Solid((revolution([*line, (0, height)], core=core),))
    # Where the surface does not face up.
    limbs = _limbs(rng, full, height, (_slab, _ball, _disc), lambda at: at[2, 2] < 0.5)
    return Solid(hollowed(line, wall_thickness(rng, height), limbs, core)).centred()


def _limbs(
    rng: np.random.Generator,
    trunk: Solid,
    size: float,
    kinds: Sequence[Limb],
    fits: Callable[[np.ndarray], bool] = lambda at: True,
) -> list[Part]:
    """Draw one to three kinds of limbs and their copies, where these touch the trunk."""
    parts: list[Part] = []
    for _ in range(int(rng.integers(1, 4))):
        at = random_surface_frame(rng, trunk)
        kind = kinds[int(rng.integers(len(kinds)))]
        blend = 0.06 * size * chance(rng, 0.3)
        limb = kind(rng, size * log_uniform(rng, 0.12, 0.6), blend)
        for copy in limb_copies(rng, at):
            position = torch.from_numpy(copy[None, :3, 3]).float()
            if fits(copy) and trunk.distance(position) < TOUCHES_WITHIN_M:
                parts.append(limb.moved(copy))
    return parts


def limb_copies(rng: np.random.Generator, at: np.ndarray) -> list[np.ndarray]:
    """Return the pose (4, 4) alone, with its mirror image, or several times around z."""
    draw = rng.random()
    if draw < 0.35:
        return [at]
    if draw < 0.75:
        mirror = MIRRORS[int(rng.integers(2))]
        return [at, mirror @ at @ OWN_MIRROR]
    count = int(rng.integers(3, 6))
    return [pose(yaw=2 * np.pi * k / count) @ at for k in range(count)]


def _block(rng: np.random.Generator, s: float) -> Part:
    sides = s * ratios(rng, 3, 0.25, 1.0)
    return box(sides, rounding=uniform(rng, 0, 0.5) * sides.min() * chance(rng, 0.7))


def _turned(rng: np.random.Generator, s: float) -> Part:
    height = s * uniform(rng, 0.4, 1.0)
    radius = 0.5 * s * uniform(rng, 0.3, 0.9)
    core = tuple(radius * rng.uniform(0, 0.7, 2)) if chance(rng, 0.4) else (0.0, 0.0)
    line = smoothed([(0, 0), *_profile(rng, radius, height)], 2 if chance(rng, 0.7) else 0)
    return revolution([*line, (0, height)], core=core)


def _profile(rng: np.random.Generator, radius: float, height: float) -> list[tuple]:
    """Return points (r, z) from the bottom to the top."""
    levels = np.sort(rng.uniform(0.05, 0.95, int(rng.integers(1, 5))))
    levels = np.concatenate([[0.0], levels, [1.0]])
    return list(zip(radius * ratios(rng, len(levels), 0.5, 1.0), height * levels, strict=True))


def _outline(rng: np.random.Generator, s: float) -> np.ndarray:
    """Draw a smooth star-shaped outline (24, 2) of a few waves."""
    turn = 2 * np.pi * np.arange(24) / 24
    waves = sum(
        rng.normal(0, 0.22 / k) * np.cos(k * turn + rng.uniform(0, 2 * np.pi)) for k in range(2, 6)
    )
    radii = 0.5 * s * np.clip(1 + waves, 0.4, 1.4)
    stretch = uniform(rng, 0.4, 1.0)
    return np.stack([radii * np.cos(turn), stretch * radii * np.sin(turn)], 1)


def _outlined(rng: np.random.Generator, s: float) -> Part:
    height = s * log_uniform(rng, 0.12, 1.0)
    return extrusion(_outline(rng, s), height, rounding=uniform(rng, 0, 0.3) * height)


def _mirrored_outline(rng: np.random.Generator, s: float) -> Part:
    outline = _outline(rng, s)
    outline = 0.5 * (outline + np.roll(outline[::-1], 1, axis=0) * (1, -1))
    height = s * log_uniform(rng, 0.12, 1.0)
    return extrusion(outline, height, rounding=uniform(rng, 0, 0.3) * height)


def _slab(rng: np.random.Generator, s: float, blend: float) -> Part:
    sides = s * np.array([1.0, *ratios(rng, 2, 0.12, 1.0)])
    sides = np.maximum(rng.permutation(sides), 0.003)
    return box(
        sides, pose((0, 0, uniform(rng, 0, 0.45) * sides[2])), 0.2 * float(sides.min()), blend=blend
    )


def _ball(rng: np.random.Generator, s: float, blend: float) -> Part:
    radii = 0.5 * s * ratios(rng, 3, 0.4, 1.0)
    return ellipsoid(radii, pose((0, 0, uniform(rng, -0.3, 0.8) * radii[2])), blend=blend)


def _rod(rng: np.random.Generator, s: float, blend: float) -> Part:
    """Draw a straight or bent rod that is thicker or thinner towards its end."""
    radius = max(s * uniform(rng, 0.08, 0.25), 0.002)
    away = s * uniform(rng, -0.7, 0.7) * chance(rng, 0.6)
    chain = [(0, 0, -radius, radius), (0, 0, 0.6 * s, radius), (away, 0, 1.2 * s, radius)]
    chain = smoothed(chain, 2)
    chain[:, 3] *= np.linspace(1, uniform(rng, 0.4, 1.3), len(chain))
    return sweep(chain, blend=blend)


def _disc(rng: np.random.Generator, s: float, blend: float) -> Part:
    """Draw a disc that lies on the surface, or stands in it like a wheel."""
    height = max(s * uniform(rng, 0.1, 0.5), 0.003)
    at = pose(roll=np.pi / 2) if chance(rng, 0.4) else pose((0, 0, 0.4 * height))
    return cylinder(0.5 * s, height, at, 0.2 * height, blend=blend)


def _cone(rng: np.random.Generator, s: float, blend: float) -> Part:
    wide = 0.5 * s * uniform(rng, 0.4, 1.0)
    return frustum(wide, wide * uniform(rng, 0.1, 0.9), s, pose((0, 0, -0.1 * s)), blend=blend)


def _loop(rng: np.random.Generator, s: float, blend: float) -> Part:
    """Draw an arc that stands on one end; where the trunk goes on there, on both."""
    wire = max(s * uniform(rng, 0.06, 0.16), 0.002)
    arc = arc_chain(0.5 * s, 0.0, np.pi, [wire]) - (0.5 * s, 0, 0, 0)
    return sweep(arc, blend=blend)
