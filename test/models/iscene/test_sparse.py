"""Sparse tensors against dense grids and plain loops, in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published_file import safetensors_size
from safetensors.torch import save_file
from sparse_cells import at_cells, dense, dense_convolution, random_cells, randomize
from torch.testing import assert_close

from iscene_ros.models.iscene.config import SceneFlowConfig
from iscene_ros.models.iscene.networks.layers import absolute_positions
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.sparse import convolution as sparse_convolution
from iscene_ros.models.iscene.sparse.attention import SparseSelfAttention
from iscene_ros.models.iscene.sparse.convolution import PointwiseConvolution, SubmanifoldConvolution
from iscene_ros.models.iscene.sparse.neighbours import find_pairs
from iscene_ros.models.iscene.sparse.tensor import CellGeometry

SIDE = 6
LENGTHS = (40, 1, 23)

batches = st.builds(
    random_cells,
    st.lists(st.integers(1, 30), min_size=1, max_size=3).map(tuple),
    st.integers(4, 9),
    st.integers(0, 2**31),
)


def features_of(geometry: CellGeometry, channels: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(len(geometry))
    return torch.randn(len(geometry), channels, generator=generator, dtype=torch.float64)


def by_item(geometry: CellGeometry, *values: torch.Tensor):
    """The coordinates and values of each item."""
    return zip(*(t.split(geometry.lengths) for t in (geometry.coords, *values)), strict=True)


@given(batches)
@settings(max_examples=30, deadline=None)
def test_convolution_is_the_dense_one_at_the_cells(geometry):
    convolution = randomize(SubmanifoldConvolution(4, 5))
    x = features_of(geometry, 4)
    side = int(geometry.coords.max()) + 1
    expected = [
        at_cells(
            dense_convolution(
                dense(coords, own, side),
                torch.ones(()),
                convolution.conv.weight,
                convolution.conv.bias,
            ),
            coords,
        )
        for coords, own in by_item(geometry, x)
    ]
    assert_close(convolution(x, geometry.pairs), torch.cat(expected))


def test_gathering_in_small_parts_changes_nothing(monkeypatch):
    geometry = random_cells(LENGTHS, SIDE)
    x = features_of(geometry, 4)
    convolution = randomize(SubmanifoldConvolution(4, 5))
    whole = convolution(x, geometry.pairs)
    monkeypatch.setattr(sparse_convolution, "GATHER_SIZE", 7)
    assert_close(convolution(x, geometry.pairs), whole)


@given(batches)
@settings(max_examples=20, deadline=None)
def test_convolution_of_halves_from_their_cells(geometry):
    convolution = randomize(SubmanifoldConvolution(3, 2))
    x = features_of(geometry, 3)
    plain = convolution(x.repeat_interleave(8, dim=0), geometry.subdivided.pairs)
    assert_close(convolution.forward_subdivided(x, geometry.pairs), plain)


@given(batches)
@settings(max_examples=20, deadline=None)
def test_convolution_of_cells_from_what_they_were_pooled_to(geometry):
    convolution = randomize(SubmanifoldConvolution(3, 2))
    x = features_of(geometry.coarse, 3)
    plain = convolution(geometry.coarsening.unpool(x), geometry.pairs)
    shared = convolution.forward_unpooled(x, geometry.coarsening.parents, geometry.pairs)
    assert_close(shared, plain)


@given(batches)
@settings(max_examples=20, deadline=None)
def test_neighbours_of_halves_follow_from_those_of_cells(geometry):
    finer = geometry.subdivided
    searched = find_pairs(finer.coords, finer.items)
    for step in range(27):
        derived, found = finer.pairs.at(step), searched.at(step)
        a, b = (torch.stack([p.cells, p.neighbours], 1).tolist() for p in (derived, found))
        assert sorted(a) == sorted(b)


def test_halves_follow_their_cell_with_z_fastest():
    finer = CellGeometry(torch.tensor([[3, 0, 5]]), (1,)).subdivided
    assert finer.coords[[0, 1, 2, 4, 7]].tolist() == [
        [6, 0, 10],
        [6, 0, 11],
        [6, 1, 10],
        [7, 0, 10],
        [7, 1, 11],
    ]
    assert finer.lengths == (8,)


def test_weights_of_one_cell_are_read_without_transposing():
    convolution = randomize(PointwiseConvolution(2, 3))
    numbers = convolution.conv.weight.flatten()  # kept as (3, 1, 1, 1, 2), read as (2, 3)
    x = torch.tensor([[1.0, 10.0]], dtype=torch.float64)
    expected = numbers[:3] + 10 * numbers[3:] + convolution.conv.bias
    assert_close(convolution(x)[0], expected)


@given(batches)
@settings(max_examples=20, deadline=None)
def test_pooling_counts_one_zero_more_than_there_are_cells(geometry):
    x = features_of(geometry, 3)
    coarsening = geometry.coarsening
    groups = {}
    for i, (item, cell) in enumerate(
        zip(geometry.items.tolist(), geometry.coords.tolist(), strict=True)
    ):
        groups.setdefault((item, *(c // 2 for c in cell)), []).append(i)
    order = sorted(groups)
    expected = torch.stack([x[groups[key]].sum(0) / (len(groups[key]) + 1) for key in order])
    assert_close(coarsening.pool(x), expected)
    assert geometry.coarse.coords.tolist() == [list(key[1:]) for key in order]
    assert geometry.coarse.items.tolist() == [key[0] for key in order]
    back = coarsening.unpool(coarsening.pool(x))
    for row, key in enumerate(order):
        assert_close(back[groups[key]], expected[row].expand(len(groups[key]), -1))


@given(batches, st.integers(1, 5), st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_each_cell_has_one_place_in_its_windows(geometry, size, shift):
    sequences = geometry.windows(size, shift)
    rows = torch.cat([batch.rows.flatten() for batch in sequences.batches])
    assert rows[sequences.places].tolist() == list(range(len(geometry)))
    for batch in sequences.batches:
        valid = torch.ones_like(batch.rows) if batch.mask is None else batch.mask[:, 0, 0]
        for cells, own in zip(batch.rows, valid.bool(), strict=True):
            chosen = (geometry.coords[cells[own]] + shift) // size
            assert (chosen == chosen[0]).all()
            assert len(geometry.items[cells[own]].unique()) == 1


def test_full_attention_needs_no_mask_and_joins_items_of_one_length():
    sequences = random_cells((5, 9, 5), SIDE).item_sequences
    assert [tuple(batch.rows.shape) for batch in sequences.batches] == [(2, 5), (1, 9)]
    assert all(batch.mask is None for batch in sequences.batches)


def test_positions_are_those_of_the_structure_flow():
    config = SceneFlowConfig(tokens_per_side=3, model_channels=26, num_heads=1, num_blocks=1)
    steps = torch.arange(3)
    grid = torch.cartesian_prod(steps, steps, steps)
    assert_close(absolute_positions(grid, 26), SceneFlowTransformer(config).pos_emb)


@given(batches, st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_the_order_of_cells_in_an_item_does_not_matter(geometry, seed):
    generator = torch.Generator().manual_seed(seed)
    starts = torch.tensor([0, *geometry.lengths]).cumsum(0).tolist()
    shuffled = torch.cat(
        [
            start + torch.randperm(length, generator=generator)
            for start, length in zip(starts, geometry.lengths, strict=False)
        ]
    )
    other = CellGeometry(geometry.coords[shuffled], geometry.lengths)
    convolution = randomize(SubmanifoldConvolution(6, 6))
    attend = randomize(SparseSelfAttention(6, 2, qk_rms_norm=True))
    x = features_of(geometry, 6)
    for run in (
        lambda x, g: convolution(x, g.pairs),
        lambda x, g: attend(x, g.windows(3, 1)),
        lambda x, g: g.coarsening.unpool(g.coarsening.pool(x)),
    ):
        assert_close(run(x[shuffled], other), run(x, geometry)[shuffled])


def test_what_depends_on_the_cells_alone_is_made_once():
    geometry = CellGeometry(torch.tensor([[0, 0, 0], [1, 0, 0]]), (2,))
    assert geometry.pairs is geometry.pairs
    assert geometry.windows(4, 2) is geometry.windows(4, 2)
    assert geometry.positions(12) is geometry.positions(12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    geometry = random_cells((200,), SIDE)
    convolution = randomize(SubmanifoldConvolution(16, 8)).to(dtype)
    x = features_of(geometry, 16).to(dtype)
    out = convolution(x, geometry.pairs)
    exact = convolution.double()(x.double(), geometry.pairs)
    assert out.dtype == dtype
    # Each of 27 products and the sum are rounded once, to about 1 in 1 / eps.
    assert (out - exact).abs().max() < 4 * torch.finfo(dtype).eps * exact.abs().max()


def test_the_size_of_a_file_is_foretold_to_the_byte(tmp_path):
    state = {"b.weight": torch.zeros(3, 5), "a": torch.zeros(7, dtype=torch.float16)}
    save_file(state, tmp_path / "file.safetensors")
    assert safetensors_size(state) == (tmp_path / "file.safetensors").stat().st_size
