"""The networks of the published model and the precision of each of their tensors."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.networks.image_conditioner import ImageConditioner
from iscene_ros.models.iscene.networks.mesh_decoder import MeshDecoder
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.networks.slat_flow import SlatFlow
from iscene_ros.models.iscene.networks.structure_decoder import StructureDecoder
from iscene_ros.models.iscene.sparse.convolution import KernelWeights

# In the order of use; `ReleaseConfig` has the sizes by these names, "vision" for the first.
PARTS = {
    "conditioner": ImageConditioner,
    "structure_flow": SceneFlowTransformer,
    "structure_decoder": StructureDecoder,
    "slat_flow": SlatFlow,
    "mesh_decoder": MeshDecoder,
}
# By the names that settings and commands use.
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
# Layers of a torso that may be in half precision; its norms and gains stay in float32.
TORSO_LAYERS = (nn.Linear, nn.Conv2d, nn.Conv3d, KernelWeights)


def build_part(name: str, config: ReleaseConfig) -> nn.Module:
    """Build a network without weights, on the meta device."""
    sizes = config.vision if name == "conditioner" else getattr(config, name)
    with torch.device("meta"):
        network = PARTS[name](sizes)
    return network.eval().requires_grad_(False)


def tensor_dtypes(network: nn.Module, torso: torch.dtype) -> dict[str, torch.dtype]:
    """Return the dtype of each tensor of the state dict: `torso` in the torso, else float32.

    A network without a torso is computed in float32, as the release does its image conditioner.
    """
    inner = {id(p) for layer in torso_layers(network) for p in layer.parameters()}
    tensors = network.state_dict(keep_vars=True)
    return {k: torso if id(t) in inner else torch.float32 for k, t in tensors.items()}


def torso_layers(network: nn.Module) -> Iterator[nn.Module]:
    """Yield each linear and convolution layer of the modules that `network.torso()` names."""
    for part in network.torso() if hasattr(network, "torso") else ():
        yield from (module for module in part.modules() if isinstance(module, TORSO_LAYERS))


def default_dtype(device: str) -> torch.dtype:
    """Return the torso's dtype: float16 on a GPU, as published; float32 on a CPU."""
    return torch.float16 if torch.device(device).type == "cuda" else torch.float32
