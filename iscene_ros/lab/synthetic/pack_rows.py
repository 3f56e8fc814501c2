"""Scenes of equal packs in rows, as on a pallet, in a crate or on a counter."""

from __future__ import annotations

import numpy as np

from iscene_ros.lab.synthetic.arrangement import Layout
from iscene_ros.lab.synthetic.environments import bin_on_ground, open_ground
from iscene_ros.lab.synthetic.families import household, kitchen, packaging
from iscene_ros.lab.synthetic.primitives import chance, pose, uniform
from iscene_ros.lab.synthetic.random_scenes import RandomScene
from iscene_ros.lab.synthetic.shapes import Solid

PACKS = (
    packaging.carton,
    packaging.carton,
    packaging.can,
    packaging.bottle,
    packaging.jar,
    kitchen.tumbler,
    kitchen.bowl,
    household.book,
    kitchen.handled_pot,
)
LARGEST_GAP = 0.006  # m
MOST_PACKS = 12


def rows_of_packs(rng: np.random.Generator) -> RandomScene:
    """Draw one pack many times: in columns and rows with small gaps, boxes also in two layers."""
    family = PACKS[int(rng.integers(len(PACKS)))]
    solid = family(rng)
    turned, size = _laid_down(rng, solid)
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    layers = 2 if family is packaging.carton and chance(rng, 0.4) else 1
    gap = uniform(rng, 0.0005, LARGEST_GAP)
    pitch = size[:2] + gap
    places = [
        ((i - 0.5 * (columns - 1)) * pitch[0], (j - 0.5 * (rows - 1)) * pitch[1], k * size[2])
        for k in range(layers)
        for j in range(rows)
        for i in range(columns)
    ]
    if chance(rng, 0.4):  # some were taken out
        keep = max(1, round(len(places) * uniform(rng, 0.5, 1.0)))
        places = _supported(rng, places, keep)
    places = places[:MOST_PACKS]
    half = 0.5 * np.array([columns * pitch[0], rows * pitch[1]]) + 0.01
    ground = bin_on_ground(rng, *half) if chance(rng, 0.3) else open_ground(rng, 1.3 * half.max())
    heading = pose(yaw=uniform(rng, -np.pi, np.pi)) if np.isinf(ground.height) else np.eye(4)
    poses = [_placed(rng, place, turned, size, ground.support_height, gap) for place in places]
    segmented = rng.random(len(poses)) >= 0.1
    segmented[int(rng.integers(len(poses)))] = True
    return RandomScene(
        solids=[solid] * len(poses),
        families=[family.__name__] * len(poses),
        world_from_object=np.stack([heading @ at for at in poses]),
        segmented=segmented,
        environment=ground.solid,
        layout=Layout.CLUTTER,
    )


def _laid_down(rng: np.random.Generator, solid: Solid) -> tuple[np.ndarray, np.ndarray]:
    """Draw a rotation (4, 4) in quarter turns; return it and the size (3,) of the solid [m]."""
    turn = pose(yaw=0.5 * np.pi * int(rng.integers(4)))
    if chance(rng, 0.15):
        turn = turn @ pose(roll=0.5 * np.pi)
    elif chance(rng, 0.1):
        turn = turn @ pose(roll=np.pi)
    low, high = (corner.numpy().astype(float) for corner in solid.bounds())
    return turn, np.abs(turn[:3, :3]) @ (high - low)


def _supported(
    rng: np.random.Generator, places: list[tuple[float, float, float]], keep: int
) -> list[tuple[float, float, float]]:
    """Draw some of the places; none without the one below it."""
    order = [places[i] for i in rng.permutation(len(places))]
    kept = sorted(order[:keep], key=lambda p: p[2])
    floor = {p[:2] for p in kept if p[2] == 0}
    return [p for p in kept if p[2] == 0 or p[:2] in floor] or places[:1]


def _placed(
    rng: np.random.Generator,
    place: tuple[float, float, float],
    turned: np.ndarray,
    size: np.ndarray,
    support: float,
    gap: float,
) -> np.ndarray:
    """Return world_from_object (4, 4) of one pack, displaced a little within its gap."""
    shake = 0.3 * gap * rng.uniform(-1, 1, 2)
    yaw = 0.3 * gap / float(size[:2].max()) * uniform(rng, -1, 1)
    at = pose((place[0] + shake[0], place[1] + shake[1], place[2] + 0.5 * size[2] + support))
    return at @ pose(yaw=yaw) @ turned
