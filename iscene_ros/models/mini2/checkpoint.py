"""Weights of iscene-mini 2: one safetensors file with its configuration, loaded strictly."""

from __future__ import annotations

from pathlib import Path

import torch

from iscene_ros.models.mini import checkpoint
from iscene_ros.models.mini.confidence import Calibration
from iscene_ros.models.mini2.config import Mini2Config
from iscene_ros.models.mini2.network import MultiScaleNetwork

FORMAT = "iscene-mini/2"


def save_weights(
    network: MultiScaleNetwork,
    path: Path,
    calibration: Calibration | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a network's weights and configuration."""
    checkpoint.save_weights(network, path, calibration, dtype, FORMAT)


def load_model(path: Path, device: str = "cpu") -> checkpoint.LoadedModel:
    """Return the model of a file written by `save_weights`.

    Raises:
        ModelError: missing, truncated or of another kind; keys or shapes differ (they are listed).
    """
    return checkpoint.load_checkpoint(path, device, FORMAT, network_of)


def network_of(config: dict) -> MultiScaleNetwork:
    """Return a network with random weights; `config` as of `Mini2Config.to_dict`."""
    return MultiScaleNetwork(Mini2Config.from_dict(config))
