"""Muon for the kernels of convolutions and AdamW for the rest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from iscene_ros.models.mini.network import MiniNetwork

# First and last layers, whose kernels AdamW trains; Muon trains the other kernels.
OUTER_LAYERS = ("stem.", "down_pooled.", "grid_head.", "fine_head.")
ADAMW_BETAS = (0.9, 0.98)
# Of the kernels: learning rate relative to that of AdamW, and weight decay.
KERNEL_RATE, KERNEL_DECAY = 2.0, 0.01


class KernelMuon(torch.optim.Muon):
    """Muon for kernels of convolutions, each taken as the matrix (out, in x offsets).

    torch's Muon takes matrices alone. A kernel and its matrix share their memory, so the module
    must neither be moved nor change its memory format afterwards.
    """

    def __init__(self, kernels: Sequence[nn.Parameter]) -> None:  # [O, I, k, k, k]
        self.kernels = list(kernels)
        self.matrices = [nn.Parameter(_as_matrix(k.detach())) for k in kernels]
        group = {"params": self.matrices, "relative_rate": KERNEL_RATE}
        super().__init__([group], weight_decay=KERNEL_DECAY, adjust_lr_fn="match_rms_adamw")

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


def make_optimizers(network: MiniNetwork) -> list[torch.optim.Optimizer]:
    """Return AdamW and Muon; `relative_rate` of a group is its share of the learning rate."""
    named = list(network.named_parameters())
    kernels = [p for n, p in named if p.ndim == 5 and not n.startswith(OUTER_LAYERS)]
    chosen = {id(p) for p in kernels}
    others = [p for _, p in named if id(p) not in chosen]
    groups = [{"params": others, "relative_rate": 1.0}]
    adamw = torch.optim.AdamW(groups, betas=ADAMW_BETAS, weight_decay=0.0)
    return [adamw, KernelMuon(kernels)]


def set_learning_rate(optimizers: list[torch.optim.Optimizer], rate: float) -> None:
    """Set the rate of every group."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["relative_rate"]


def _as_matrix(kernel: Tensor) -> Tensor:
    """Return a kernel (O, I, k, k, k) as a matrix (O, I k^3) in the same memory."""
    if not kernel.is_contiguous():
        kernel = kernel.permute(0, 2, 3, 4, 1)
    return kernel.view(len(kernel), -1)
