"""Pixels of a mask that show something else in other views are dropped."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation
from table_scene import Thing, box, looking_at, shoot

from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.mask_consistency import without_contradicted_pixels

THINGS = (Thing(-0.1, 0.0, "pack", box(0.1, 0.06, 0.12)), Thing(0.1, 0.0))


def seen_from(x: float) -> Observation:
    """A view from before the table; it shows the table, too."""
    return shoot(THINGS, looking_at(x)).tracked.observation


def seen(degrees: float) -> Observation:
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    return shoot(THINGS, turn @ looking_at()).tracked.observation


def with_bleeding(view: Observation) -> Observation:
    """The first mask also covers the table to its left."""
    masks = view.masks.copy()
    rows = np.flatnonzero(masks[0].any(axis=1))
    masks[0, rows[-20:], :60] = ~masks[1, rows[-20:], :60]
    return replace(view, masks=masks)


def test_what_other_views_show_as_the_table_is_dropped():
    exact, others = seen_from(0), [seen_from(-0.2), seen_from(0.1)]
    bleeding = with_bleeding(exact)
    extra = bleeding.masks[0] & ~exact.masks[0]
    assert extra.sum() > 150
    found = without_contradicted_pixels(bleeding, others)
    assert (found.masks[0] & extra).sum() < 0.35 * extra.sum()
    assert (found.masks[0] & exact.masks[0]).sum() > 0.98 * exact.masks[0].sum()


def test_right_masks_stay():
    view = seen(0)
    found = without_contradicted_pixels(view, [seen(-60), seen(45), seen(180)])
    assert found.masks.sum() > 0.98 * view.masks.sum()


def test_nothing_is_dropped_without_other_views_of_the_instance():
    view = with_bleeding(seen(0))
    renumbered = replace(seen(30), instance_ids=(8, 9))
    for others in ([], [renumbered]):
        found = without_contradicted_pixels(view, others)
        np.testing.assert_array_equal(found.masks, view.masks)


def test_a_mask_does_not_become_empty():
    view = seen(0)
    swapped = replace(seen(20), instance_ids=(2, 1))
    found = without_contradicted_pixels(view, [swapped])
    assert found.masks.any(axis=(1, 2)).all()
