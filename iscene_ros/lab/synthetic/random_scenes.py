"""Random scenes of objects at rest: single, sparse, cluttered, stacked, in bins, on shelves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from iscene_ros.lab.synthetic.arrangement import Arranger, Layout
from iscene_ros.lab.synthetic.collisions import PlacedSolid
from iscene_ros.lab.synthetic.dropping import drop, lift_above
from iscene_ros.lab.synthetic.environments import Environment, bin_on_ground, open_ground, shelf
from iscene_ros.lab.synthetic.primitives import pose
from iscene_ros.lab.synthetic.shape_families import PLAIN_SHAPES, Family, ShapeOptions, random_shape
from iscene_ros.lab.synthetic.shapes import Solid
from iscene_ros.lab.synthetic.simulation import mujoco_is_installed

# Share of the objects that lean or lie in an arbitrary orientation.
TILTED_SHARE = 0.25
# Least and largest number of objects.
OBJECTS = {
    Layout.SINGLE: (1, 1),
    Layout.SPARSE: (2, 7),
    Layout.CLUTTER: (3, 12),
    Layout.STACK: (2, 6),
    Layout.BIN: (3, 12),
    Layout.SHELF: (3, 9),
}


@dataclass(frozen=True)
class SceneOptions:
    """Choices of the scene generator; shares are probabilities.

    Attributes:
        max_objects: Largest number of objects in a scene.
        single_share, sparse_share, clutter_share, stack_share, bin_share, shelf_share: Shares of
            the layouts, relative to their sum.
        unsegmented_share: Share of objects without a mask, in scenes of several.
        settled_share: Share of scenes, but shelves, whose objects are dropped by mujoco where it is
            installed; in the others they are arranged without physics.
    """

    max_objects: int = 12
    single_share: float = 0.3
    sparse_share: float = 0.15
    clutter_share: float = 0.25
    stack_share: float = 0.1
    bin_share: float = 0.12
    shelf_share: float = 0.08
    unsegmented_share: float = 0.15
    settled_share: float = 0.0

    def shares(self) -> np.ndarray:
        """Return the probabilities (6,) of the layouts in the order of `Layout`."""
        values = np.array([getattr(self, f"{layout.value}_share") for layout in Layout])
        return values / values.sum()


@dataclass(frozen=True, eq=False)
class RandomScene:
    """N objects at rest in the world frame, z up.

    Attributes:
        solids, families: Shape and family of each object.
        world_from_object: (N, 4, 4) float64.
        segmented: (N,) bool; the other objects count as environment.
        environment: A union of boxes in the world frame.
        layout: How the objects are arranged.
    """

    solids: list[Solid]
    families: list[str]
    world_from_object: np.ndarray
    segmented: np.ndarray
    environment: Solid
    layout: Layout

    def placed(self) -> list[PlacedSolid]:
        """Return the solids at their poses."""
        poses = zip(self.solids, self.world_from_object, strict=True)
        return [PlacedSolid(solid, transform) for solid, transform in poses]


def random_scene(
    rng: np.random.Generator,
    families: Mapping[str, Family],
    options: SceneOptions,
    shapes: ShapeOptions = PLAIN_SHAPES,
) -> RandomScene:
    """Draw a layout and objects of families by name, and bring them to rest."""
    layout = list(Layout)[int(rng.choice(len(Layout), p=options.shares()))]
    least, most = OBJECTS[layout]
    count = max(1, min(int(rng.integers(least, most + 1)), options.max_objects))
    drawn = [random_shape(rng, families, shapes) for _ in range(count)]
    turned = [PlacedSolid(solid, resting_rotation(rng)) for _, solid in drawn]
    order = _order(rng, layout, turned)
    surroundings = _environment(rng, layout, turned)
    kept: list[int] = []
    may_drop = options.settled_share > 0 and layout is not Layout.SHELF
    if may_drop and rng.random() < options.settled_share and mujoco_is_installed():
        kept, placed = _dropped(Arranger(rng, layout, surroundings), turned, order)
    if not kept:
        arranger = Arranger(rng, layout, surroundings)
        kept = [int(index) for index in order if arranger.add(turned[index])]
        placed = arranger.placed
    segmented = np.ones(len(placed), bool)
    if layout is not Layout.SINGLE:
        segmented = rng.random(len(placed)) >= options.unsegmented_share
        segmented[int(rng.integers(len(placed)))] = True
    return RandomScene(
        solids=[item.solid for item in placed],
        families=[drawn[index][0] for index in kept],
        world_from_object=np.stack([item.world_from_object for item in placed]),
        segmented=segmented,
        environment=surroundings.solid,
        layout=layout,
    )


def _dropped(
    arranger: Arranger, turned: list[PlacedSolid], order: np.ndarray
) -> tuple[list[int], list[PlacedSolid]]:
    """Drop all objects; return the indices of those that come to rest, and them at rest."""
    surroundings, above = arranger.surroundings, arranger.placed
    for index in order:
        x, y = arranger.landing_offset(turned[index])
        above.append(lift_above(turned[index].shifted((x, y, 0.0)), above, surroundings))
    kept, placed = drop(arranger.rng, above, arranger.ground, surroundings.support_height)
    return [int(order[number]) for number in kept], placed


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
    return open_ground(rng, widest + half * rng.uniform(1.2, 3.0))


def resting_rotation(rng: np.random.Generator) -> np.ndarray:
    """Draw a rotation (4, 4): upright, on a side, upside down, leaning or arbitrary; any yaw."""
    yaw = rng.uniform(-np.pi, np.pi)
    if rng.random() < TILTED_SHARE:
        if rng.random() < 0.5:
            lean = rng.normal(0, 0.35, 2)
            return pose(yaw=yaw) @ pose(roll=lean[0], pitch=lean[1])
        quaternion = rng.normal(size=4)
        w, x, y, z = quaternion / np.linalg.norm(quaternion)
        transform = np.eye(4)
        transform[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        return transform
    kind = rng.choice(3, p=(0.65, 0.25, 0.1))
    if kind == 1:
        spin = pose(yaw=rng.integers(4) * np.pi / 2 if rng.random() < 0.5 else rng.uniform(0, 6))
        return pose(yaw=yaw) @ pose(roll=np.pi / 2) @ spin
    return pose(yaw=yaw) @ pose(roll=np.pi * (kind == 2))
