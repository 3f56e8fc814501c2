"""Muon for the kernels of convolutions, AdamW for the rest, and an average of the weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Kernels of the first and the last layer stay with AdamW.
OUTER_LAYERS = ("down_grid.", "head.")
ADAMW_BETAS = (0.9, 0.98)


class KernelMuon(torch.optim.Muon):
    """Muon for kernels of convolutions, each taken as the matrix (out, in x offsets).

    torch's Muon takes matrices alone. A kernel and its matrix share their memory, so the module
    must neither be moved nor change its memory format afterwards.
    """

    def __init__(
        self,
        kernels: Sequence[nn.Parameter],  # [O, I, k, k, k]
        relative_rate: float,
        weight_decay: float,
    ) -> None:
        self.kernels = list(kernels)
        self.matrices = [nn.Parameter(_as_matrix(k.detach())) for k in kernels]
        group = {"params": self.matrices, "relative_rate": relative_rate}
        super().__init__([group], weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    def step(self, closure=None) -> None:
        """Update the kernels from their gradients."""
        for kernel, matrix in zip(self.kernels, self.matrices, strict=True):
            matrix.grad = None
            if kernel.grad is not None:
                gradient = torch.empty_like(kernel).copy_(kernel.grad)  # in the kernel's format
                matrix.grad = _as_matrix(gradient)
        super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of the kernels."""
        super().zero_grad(set_to_none)
        for kernel in self.kernels:
            kernel.grad = None


def make_optimizers(
    network: nn.Module, kernel_rate: float, transformer_rate: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Return AdamW and Muon, whose groups carry `relative_rate`: their share of the learning rate.

    Args:
        network: A `VolumeSceneFlow`.
        kernel_rate: Relative rate of the kernels, which Muon trains.
        transformer_rate: Relative rate of the transformer's weights.
        weight_decay: Weight decay of the kernels.
    """
    named = list(network.named_parameters())
    kernels = [p for n, p in named if p.ndim == 5 and not n.startswith(OUTER_LAYERS)]
    chosen = {id(p) for p in kernels}
    rest = [(n, p) for n, p in named if id(p) not in chosen]
    transformer = [p for n, p in rest if n.startswith("transformer.")]
    others = [p for n, p in rest if not n.startswith("transformer.")]
    groups = [
        {"params": others, "relative_rate": 1.0},
        {"params": transformer, "relative_rate": transformer_rate},
    ]
    adamw = torch.optim.AdamW(groups, betas=ADAMW_BETAS, weight_decay=0.0)
    return [adamw, KernelMuon(kernels, kernel_rate, weight_decay)]


def set_learning_rate(optimizers: list[torch.optim.Optimizer], rate: float) -> None:
    """Set the rate of every group."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["relative_rate"]


class WeightAverage:
    """An exponential moving average of a network's weights whose decay grows at first."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, weights = list(self.network.parameters()), list(network.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)


def _as_matrix(kernel: Tensor) -> Tensor:
    """Return a kernel (O, I, k, k, k) as a matrix (O, I k^3) in the same memory."""
    if not kernel.is_contiguous():
        kernel = kernel.permute(0, 2, 3, 4, 1)
    return kernel.view(len(kernel), -1)
