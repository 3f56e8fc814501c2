"""The second stage: structured latents (SLAT) on the occupied cells of each instance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.models.iscene.config import SlatNormalization
from iscene_ros.models.iscene.networks.scene_flow import CachedContext
from iscene_ros.models.iscene.networks.slat_flow import SlatFlow
from iscene_ros.models.iscene.sampling.flow_sampler import Guidance, SamplerOptions, Step, integrate
from iscene_ros.models.iscene.sampling.progress import StageProgress
from iscene_ros.models.iscene.sampling.shortcuts import Shortcuts
from iscene_ros.models.iscene.sparse.geometry import CellGeometry
from iscene_ros.models.iscene.sparse.tensor import SparseTensor

# Tensors as wide as the coarse tokens that live at once within a block: as in the structure flow.
LIVE_TENSORS = 24
# Coarse tokens a cell: about 0.25 on a smooth surface, more where cells are scattered.
TOKENS_PER_CELL = 0.5


@dataclass(frozen=True)
class SlatOptions:
    """How structured latents are sampled.

    Attributes:
        sampler: the integrator and its guidance.
        shortcuts: what is computed once.
        max_cells: cells in one call of the network, those with and without picture counted each;
            an instance that has more comes alone.
        memory_budget: bytes for tokens and cached contexts beside the weights; bounds the cells
            further, by the estimate of `cells_within`.
    """

    sampler: SamplerOptions = SamplerOptions.release()
    shortcuts: Shortcuts = Shortcuts()
    max_cells: int = 200_000
    memory_budget: int | None = None

    def __post_init__(self) -> None:
        if self.max_cells < 1:
            raise ValueError(f"max_cells: {self.max_cells}, expected at least 1")


@torch.inference_mode()
def sample_slat(
    flow: SlatFlow,
    cells: Sequence[Tensor],  # of each slot: [M_i, 3] int64 occupied cells, M_i > 0
    context: Tensor,  # [S, T, C_cond] picture tokens of each slot
    noise: Sequence[Tensor],  # of each slot: [M_i, C]
    normalization: SlatNormalization,
    options: SlatOptions = SlatOptions(),
    progress: StageProgress | None = None,
) -> list[SparseTensor]:
    """Sample the latents (M_i, C) of each slot, ready for the mesh decoder.

    Slots do not see each other, so they run in groups that fit `max_cells`, one after another.

    Raises:
        ValueError: a slot without cells, or another number of slots in an argument.
        StoppedError: `progress` said so.
    """
    _check(cells, context, noise)
    limit = options.max_cells
    if options.memory_budget is not None:
        limit = min(limit, cells_within(options.memory_budget, flow, *context.shape[:2]))
    latents = []
    for group in _groups([len(c) for c in cells], limit // _passes(options)):
        start = torch.cat([noise[i] for i in group]).to(context.device, flow.out_layer.weight.dtype)
        sampler = _SlatSampler(
            flow, [cells[i] for i in group], context[group], options, progress or StageProgress()
        )
        x = integrate(sampler.velocity, start, options.sampler)
        mean, std = (x.new_tensor(t) for t in (normalization.mean, normalization.std))
        latents += SparseTensor.on(sampler.once, x * std + mean).items()
    return latents


class _SlatSampler:
    """The guided velocity of one group of slots."""

    def __init__(
        self,
        flow: SlatFlow,
        cells: Sequence[Tensor],
        context: Tensor,
        options: SlatOptions,
        progress: StageProgress,
    ) -> None:
        self.flow, self.options, self.progress = flow, options, progress
        self.context = context
        self.guidance = Guidance(options.sampler)
        lengths = tuple(len(c) for c in cells)
        coords = torch.cat(list(cells)).to(context.device)
        # Tables of neighbours are made once for each of these and serve all steps.
        self.once = CellGeometry(coords, lengths)
        self.twice = CellGeometry(coords.repeat(2, 1), 2 * lengths)
        self._kept: dict[tuple[bool, bool], CachedContext] = {}

    def velocity(self, x: Tensor, step: Step) -> Tensor:
        """(M, C) of the group at a step."""
        if step.fresh and self.options.shortcuts.one_batch:
            v, v_u = self._network(self.twice, x.repeat(2, 1), step, (True, True)).chunk(2)
        else:
            v = self._network(self.once, x, step, (True, False))
            v_u = self._network(self.once, x, step, (False, True)) if step.fresh else None
        return self.guidance(step, v, v_u)

    def _network(
        self,
        geometry: CellGeometry,
        x: Tensor,
        step: Step,
        passes: tuple[bool, bool],  # with pictures, without
    ) -> Tensor:
        # The release multiplies the time by 1000 in double precision before it rounds it.
        time = torch.tensor([step.time], dtype=torch.float64, device=x.device)
        velocity = self.flow(SparseTensor.on(geometry, x), time, self._seen(*passes))
        self.progress.done(len(geometry.lengths))
        return velocity

    def _seen(self, conditional: bool, unconditional: bool) -> CachedContext | None:
        """What the first items of a pass look at, kept for the next steps."""
        zeros = unconditional and not self.options.shortcuts.constant_unconditional
        key = (conditional, zeros)
        if not any(key):
            return None
        if key in self._kept:
            return self._kept[key]
        parts = [self.context] * conditional + [torch.zeros_like(self.context)] * zeros
        seen = self.flow.cached_context(torch.cat(parts))
        if self.options.shortcuts.cached_context:
            self._kept[key] = seen
        return seen


def cells_within(budget: int, flow: SlatFlow, pictures: int, tokens: int) -> int:
    """How many cells fit into `budget` bytes beside the weights; an estimate, at least 1.

    Keys and values of `pictures` pictures of so many `tokens` come first, then `LIVE_TENSORS` a
    coarse token.
    """
    config, size = flow.config, flow.torso_dtype.itemsize
    contexts = 2 * config.num_blocks * pictures * tokens * config.model_channels * size
    cell = LIVE_TENSORS * TOKENS_PER_CELL * config.model_channels * size
    return max(1, int((budget - contexts) / cell))


def _passes(options: SlatOptions) -> int:
    """How many times a cell is in one call."""
    return 2 if options.shortcuts.one_batch and options.sampler.guidance > 0 else 1


def _groups(counts: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Consecutive slots with together at most `limit` cells, or one slot."""
    group, total = [], 0
    for slot, count in enumerate(counts):
        if group and total + count > limit:
            yield group
            group, total = [], 0
        group.append(slot)
        total += count
    if group:
        yield group


def _check(cells: Sequence[Tensor], context: Tensor, noise: Sequence[Tensor]) -> None:
    if not len(cells) == len(context) == len(noise):
        raise ValueError(
            f"{len(cells)} slots of cells, {len(context)} of picture tokens and {len(noise)} of "
            "noise, expected as many of each"
        )
    empty = [slot for slot, own in enumerate(cells) if len(own) == 0]
    if empty:
        raise ValueError(f"slots {empty} have no occupied cell; leave them out")
