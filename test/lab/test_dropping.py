"""Scenes put to rest by mujoco: at rest, without overlap, the same for the same seed."""

import numpy as np
import pytest
import torch

from iscene_ros.lab.synthetic import random_scenes, simulation
from iscene_ros.lab.synthetic.collisions import PlacedSolid
from iscene_ros.lab.synthetic.dropping import convex_cells, drop, lift_above, resting_poses
from iscene_ros.lab.synthetic.environments import open_ground
from iscene_ros.lab.synthetic.primitives import box, pose
from iscene_ros.lab.synthetic.random_scenes import Layout, SceneOptions, random_scene
from iscene_ros.lab.synthetic.shape_families import TRAINING_FAMILIES, ShapeOptions
from iscene_ros.lab.synthetic.shapes import Operation, Solid

TABLE = Solid((box((1, 1, 0.1), pose((0, 0, -0.05))),))
CUBE = Solid((box((0.1, 0.1, 0.1)),))


def scene(seed: int, layout: Layout = Layout.CLUTTER):
    shares = {f"{other.value}_share": float(other is layout) for other in Layout}
    options = SceneOptions(max_objects=5, settled_share=1.0, **shares)
    rng = np.random.default_rng(seed)
    return random_scene(rng, TRAINING_FAMILIES, options, ShapeOptions(further_share=0.4))


def test_a_cube_falls_flat_onto_the_table():
    tipped = PlacedSolid(CUBE, pose((0, 0, 0.12), roll=0.3))
    (resting,) = resting_poses([tipped], TABLE)
    assert resting[2, 3] == pytest.approx(0.05, abs=5e-4)
    assert np.abs(resting[2, :3]).max() == pytest.approx(1.0, abs=1e-3)


def test_what_stands_stays():
    (resting,) = resting_poses([PlacedSolid(CUBE, pose((0.1, 0, 0.0501)))], TABLE)
    np.testing.assert_allclose(resting, pose((0.1, 0, 0.05)), atol=5e-4)


def test_what_falls_off_the_table_is_left_out():
    placed = [PlacedSolid(CUBE, pose((0, 0, 0.06))), PlacedSolid(CUBE, pose((0.6, 0, 0.06)))]
    ground = PlacedSolid(TABLE, np.eye(4), is_environment=True)
    kept, resting = drop(np.random.default_rng(0), placed, ground, 0.0)
    assert kept == [0] and len(resting) == 1


def test_hollows_stay_open_in_the_hulls():
    """A cube dropped into an open bin lands on its floor, not on its mouth."""
    wall, half, height = 0.01, 0.15, 0.2
    tub = Solid(
        (
            box((2 * half, 2 * half, height)),
            box(
                (2 * half - 2 * wall,) * 2 + (height,),
                pose((0, 0, wall)),
                operation=Operation.SUBTRACT,
            ),
        )
    ).centred()
    items = [PlacedSolid(tub, pose((0, 0, 0.1))), PlacedSolid(CUBE, pose((0, 0, 0.3)))]
    below, inside = resting_poses(items, TABLE)
    assert inside[2, 3] == pytest.approx(wall + 0.05, abs=3e-3)
    assert len(convex_cells(tub)) > 8


@pytest.mark.parametrize("seed, layout", [(0, Layout.CLUTTER), (1, Layout.BIN), (2, Layout.SINGLE)])
def test_settled_scenes_rest_without_overlap(seed, layout):
    found = scene(seed, layout)
    placed = found.placed()
    ground = PlacedSolid(found.environment, np.eye(4), is_environment=True)
    for index, item in enumerate(placed):
        others = [ground, *placed[:index], *placed[index + 1 :]]
        points = item.points_world
        gaps = torch.stack([other.distance(points) for other in others])
        assert gaps.min() > -1.2e-3
        # It rests on something: nothing hovers by more than the error of the hulls.
        rest = [other for other in placed if other is not item]
        back = [float(item.distance(other.points_world).min()) for other in rest]
        assert min(float(gaps.min()), *back, 1.0) < 4e-3
    again = resting_poses(placed, found.environment)
    moved = [
        np.linalg.norm(now[:3, 3] - before[:3, 3])
        for now, before in zip(again, found.world_from_object, strict=True)
        if now is not None
    ]
    assert len(moved) >= len(placed) - 1 and np.median(moved) < 5e-3


def test_settled_scenes_are_deterministic():
    one, other = scene(4), scene(4)
    assert one.families == other.families
    np.testing.assert_array_equal(one.world_from_object, other.world_from_object)


def test_shelves_are_never_let_go(monkeypatch):
    monkeypatch.setattr(random_scenes, "drop", None)
    assert scene(5, Layout.SHELF).layout is Layout.SHELF


def test_without_mujoco_objects_are_placed(monkeypatch):
    fallen = scene(4)
    monkeypatch.setattr(simulation.importlib.util, "find_spec", lambda name: None)
    placed = scene(4)
    assert len(placed.solids) >= 1
    assert not np.array_equal(placed.world_from_object[0], fallen.world_from_object[0])


def test_objects_are_released_above_each_other():
    ground = open_ground(np.random.default_rng(0), 0.5)
    first = lift_above(PlacedSolid(CUBE, pose()), [], ground)
    beside = lift_above(PlacedSolid(CUBE, pose((0.2, 0, 0))), [first], ground)
    above = lift_above(PlacedSolid(CUBE, pose((0.05, 0, 0))), [first, beside], ground)
    lows = [float(item.box_world[0][2]) for item in (first, beside, above)]
    np.testing.assert_allclose(lows, [0.003, 0.003, 0.106], atol=1e-3)
