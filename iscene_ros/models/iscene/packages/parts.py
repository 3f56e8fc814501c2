"""The networks of the published model and the precision that each tensor is kept in."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.networks.image_conditioner import ImageConditioner
from iscene_ros.models.iscene.networks.mesh_decoder import MeshDecoder
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.networks.slat_flow import SlatFlow
from iscene_ros.models.iscene.networks.structure_decoder import StructureDecoder
from iscene_ros.models.iscene.packages.precision import torso_layers


@dataclass(frozen=True)
class NetworkPart:
    """A network, and the field of `ReleaseConfig` with its sizes."""

    network: type[nn.Module]
    sizes: str


PARTS = {
    "conditioner": NetworkPart(ImageConditioner, "vision"),
    "structure_flow": NetworkPart(SceneFlowTransformer, "structure_flow"),
    "structure_decoder": NetworkPart(StructureDecoder, "structure_decoder"),
    "slat_flow": NetworkPart(SlatFlow, "slat_flow"),
    "mesh_decoder": NetworkPart(MeshDecoder, "mesh_decoder"),
}
# By the names that settings and commands use.
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def build_part(name: str, config: ReleaseConfig) -> nn.Module:
    """A network without weights: on the meta device, ready for `load_state_dict(assign=True)`."""
    part = PARTS[name]
    with torch.device("meta"):
        network = part.network(getattr(config, part.sizes))
    return network.eval().requires_grad_(False)


def tensor_dtypes(network: nn.Module, torso: torch.dtype) -> dict[str, torch.dtype]:
    """The dtype of each tensor of the state dict: `torso` in the torso's layers, else float32.

    A network that has no torso is computed in float32, as the release does its picture encoder.
    """
    layers = torso_layers(network) if hasattr(network, "torso") else ()
    inner = {id(parameter) for layer in layers for parameter in layer.parameters()}
    tensors = network.state_dict(keep_vars=True)
    return {k: torso if id(t) in inner else torch.float32 for k, t in tensors.items()}


def default_dtype(device: str) -> torch.dtype:
    """The torso's dtype: float16 on a GPU, as published; float32 on a CPU."""
    return torch.float16 if torch.device(device).type == "cuda" else torch.float32
