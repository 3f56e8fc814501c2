"""Which layers of the published networks are kept in half precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import nn

from iscene_ros.models.iscene.sparse.convolution import KernelWeights

# Norms, embeddings of time and the first and last layer stay in float32.
TORSO_LAYERS = (nn.Linear, nn.Conv2d, nn.Conv3d, KernelWeights)


class HasTorso(Protocol):
    """A network that names the part of it that may be in half precision."""

    def torso(self) -> list[nn.Module]:
        """Return the submodules whose linear and convolution layers are converted."""


def convert_torso(network: HasTorso, dtype: torch.dtype) -> None:
    """Turn the torso's linear and convolution layers into `dtype`, and nothing else."""
    for layer in torso_layers(network):
        layer.to(dtype)


def torso_layers(network: HasTorso) -> Iterator[nn.Module]:
    """Each linear and convolution layer of the torso."""
    for part in network.torso():
        for module in part.modules():
            if isinstance(module, TORSO_LAYERS):
                yield module
