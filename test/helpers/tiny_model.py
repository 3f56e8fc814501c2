"""A network small enough for tests."""

import torch

from iscene_ros.models.iscene.scene_flow_config import MiniConfig, SceneFlowConfig
from iscene_ros.models.mini.network import VolumeSceneFlow, token_positions
from iscene_ros.models.mini.scene_sampler import CropInputs
from iscene_ros.preprocess.observation_volume import CHANNELS

TINY = MiniConfig(
    resolution=16,
    grid_channels=8,
    encoder_layers=1,
    decoder_layers=1,
    flow=SceneFlowConfig(
        tokens_per_side=4,
        in_channels=16,
        out_channels=16,
        model_channels=24,
        num_blocks=3,
        num_heads=2,
        scene_context_blocks=1,
    ),
)


def tiny_network() -> VolumeSceneFlow:
    torch.manual_seed(0)
    network = VolumeSceneFlow(TINY).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def tiny_inputs(slots: int) -> CropInputs:
    generator = torch.Generator().manual_seed(1)
    volume = torch.rand(slots, CHANNELS, 16, 16, 16, generator=generator)
    centers = torch.rand(slots, 3, generator=generator)
    sizes = torch.rand(slots, generator=generator) + 0.1
    scene = centers[:1].expand_as(centers), sizes[:1].expand_as(sizes)
    return CropInputs(volume, token_positions(centers, sizes, *scene, 4), tuple(range(slots)))
