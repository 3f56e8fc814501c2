"""Operations of the sparse networks, by formula: it takes where cells are, which meta has not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iscene_ros.models.iscene.config import MeshDecoderConfig, SlatFlowConfig
from iscene_ros.models.iscene.networks.embeddings import TIME_FREQUENCIES
from iscene_ros.models.iscene.sparse.neighbours import STEPS, half_steps
from iscene_ros.models.iscene.sparse.tensor import CellGeometry


@dataclass(frozen=True)
class SlatCall:
    """One call of the SLAT flow.

    Attributes:
        geometry: occupied cells of its items.
        times: how many times are embedded, 1 or one an item.
        seeing: how many items, the first ones, have a context to attend to.
        projected: how many contexts are turned into keys and values in this call.
        context_tokens: of a context.
    """

    geometry: CellGeometry
    times: int
    seeing: int
    projected: int
    context_tokens: int


def linear(rows: int, in_channels: int, out_channels: int) -> int:
    """A matrix product."""
    return 2 * rows * in_channels * out_channels


def attention(channels: int, queries: Sequence[int], keys: Sequence[int]) -> int:
    """Scores and weighted sums, item by item."""
    return sum(4 * channels * q * k for q, k in zip(queries, keys, strict=True))


def pairs_by_step(geometry: CellGeometry) -> list[int]:
    """How many cells have a neighbour at each of the 27 steps of a kernel."""
    return [len(geometry.pairs.at(step).cells) for step in range(STEPS)]


def slat_flow_flops(config: SlatFlowConfig, call: SlatCall) -> int:
    """One call."""
    wide, narrow = config.model_channels, config.io_block_channels[0]
    cells = len(call.geometry)
    total = linear(call.times, TIME_FREQUENCIES, wide) + linear(call.times, wide, wide)
    total += linear(cells, config.in_channels, narrow) + linear(cells, narrow, config.out_channels)
    total += _residual_blocks(config, call.geometry)
    modulated = (2 * config.num_io_res_blocks - 1) * narrow + wide
    total += linear(call.times, wide, 2 * modulated)
    return total + config.num_blocks * _slat_block(config, call)


def mesh_decoder_flops(config: MeshDecoderConfig, geometry: CellGeometry) -> int:
    """The items of one geometry."""
    wide, cells = config.model_channels, len(geometry)
    total = linear(cells, config.latent_channels, wide)
    for block in range(config.num_blocks):
        own = _filled_windows(geometry, config.window_size, block % 2)
        total += linear(cells, wide, 4 * wide) + attention(wide, own, own)
        total += 2 * linear(cells, wide, int(config.mlp_ratio * wide))
    pairs = pairs_by_step(geometry)
    for channels, out in ((wide, wide // 4), (wide // 4, wide // 8)):
        total += linear(_products_of_halves(pairs), channels, out) + linear(cells, channels, out)
        pairs = _pairs_of_halves(pairs)
        total += linear(sum(pairs), out, out)
        cells *= 8
    return total + linear(cells, wide // 8, config.out_channels)


def _residual_blocks(config: SlatFlowConfig, fine: CellGeometry) -> int:
    """Convolutions and skips before and after the transformer; one halving, as in the release."""
    (narrow,), wide = config.io_block_channels, config.model_channels
    coarse, more = fine.coarse, config.num_io_res_blocks - 1
    pairs, coarse_pairs = sum(pairs_by_step(fine)), sum(pairs_by_step(coarse))
    before = more * 2 * linear(pairs, narrow, narrow)
    down = linear(coarse_pairs, narrow, wide) + linear(coarse_pairs, wide, wide)
    # On the way up the coarse cells are multiplied by all of a kernel, then handed to the fine.
    up = linear(STEPS * len(coarse), 2 * wide, narrow) + linear(pairs, narrow, narrow)
    after = more * (linear(pairs, 2 * narrow, narrow) + linear(pairs, narrow, narrow))
    skips = linear(len(coarse), narrow, wide) + linear(len(coarse), 2 * wide, narrow)
    return before + down + up + after + skips + more * linear(len(fine), 2 * narrow, narrow)


def _slat_block(config: SlatFlowConfig, call: SlatCall) -> int:
    wide, tokens = config.model_channels, call.geometry.coarse.lengths
    seeing = tokens[: call.seeing]
    total = linear(call.times, wide, 6 * wide)
    total += linear(sum(tokens), wide, 4 * wide) + attention(wide, tokens, tokens)
    # The constant that items without context read is computed in any case.
    total += linear(1, wide, wide) + 2 * linear(sum(seeing), wide, wide)
    total += linear(call.projected * call.context_tokens, config.cond_channels, 2 * wide)
    total += attention(wide, seeing, [call.context_tokens] * len(seeing))
    return total + 2 * linear(sum(tokens), wide, int(config.mlp_ratio * wide))


def _filled_windows(geometry: CellGeometry, size: int, shifted: int) -> list[int]:
    """Cells of each window with its fill."""
    batches = geometry.windows(size, shift=size // 2 * shifted).batches
    return [len(rows) for batch in batches for rows in batch.rows]


def _products_of_halves(pairs: Sequence[int]) -> int:
    """Of cells' features for their halves: a step is taken by those halves that it leads from."""
    cells, _ = half_steps()
    return sum(count * int((cells == step).any(1).sum()) for step, count in enumerate(pairs))


def _pairs_of_halves(pairs: Sequence[int]) -> list[int]:
    """The pairs by step of the eight halves of the cells."""
    cells, _ = half_steps()
    return [sum(pairs[parent] for parent in cells[:, step].tolist()) for step in range(STEPS)]
