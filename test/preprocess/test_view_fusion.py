"""Fusion of several views of a crop."""

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iscene_ros.preprocess.view_fusion import CUT, fuse
from iscene_ros.preprocess.view_readings import OUTSIDE, OWN, ViewReadings, reading_weights

SHAPE = (1, 4, 4, 4)


def random_readings(seed: int) -> ViewReadings:
    """ViewReadings as one view gives them: no weight and no distance where there is no reading."""
    generator = torch.Generator().manual_seed(seed)
    gap = 0.6 * torch.randn(SHAPE, generator=generator)
    known = torch.rand(SHAPE, generator=generator) < 0.8
    weight = torch.rand(SHAPE, generator=generator) * 0.9 + 0.01
    zero = torch.zeros(SHAPE)
    classes = torch.randint(0, OUTSIDE + 1, SHAPE, generator=generator).to(torch.uint8)
    return ViewReadings(
        surface=torch.where(known, (8 * gap).clamp(-1, 1), zero),
        gap=torch.where(known, gap.clamp(-1, 1), zero),
        pixel_class=classes,
        weight=torch.where(known, weight, zero),
    )


def is_free(readings: ViewReadings) -> torch.Tensor:
    return (readings.weight > 0) & (readings.surface >= CUT)


def is_hidden(readings: ViewReadings) -> torch.Tensor:
    return (readings.weight > 0) & (readings.surface <= -CUT)


seeds = st.lists(st.integers(0, 10_000), min_size=1, max_size=5, unique=True)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_the_order_of_views_does_not_matter(chosen):
    views = [random_readings(seed) for seed in chosen]
    first = fuse(views)
    for order in itertools.islice(itertools.permutations(views), 6):
        other = fuse(order)
        for name in ("surface", "gap", "pixel_class", "weight"):
            assert torch.equal(getattr(first, name), getattr(other, name))


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(10_001, 20_000))
def test_a_further_view_never_turns_a_free_voxel_hidden(chosen, seed):
    views = [random_readings(s) for s in chosen]
    more = fuse([*views, random_readings(seed)])
    assert not (is_free(fuse(views)) & is_hidden(more)).any()


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_voxel_is_hidden_only_where_every_reading_says_so(chosen):
    views = [random_readings(seed) for seed in chosen]
    contradicted = torch.stack([(v.weight > 0) & (v.surface > -CUT) for v in views]).any(0)
    assert not (is_hidden(fuse(views)) & contradicted).any()


def test_one_view_is_returned_byte_by_byte():
    view = random_readings(3)
    assert fuse([view]) is view
    quantised = fuse([view]).quantised(torch.zeros(1))
    assert torch.equal(quantised.surface, view.quantised(torch.zeros(1)).surface)


def test_the_same_view_twice_says_what_it_says_once():
    view = random_readings(5)
    twice = fuse([view, view])
    assert torch.allclose(twice.surface, view.surface, atol=1e-6)
    assert torch.equal(twice.pixel_class, view.pixel_class)


def test_a_trustworthy_ray_carves_what_others_see_as_hidden():
    ones = torch.ones(SHAPE)
    classes = torch.full(SHAPE, OWN, dtype=torch.uint8)
    hidden = ViewReadings(-ones, -0.5 * ones, classes, 0.9 * ones)
    free = ViewReadings(ones, 0.5 * ones, classes, 0.9 * ones)
    assert (fuse([hidden, free]).surface == 1).all()


def test_readings_at_jumps_and_mask_edges_are_trusted_least():
    depth = torch.full((12, 12), 0.5)
    depth[:, 6:] = 1.0
    depth[0, 0] = 0.0
    labels = torch.zeros(12, 12, dtype=torch.int16)
    labels[8:] = 1
    weight = reading_weights(depth, labels, focal=100.0)
    assert weight[0, 0] == 0
    assert weight[4, 2] > 3 * weight[4, 6]
    assert weight[4, 2] > 3 * weight[8, 2]
    assert weight[4, 2] > weight[4, 10] > 0
