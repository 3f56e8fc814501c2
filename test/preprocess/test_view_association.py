"""Instances of several views are linked by their places."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from table_scene import Thing, box, looking_at, shoot

from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.view_association import associated, check_places

# Two equal packs that nearly touch, and a cup.
THINGS = (
    Thing(-0.051, 0.0, "pack", box(0.1, 0.06, 0.12)),
    Thing(0.051, 0.0, "pack", box(0.1, 0.06, 0.12)),
    Thing(0.0, 0.2),
)


def turned(degrees: float) -> np.ndarray:
    """A pose (4, 4) on a circle around the table's middle."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    return turn @ looking_at()


def seen(degrees: float, things=THINGS) -> Observation:
    return shoot(things, turned(degrees)).tracked.observation


def renumbered(view: Observation, ids: tuple[int, ...]) -> Observation:
    return replace(view, instance_ids=ids)


def pose_error(view: Observation, seed: int) -> Observation:
    """5 mm and 0.5 degrees (standard deviations)."""
    rng = np.random.default_rng(seed)
    error = np.eye(4)
    error[:3, :3] = Rotation.from_rotvec(np.deg2rad(0.5) * rng.normal(size=3)).as_matrix()
    error[:3, 3] = 0.005 * rng.normal(size=3)
    return replace(view, world_from_camera=view.world_from_camera @ error)


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("degrees", [-120, -40, 60, 180])
def test_ids_of_earlier_views_become_those_of_the_last(degrees, noisy):
    reference = seen(0)
    earlier = renumbered(seen(degrees), (3, 1, 2))
    if noisy:
        earlier = pose_error(earlier, seed=1)
    linked, kept = associated([earlier, reference])
    assert linked.instance_ids == reference.instance_ids == kept.instance_ids == (1, 2, 3)
    assert linked.labels == ("pack", "pack", "cup")
    np.testing.assert_array_equal(linked.masks, earlier.masks)


def test_what_only_an_earlier_view_shows_gets_an_id_of_its_own():
    first = renumbered(seen(60), (9, 2, 1))
    second = renumbered(seen(-50, THINGS[1:]), (1, 2))
    reference = renumbered(seen(0, THINGS[:2]), (4, 5))
    linked = associated([first, second, reference])
    assert [view.instance_ids for view in linked] == [(4, 5, 6), (5, 6), (4, 5)]
    assert linked[0].labels == ("pack", "pack", "cup")


def test_a_view_of_another_place_is_refused():
    away = replace(seen(60), world_from_camera=turned(60) + [[0, 0, 0, 2.0], *np.zeros((3, 4))])
    with pytest.raises(InputError, match="view 1 of 2: no instance overlaps"):
        associated([away, seen(0)])


def test_a_view_without_pose_is_refused():
    blind = replace(seen(60), world_from_camera=None)
    with pytest.raises(InputError, match="view 2 of 2: no world_from_camera"):
        associated([seen(0), blind])


def test_equal_ids_must_be_at_one_place():
    things = (Thing(-0.1, 0.0, "pack", box(0.05, 0.05, 0.05)), Thing(0.25, 0.05))
    check_places([seen(180, things), seen(60, things), seen(0, things)])
    with pytest.raises(InputError, match="views 1 and 2 of 2: instance 2 is 0.[23]. m away"):
        check_places([renumbered(seen(60, things), (2, 1)), seen(0, things)])
