"""Random scenes of objects at rest: single, sparse, cluttered, stacked, in bins, on shelves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from iscene_ros.lab.synthetic.arranging import Layout, arranged, landing_place
from iscene_ros.lab.synthetic.collisions import PlacedSolid
from iscene_ros.lab.synthetic.dropping import drop, lift_above
from iscene_ros.lab.synthetic.environments import (
    Environment,
    bin_on_ground,
    open_ground,
    shelf,
)
from iscene_ros.lab.synthetic.resting_poses import resting_rotation
from iscene_ros.lab.synthetic.shape_families import Family, ShapeOptions, random_shape
from iscene_ros.lab.synthetic.shapes import Solid
from iscene_ros.lab.synthetic.simulation import mujoco_is_installed


@dataclass(frozen=True)
class SceneOptions:
    """Choices of the scene generator; shares are probabilities.

    In `settled_share` of the scenes, but for shelves, the objects fall until they rest, where
    mujoco is installed; elsewhere they are placed.
    """

    max_objects: int = 12
    single_share: float = 0.3
    sparse_share: float = 0.15
    clutter_share: float = 0.25
    stack_share: float = 0.1
    bin_share: float = 0.12
    shelf_share: float = 0.08
    tilted_share: float = 0.25
    unsegmented_share: float = 0.15
    max_clutter_gap: float = 0.02
    settled_share: float = 0.0

    def shares(self) -> np.ndarray:
        """Probabilities (6,) of the layouts in the order of `Layout`."""
        values = np.array([getattr(self, f"{layout.value}_share") for layout in Layout])
        return values / values.sum()


@dataclass(frozen=True, eq=False)
class RandomScene:
    """Objects at rest; the environment is a union of boxes in the world frame."""

    solids: list[Solid]
    families: list[str]
    world_from_object: np.ndarray  # (N,4,4) float64
    segmented: np.ndarray  # (N,) bool; the others count as environment
    environment: Solid
    support_height: float
    layout: Layout

    def placed(self) -> list[PlacedSolid]:
        """The solids at their poses."""
        poses = zip(self.solids, self.world_from_object, strict=True)
        return [PlacedSolid(solid, transform) for solid, transform in poses]


def random_scene(
    rng: np.random.Generator,
    families: Mapping[str, Family],
    options: SceneOptions,
    shapes: ShapeOptions | None = None,
    device: str = "cpu",
) -> RandomScene:
    """Draws a layout and objects and drops or slides them into place one after the other.

    Signed distances are computed on a torch device.
    """
    shapes = shapes or ShapeOptions()
    layout = list(Layout)[int(rng.choice(len(Layout), p=options.shares()))]
    count = _object_count(rng, layout, options)
    drawn = [random_shape(rng, families, shapes) for _ in range(count)]
    turned = [
        PlacedSolid(solid, resting_rotation(rng, options.tilted_share), device=device)
        for _, solid in drawn
    ]
    order = _order(rng, layout, turned)
    surroundings = _environment(rng, layout, turned)
    ground = PlacedSolid(surroundings.solid, np.eye(4), is_environment=True, device=device)
    names = [name for name, _ in drawn]
    kept: list[int] = []
    if _falls(rng, layout, options):
        kept, placed = _fallen(rng, layout, turned, order, ground, surroundings)
    if not kept:
        kept, placed = arranged(
            rng, layout, turned, order, ground, surroundings, options.max_clutter_gap
        )
    return RandomScene(
        solids=[item.solid for item in placed],
        families=[names[index] for index in kept],
        world_from_object=np.stack([item.world_from_object for item in placed]),
        segmented=_segmented(rng, layout, len(placed), options),
        environment=surroundings.solid,
        support_height=surroundings.support_height,
        layout=layout,
    )


def _falls(rng: np.random.Generator, layout: Layout, options: SceneOptions) -> bool:
    wanted = options.settled_share > 0 and layout is not Layout.SHELF
    return wanted and rng.random() < options.settled_share and mujoco_is_installed()


def _fallen(
    rng: np.random.Generator,
    layout: Layout,
    turned: list[PlacedSolid],
    order: np.ndarray,
    ground: PlacedSolid,
    surroundings: Environment,
) -> tuple[list[int], list[PlacedSolid]]:
    """Which of the objects come to rest after all have fallen, and where."""
    above: list[PlacedSolid] = []
    for index in order:
        x, y = landing_place(rng, layout, turned[index], above, surroundings)
        above.append(lift_above(turned[index].shifted((x, y, 0.0)), above, surroundings))
    kept, placed = drop(rng, above, ground, surroundings.support_height)
    return [int(order[number]) for number in kept], placed


def _object_count(rng: np.random.Generator, layout: Layout, options: SceneOptions) -> int:
    low, high = {
        Layout.SINGLE: (1, 1),
        Layout.SPARSE: (2, 7),
        Layout.CLUTTER: (3, 12),
        Layout.STACK: (2, 6),
        Layout.BIN: (3, 12),
        Layout.SHELF: (3, 9),
    }[layout]
    return max(1, min(int(rng.integers(low, high + 1)), options.max_objects))


def _order(rng: np.random.Generator, layout: Layout, turned: list[PlacedSolid]) -> np.ndarray:
    if layout is not Layout.STACK:
        return rng.permutation(len(turned))
    footprints = [float((t.box_world[1] - t.box_world[0])[:2].prod()) for t in turned]
    return np.argsort(footprints)[::-1]


def _environment(
    rng: np.random.Generator, layout: Layout, turned: list[PlacedSolid]
) -> Environment:
    sizes = np.array([(t.box_world[1] - t.box_world[0]).numpy() for t in turned], float)
    area = float(np.prod(sizes[:, :2], axis=1).sum())
    half = 0.5 * np.sqrt(area)
    widest = float(sizes[:, :2].max())
    if layout is Layout.BIN:
        half_x = max(half * rng.uniform(0.7, 1.2), 0.6 * widest)
        return bin_on_ground(rng, half_x, max(half_x * rng.uniform(0.6, 1.0), 0.6 * widest))
    if layout is Layout.SHELF:
        half_x = max(half * rng.uniform(1.2, 2.0), 0.7 * widest)
        height = float(sizes[:, 2].max()) * rng.uniform(1.1, 2.0) + 0.02
        return shelf(rng, half_x, 0.5 * widest * rng.uniform(1.3, 2.2), height)
    reach = widest + half * rng.uniform(1.2, 3.0)
    return open_ground(rng, reach)


def _segmented(
    rng: np.random.Generator, layout: Layout, count: int, options: SceneOptions
) -> np.ndarray:
    if layout is Layout.SINGLE:
        return np.ones(count, bool)
    segmented = rng.random(count) >= options.unsegmented_share
    segmented[int(rng.integers(count))] = True
    return segmented
