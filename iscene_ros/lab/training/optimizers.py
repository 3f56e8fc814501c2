"""Muon for matrices or convolution kernels, AdamW for the rest, and an average of the weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from iscene_ros.models.mini.network import VolumeSceneFlow

# What Muon may train: the transformer's matrices, the convolutions' kernels, or all of them.
MUON_PARTS = ("matrices", "kernels", "all")


class KernelMuon(torch.optim.Muon):
    """Muon that also trains kernels of convolutions, each as the matrix (out, in and offsets).

    torch's takes matrices alone; a kernel and its matrix share their memory, so the module they
    are of must neither be moved nor change its memory format afterwards.
    """

    def __init__(
        self,
        matrices: Sequence[nn.Parameter],
        kernels: Sequence[nn.Parameter],  # [O, I, k, k, k]
        relative_rate: float,
        weight_decay: float,
    ) -> None:
        self.kernels = list(kernels)
        self.flat = [nn.Parameter(_as_matrix(k.detach())) for k in kernels]
        group = {"params": [*matrices, *self.flat], "relative_rate": relative_rate}
        super().__init__([group], weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    def step(self, closure=None) -> None:
        """Move along the gradients of matrices and kernels."""
        for kernel, flat in zip(self.kernels, self.flat, strict=True):
            flat.grad = None
            if kernel.grad is not None:
                gradient = torch.empty_like(kernel).copy_(kernel.grad)  # in the kernel's format
                flat.grad = _as_matrix(gradient)
        super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of matrices and kernels."""
        super().zero_grad(set_to_none)
        for kernel in self.kernels:
            kernel.grad = None


def make_optimizers(
    network: VolumeSceneFlow,
    matrix_rate: float,
    weight_decay: float,
    muon: str = "matrices",
    transformer_rate: float = 1.0,
) -> list[torch.optim.Optimizer]:
    """Optimisers whose groups carry `relative_rate`, the share of the schedule's learning rate.

    `muon` is one of MUON_PARTS; of the convolutions, the first and the last stay with AdamW.
    `transformer_rate` is that of what AdamW trains of the transformer.
    """
    named = list(network.named_parameters())
    matrices = [p for n, p in named if muon != "kernels" and _is_hidden_matrix(n, p)]
    kernels = [p for n, p in named if muon != "matrices" and _is_hidden_kernel(n, p)]
    chosen = {id(p) for p in (*matrices, *kernels)}
    rest = [(n, p) for n, p in named if id(p) not in chosen]
    inside = [p for n, p in rest if n.startswith("transformer.")]
    others = [p for n, p in rest if not n.startswith("transformer.")]
    groups = [
        {"params": others, "relative_rate": 1.0},
        {"params": inside, "relative_rate": transformer_rate},
    ]
    adamw = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)
    return [adamw, KernelMuon(matrices, kernels, matrix_rate, weight_decay)]


def set_learning_rate(optimizers: list[torch.optim.Optimizer], rate: float) -> None:
    """Set the rate of every group."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["relative_rate"]


class WeightAverage:
    """An exponential moving average of a network's weights, short at first."""

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


def _is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 2 and ".blocks." in name and name.endswith("weight")


def _is_hidden_kernel(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 5 and not name.startswith(("down_grid.", "head."))


def _as_matrix(kernel: Tensor) -> Tensor:
    """(O, I, k, k, k) -> (O, I k^3), the same memory; the columns in the order that lies there."""
    if not kernel.is_contiguous():
        kernel = kernel.permute(0, 2, 3, 4, 1)
    return kernel.view(len(kernel), -1)
