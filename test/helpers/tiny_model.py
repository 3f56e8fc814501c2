"""An iscene-mini small enough for tests."""

import torch

from iscene_ros.models.mini.config import MiniConfig
from iscene_ros.models.mini.network import MiniNetwork
from iscene_ros.preprocess.view_readings import ObservationVolumes

TINY = MiniConfig(16, 4.0, (8, 16, 16, 16), (1, 1, 1, 1), (1, 1, 1))


def tiny_network() -> MiniNetwork:
    torch.manual_seed(0)
    network = MiniNetwork(TINY).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def random_volumes(count: int, side: int = 16) -> ObservationVolumes:
    generator = torch.Generator().manual_seed(0)

    def integers(low: int, high: int, size: int, kind: torch.dtype) -> torch.Tensor:
        return torch.randint(low, high, (count, size, size, size), generator=generator).to(kind)

    return ObservationVolumes(
        integers(-127, 128, side, torch.int8),
        integers(-127, 128, side // 2, torch.int8),
        integers(0, 7, side, torch.uint8),
        torch.zeros(count),
    )
