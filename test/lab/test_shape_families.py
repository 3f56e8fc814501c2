"""All shape families, and details and cuts on any shape."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from iscene_ros.lab.synthetic import shape_families
from iscene_ros.lab.synthetic.families.compositions import limb_copies
from iscene_ros.lab.synthetic.primitives import hollowed, pose
from iscene_ros.lab.synthetic.shape_families import (
    ASSEMBLED_FAMILIES,
    FURTHER_FAMILIES,
    HELD_OUT_FAMILIES,
    TRAINING_FAMILIES,
    ShapeOptions,
    random_shape,
)
from iscene_ros.lab.synthetic.shapes import PartKind, Solid
from iscene_ros.lab.synthetic.surface_detail import COMPACT_FAMILIES, CUPS, with_cut, with_details

LATER = {**FURTHER_FAMILIES, **ASSEMBLED_FAMILIES}
EVERYTHING = {**TRAINING_FAMILIES, **LATER}
ALL = {**EVERYTHING, **HELD_OUT_FAMILIES}


def grid(solid: Solid, side: int, margin: float) -> tuple[torch.Tensor, float]:
    """Distances (side, side, side) in a box around the solid and the largest spacing [m]."""
    low, high = solid.bounds()
    ends = zip((low - margin).tolist(), (high + margin).tolist(), strict=True)
    axes = [torch.linspace(first, last, side) for first, last in ends]
    distance = solid.distance(torch.cartesian_prod(*axes)).reshape(side, side, side)
    return distance, max(float(axis[1] - axis[0]) for axis in axes)


@given(name=st.sampled_from(sorted(ALL)), seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_shapes_are_closed_centred_and_of_a_hand_s_size(name, seed):
    rng = np.random.default_rng(seed)
    solid = ALL[name](rng)
    low, high = solid.bounds()
    assert (low + high).abs().max() < 1e-5
    assert 0.015 < (high - low).max() < 0.7
    points = solid.surface_points(200, rng)
    slack = 0.02 * float((high - low).max())
    assert (points >= low - slack).all() and (points <= high + slack).all()
    assert solid.distance(points).abs().max() < 2.5e-4
    gradient = solid.gradient(points, 1e-4)
    length = gradient.norm(dim=1)
    # Creases have no gradient; everywhere else it has length one.
    assert length.median() == pytest.approx(1.0, abs=0.05)
    smooth = (length - 1.0).abs() < 0.1
    assert smooth.float().mean() > (0.5 if name in LATER else 0.6)
    normal = gradient[smooth] / length[smooth, None]
    assert (solid.distance(points[smooth] + 4e-4 * normal) > 0).float().mean() > 0.9
    assert (solid.distance(points[smooth] - 4e-4 * normal) < 0).float().mean() > 0.9
    # Closed: nothing of it reaches the border of a box around it.
    distance, _ = grid(solid, 24, 0.01)
    distance[1:-1, 1:-1, 1:-1] = 1.0
    assert distance.min() > 0


@given(name=st.sampled_from(sorted(LATER)), seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_later_families_hang_together(name, seed):
    solid = LATER[name](np.random.default_rng(seed))
    distance, spacing = grid(solid, 56, 0.01)
    # Thin walls fall between grid points: count what is within half a cell's diagonal.
    _, count = ndimage.label((distance < 0.87 * spacing).numpy(), np.ones((3, 3, 3)))
    assert count == 1


def test_no_family_is_in_two_sets():
    sets = (TRAINING_FAMILIES, FURTHER_FAMILIES, ASSEMBLED_FAMILIES, HELD_OUT_FAMILIES)
    assert len(ALL) == len(set(ALL.values())) == sum(map(len, sets))
    assert len(FURTHER_FAMILIES) >= 30 and len(HELD_OUT_FAMILIES) >= 4


@pytest.mark.parametrize("seed", range(12))
def test_limbs_come_alone_mirrored_or_in_a_ring(seed):
    rng = np.random.default_rng(seed)
    at = pose(rng.normal(size=3), *rng.uniform(-3, 3, 3))
    copies = limb_copies(rng, at)
    np.testing.assert_allclose(copies[0], at)
    for copy in copies:
        np.testing.assert_allclose(np.linalg.det(copy[:3, :3]), 1)
    position = copies[0][:3, 3]
    if len(copies) == 2:
        np.testing.assert_allclose(np.abs(copies[1][:3, 3]), np.abs(position))
        assert (np.sign(copies[1][:3, 3]) != np.sign(position)).sum() == 1
    for copy in copies[2:]:
        np.testing.assert_allclose(copy[2, 3], position[2])
        np.testing.assert_allclose(np.linalg.norm(copy[:2, 3]), np.linalg.norm(position[:2]))


def test_an_open_vessel_gets_no_loop():
    for seed in range(60):
        solid = ASSEMBLED_FAMILIES["vessel_assembly"](np.random.default_rng(seed))
        assert not any(part.kind is PartKind.SWEEP for part in solid.parts)


def test_a_miniature_with_a_wall_thicker_than_its_radius_is_still_hollow():
    line = [(0, 0), (0.0036, 0), (0.0032, 0.018), (0.0037, 0.037)]
    vessel = Solid(hollowed(line, 0.0048, [], core=(0.0037, 0.0)))
    assert vessel.distance(torch.tensor([[0.0, 0.0, 0.03]])) > 0
    assert vessel.distance(torch.tensor([[0.007, 0.0, 0.03]])) < 0


def test_walls_of_vessels_are_about_as_thick_as_asked():
    vessel = Solid(hollowed([(0, 0), (0.05, 0), (0.05, 0.1)], 0.002, []))
    for r, z in ((0.0501, 0.05), (0.0479, 0.05), (0.0, 0.003), (0.0, 0.05), (0.0, 0.2)):
        assert vessel.distance(torch.tensor([[r, 0.0, z]])) > 0
    for r, z in ((0.0499, 0.05), (0.0485, 0.05), (0.0, 0.001)):
        assert vessel.distance(torch.tensor([[r, 0.0, z]])) < 0


@given(name=st.sampled_from(sorted(EVERYTHING)), seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_details_alter_a_shape_a_little(name, seed):
    rng = np.random.default_rng(seed)
    solid = EVERYTHING[name](rng)
    altered = with_details(rng, name, solid)
    size, new_size = ((s.bounds()[1] - s.bounds()[0]).max() for s in (solid, altered))
    assert len(altered.parts) >= len(solid.parts)
    assert 0.9 * size < new_size < 1.6 * size
    points = altered.surface_points(100, rng)
    assert altered.distance(points).abs().max() < 2.5e-4


@pytest.mark.parametrize("seed", range(12))
def test_cuts_take_away_and_leave_one_piece(seed):
    rng = np.random.default_rng(seed)
    names = sorted(COMPACT_FAMILIES - {"composite"})
    name = names[seed % len(names)]
    solid = EVERYTHING[name](rng)
    cut = with_cut(rng, name, solid)
    distance, spacing = grid(cut, 40, 0.005)
    low, high = solid.bounds()
    cut_low, cut_high = cut.bounds()
    assert (cut_high - cut_low <= high - low + 2e-3).all()
    assert (cut_high - cut_low).max() > 0.4 * (high - low).max()
    labels, _ = ndimage.label((distance < 0.5 * spacing).numpy(), np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    assert sizes.max() > 0.95 * sizes.sum()


def test_thin_families_are_never_cut():
    solid = EVERYTHING["scissors"](np.random.default_rng(0))
    assert with_cut(np.random.default_rng(1), "scissors", solid) is solid


def test_open_cups_get_no_loop():
    for name in CUPS:
        for seed in range(12):
            rng = np.random.default_rng(seed)
            solid = EVERYTHING[name](rng)
            added = with_details(rng, name, solid).parts[len(solid.parts) :]
            assert all(part.kind is not PartKind.TORUS for part in added)


def test_without_shares_nothing_is_drawn_for_them():
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    name, _ = random_shape(one, TRAINING_FAMILIES, ShapeOptions())
    assert name == shape_families.random_solid(other, TRAINING_FAMILIES)[0]
    assert one.random() == other.random()


def test_shares_choose_the_further_families():
    rng = np.random.default_rng(0)
    only_ball = {"ball": TRAINING_FAMILIES["ball"]}
    names = [random_shape(rng, only_ball, ShapeOptions(further_share=0.5))[0] for _ in range(30)]
    assert 5 < names.count("ball") < 25
    assert set(names) <= {"ball", *FURTHER_FAMILIES}
