"""Random scenes of objects at rest: single, sparse, cluttered, stacked, in bins, on shelves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

from iscene_ros.synthetic.environments import (
    Environment,
    bin_on_ground,
    open_ground,
    shelf,
)
from iscene_ros.synthetic.placement import (
    CONTACT_GAP,
    PlacedSolid,
    free_path,
    lifted_out,
)
from iscene_ros.synthetic.random_shapes import ShapeOptions, random_shape
from iscene_ros.synthetic.resting_poses import resting_rotation
from iscene_ros.synthetic.settling import brought_to_rest
from iscene_ros.synthetic.shape_families import Family
from iscene_ros.synthetic.shapes import Solid


class Layout(str, Enum):
    """How the objects of a scene are arranged."""

    SINGLE = "single"
    SPARSE = "sparse"
    CLUTTER = "clutter"
    STACK = "stack"
    BIN = "bin"
    SHELF = "shelf"


@dataclass(frozen=True)
class SceneOptions:
    """Choices of the scene generator; shares are probabilities.

    `settled_share` of the scenes, but for shelves, are let go under gravity until they rest, where
    mujoco is installed; elsewhere they stay as they were placed.
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
    placed: list[PlacedSolid] = []
    names: list[str] = []
    for index in order:
        result = _place(rng, layout, turned[index], placed, ground, surroundings, options)
        if result is not None:
            placed.append(result)
            names.append(drawn[index][0])
    if options.settled_share > 0 and layout is not Layout.SHELF:
        if rng.random() < options.settled_share:
            kept, placed = brought_to_rest(rng, placed, ground, surroundings.support_height)
            names = [names[index] for index in kept]
    return RandomScene(
        solids=[item.solid for item in placed],
        families=names,
        world_from_object=np.stack([item.world_from_object for item in placed]),
        segmented=_segmented(rng, layout, len(placed), options),
        environment=surroundings.solid,
        support_height=surroundings.support_height,
        layout=layout,
    )


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


def _place(
    rng: np.random.Generator,
    layout: Layout,
    item: PlacedSolid,
    placed: list[PlacedSolid],
    ground: PlacedSolid,
    surroundings: Environment,
    options: SceneOptions,
) -> PlacedSolid | None:
    """The object at rest without interpenetration; None when it finds no room."""
    for _ in range(4):
        slides = layout is Layout.CLUTTER and rng.random() < 0.8
        if layout is Layout.SHELF or (slides and placed):
            result = _slide(rng, layout, item, placed, ground, surroundings, options)
        else:
            result = _drop(rng, layout, item, placed, ground, surroundings)
        if result is not None:
            return result
    # The first object of a scene always finds room on the open ground.
    return _on_support(item, surroundings) if not placed else None


def _on_support(item: PlacedSolid, surroundings: Environment) -> PlacedSolid:
    lift = surroundings.support_height + 0.5 * CONTACT_GAP - float(item.box_world[0][2])
    return item.shifted((0.0, 0.0, lift))


def _drop(
    rng: np.random.Generator,
    layout: Layout,
    item: PlacedSolid,
    placed: list[PlacedSolid],
    ground: PlacedSolid,
    surroundings: Environment,
) -> PlacedSolid | None:
    """Falls straight down from above at a random place until it touches."""
    x, y = _landing_place(rng, layout, item, placed, surroundings)
    top = max([float(other.box_world[1][2]) for other in placed], default=0.0)
    if np.isfinite(surroundings.height):
        top = max(top, surroundings.height)
    start = item.shifted((x, y, top + 0.01 - float(item.box_world[0][2])))
    fall = free_path(start, [*placed, ground], (0.0, 0.0, -1.0), top + 1.0)
    result = start.shifted((0.0, 0.0, -fall))
    if layout is Layout.BIN and float(result.box_world[0][2]) > 0.9 * surroundings.height:
        return None
    return lifted_out(result, [*placed, ground], rng)


def _landing_place(
    rng: np.random.Generator,
    layout: Layout,
    item: PlacedSolid,
    placed: list[PlacedSolid],
    surroundings: Environment,
) -> tuple[float, float]:
    low, high = (corner.numpy() for corner in item.box_world)
    if layout is Layout.STACK and placed and rng.random() < 0.8:
        below_low, below_high = placed[-1].box_world
        middle = 0.5 * (below_low + below_high)[:2].numpy()
        spread = 0.12 * (below_high - below_low)[:2].numpy()
        return tuple(middle + rng.normal(0, 1, 2) * spread)
    room = np.array([surroundings.half_x, surroundings.half_y])
    if layout is Layout.CLUTTER and placed:
        onto = placed[int(rng.integers(len(placed)))].world_from_object[:2, 3]
        return tuple(onto + rng.normal(0, 0.07, 2))
    if layout is not Layout.BIN:
        room = 0.75 * room if placed else 0.1 * room
        return tuple(rng.uniform(-room, room))
    room = np.maximum(room - 0.5 * (high - low)[:2] - 2e-3, 0.0)
    return tuple(rng.uniform(-room, room) - 0.5 * (high + low)[:2])


def _slide(
    rng: np.random.Generator,
    layout: Layout,
    item: PlacedSolid,
    placed: list[PlacedSolid],
    ground: PlacedSolid,
    surroundings: Environment,
    options: SceneOptions,
) -> PlacedSolid | None:
    """Moves on the support towards the others and stops at a small gap."""
    standing = _on_support(item, surroundings)
    if layout is Layout.SHELF:
        start, direction, limit = _shelf_start(rng, standing, surroundings)
        obstacles = placed
    else:
        angle = rng.uniform(-np.pi, np.pi)
        direction = -np.array([np.cos(angle), np.sin(angle), 0.0])
        aim = 0.05 * rng.normal(size=2)
        limit = 3.0
        start = standing.shifted((*(aim - limit * direction[:2]), 0.0))
        obstacles = placed
    path = free_path(start, obstacles, direction, limit)
    gap = rng.uniform(0.0, options.max_clutter_gap) if path < limit else 0.0
    if path < gap + CONTACT_GAP:
        return None
    result = start.shifted((path - gap - CONTACT_GAP) * direction)
    if layout is Layout.SHELF:
        return lifted_out(result, [*placed, ground], rng)
    within = np.abs(result.world_from_object[:2, 3]).max() < surroundings.half_x
    return lifted_out(result, [*placed, ground], rng) if within else None


def _shelf_start(
    rng: np.random.Generator, standing: PlacedSolid, surroundings: Environment
) -> tuple[PlacedSolid, np.ndarray, float]:
    low, high = (corner.numpy().astype(float) for corner in standing.box_world)
    room_y = max(surroundings.half_y - 0.5 * (high - low)[1] - 2e-3, 0.0)
    offset_y = rng.uniform(-room_y, room_y) - 0.5 * (high + low)[1]
    offset_x = surroundings.half_x - high[0] - 2e-3
    width = 2 * surroundings.half_x - 4e-3 - (high - low)[0]
    start = standing.shifted((offset_x, offset_y, 0.0))
    return start, np.array([-1.0, 0.0, 0.0]), max(width, 0.0)


def _segmented(
    rng: np.random.Generator, layout: Layout, count: int, options: SceneOptions
) -> np.ndarray:
    if layout is Layout.SINGLE:
        return np.ones(count, bool)
    segmented = rng.random(count) >= options.unsegmented_share
    segmented[int(rng.integers(count))] = True
    return segmented
