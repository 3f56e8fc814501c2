"""Training samples without content."""

import torch

from iscene_ros.lab.training.samples import Samples
from iscene_ros.preprocess.view_readings import ObservationVolumes


def empty_samples(count: int, value: int = 0, device: str = "cpu") -> Samples:
    side = 16
    grid = torch.zeros((count, side, side, side), dtype=torch.int8, device=device)
    gap = torch.zeros((count, 8, 8, 8), dtype=torch.int8, device=device)
    support = torch.zeros(count, device=device)
    volumes = ObservationVolumes(grid + value, gap, grid.to(torch.uint8), support)
    return Samples(volumes, grid, torch.ones(count, dtype=torch.uint8, device=device))
