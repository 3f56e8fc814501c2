"""One optimisation step, on one process or on several that share it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from iscene_ros.lab.training.batches import Pack, make_batch
from iscene_ros.lab.training.distillation import distillation_loss
from iscene_ros.lab.training.objective import ObjectiveOptions, flow_loss, voxel_weights
from iscene_ros.lab.training.ranks import Ranks
from iscene_ros.models.mini.network import VolumeSceneFlow


class LossModule(nn.Module):
    """The network and its loss as one module, so that a step is one forward pass of it."""

    def __init__(self, network: VolumeSceneFlow) -> None:
        super().__init__()
        self.network = network

    def forward(self, teacher: list[nn.Module], *arguments) -> Tensor:
        """The loss; `teacher` holds the network that is distilled, or nothing."""
        if teacher:
            return distillation_loss(self.network, teacher[0], *arguments)
        return flow_loss(self.network, *arguments)


class Stepper:
    """Computes the gradients of a step whose batch may be spread over several processes.

    Each process gives its part's share of the mean over all voxels of all parts, so that the
    gradients are those of one process with the whole batch.
    """

    def __init__(self, network: VolumeSceneFlow, ranks: Ranks, precision: str) -> None:
        self.network, self.ranks, self.precision = network, ranks, precision
        self.side = network.config.flow.tokens_per_side
        self.device = next(network.parameters()).device
        module = LossModule(network)
        self.module = DistributedDataParallel(module) if ranks.count > 1 else module

    def gradients(
        self, pack: Pack, options: ObjectiveOptions, teacher: nn.Module | None = None
    ) -> Tensor:
        """Leave gradients in the network; return this part's share of the loss, a scalar."""
        batch = make_batch(pack.views, self.side, pack.draws.mirror, self.device)
        draws = pack.draws.slots.to(self.device)
        total = self.ranks.total(voxel_weights(batch, options).sum())
        mixed = self.precision == "bfloat16"
        teachers = [] if teacher is None else [teacher]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            loss = self.module(teachers, batch, options, draws, total)
        # DistributedDataParallel takes the mean of the gradients; the shares want their sum.
        (self.ranks.count * loss).backward()
        return loss.detach()
