"""The second stage: structured latents (SLAT) on the occupied cells of each instance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.models.base import Progress
from iscene_ros.models.iscene.config import SlatNormalization
from iscene_ros.models.iscene.networks.slat_flow import SlatFlow
from iscene_ros.models.iscene.sampling.flow_sampler import Guidance, SamplerOptions, Step, integrate
from iscene_ros.models.iscene.sparse.tensor import CellGeometry, SparseTensor


@dataclass(frozen=True)
class SlatOptions:
    """Sampling of structured latents.

    Attributes:
        sampler: the integrator and its guidance.
        max_cells: cells in one call of the network; those of the conditional and the unconditional
            pass count each. An instance that has more is computed alone.
    """

    sampler: SamplerOptions
    max_cells: int = 200_000


@torch.inference_mode()
def sample_slat(
    flow: SlatFlow,
    cells: Sequence[Tensor],  # of each instance: [M_i, 3] int64 occupied cells, M_i > 0
    context: Tensor,  # [N, T, C_cond] image tokens of each instance
    noise: Sequence[Tensor],  # of each instance: [M_i, C]
    normalization: SlatNormalization,
    options: SlatOptions,
    progress: Progress | None = None,
) -> list[SparseTensor]:
    """Sample the latents (M_i, C) of each instance, ready for the mesh decoder.

    Instances do not attend to each other, so they run in groups that fit `max_cells`, one after
    another. `progress` is advanced by the instances and passes of each call of the network.
    """
    passes = 2 if options.sampler.guidance > 0 else 1
    latents = []
    for group in _groups([len(c) for c in cells], options.max_cells // passes):
        start = torch.cat([noise[i] for i in group]).to(context.device, flow.out_layer.weight.dtype)
        own = [cells[i] for i in group]
        sampler = _SlatSampler(flow, own, context[group], options, progress or Progress(None))
        x = integrate(sampler.velocity, start, options.sampler)
        mean, std = (x.new_tensor(t) for t in (normalization.mean, normalization.std))
        latents += SparseTensor(sampler.once, x * std + mean).items()
    return latents


class _SlatSampler:
    """The guided velocity of one group of instances."""

    def __init__(
        self,
        flow: SlatFlow,
        cells: Sequence[Tensor],
        context: Tensor,
        options: SlatOptions,
        progress: Progress,
    ) -> None:
        self.flow, self.progress = flow, progress
        self.context = flow.cached_context(context)
        self.guidance = Guidance(options.sampler)
        lengths = tuple(len(c) for c in cells)
        coords = torch.cat(list(cells)).to(context.device)
        # The tables of neighbours are made once for each of these and serve all steps.
        self.once = CellGeometry(coords, lengths)
        self.twice = CellGeometry(coords.repeat(2, 1), 2 * lengths)

    def velocity(self, x: Tensor, step: Step) -> Tensor:
        """Return the velocity (M, C) of the group at a step, from x of the same shape.

        The conditional pass comes first in the batch; the flow treats items beyond the context as
        unconditional.
        """
        if step.fresh:
            v, v_u = self._network(self.twice, x.repeat(2, 1), step).chunk(2)
        else:
            v, v_u = self._network(self.once, x, step), None
        return self.guidance(step, v, v_u)

    def _network(self, geometry: CellGeometry, x: Tensor, step: Step) -> Tensor:
        # The release multiplies the time by 1000 in double precision before it rounds it.
        time = torch.tensor([step.time], dtype=torch.float64, device=x.device)
        velocity = self.flow(SparseTensor(geometry, x), time, self.context)
        self.progress.advance(len(geometry.lengths))
        return velocity


def _groups(counts: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Yield runs of instances with at most `limit` cells together, or one instance."""
    group, total = [], 0
    for number, count in enumerate(counts):
        if group and total + count > limit:
            yield group
            group, total = [], 0
        group.append(number)
        total += count
    if group:
        yield group
