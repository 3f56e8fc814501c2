"""Weights of iscene-mini: one safetensors file with its configuration, loaded strictly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from iscene_ros.core.atomic_files import new_file
from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.scene_flow_config import MiniConfig
from iscene_ros.models.mini.confidence import Calibration
from iscene_ros.models.mini.network import VolumeSceneFlow
from iscene_ros.models.weight_files import check_tensors, checksum

FORMAT = "iscene-mini/1"


@dataclass(frozen=True)
class LoadedModel:
    """A network ready for inference and where it came from.

    Attributes:
        network: a `VolumeSceneFlow`, a `FastNetwork` or a `MultiScaleNetwork`, with weights in
            float32, on `device`.
        name: file name without ending.
        checksum: sha256 of the file, hex.
        calibration: fitted to the weights.
        device: torch device name.
    """

    network: nn.Module
    name: str
    checksum: str
    calibration: Calibration
    device: str


def save_weights(
    network: nn.Module,
    path: Path,
    calibration: Calibration | None = None,
    dtype: torch.dtype = torch.float16,
    file_format: str = FORMAT,
) -> None:
    """Write a network's weights and configuration."""
    tensors = {k: v.detach().to("cpu", dtype).contiguous() for k, v in network.state_dict().items()}
    metadata = {
        "format": file_format,
        "config": json.dumps(network.config.to_dict()),
        "calibration": json.dumps(asdict(calibration or Calibration())),
    }
    with new_file(path) as temporary:
        save_file(tensors, temporary, metadata)


def load_model(path: Path, device: str = "cpu") -> LoadedModel:
    """Return the model of a file written by `save_weights`.

    Raises:
        ModelError: missing, truncated or of another kind; keys or shapes differ (they are listed).
    """
    return load_checkpoint(path, device, FORMAT, network_of)


def network_of(config: dict) -> VolumeSceneFlow:
    """Return a network with random weights; `config` as of `MiniConfig.to_dict`."""
    return VolumeSceneFlow(MiniConfig.from_dict(config))


def load_checkpoint(
    path: Path, device: str, file_format: str, network_of: Callable[[dict], nn.Module]
) -> LoadedModel:
    """Return the model of a file of this format; `network_of` makes the network of its config.

    Raises:
        ModelError: as of `load_model`.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {k: file.get_tensor(k).float() for k in file.keys()}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"model {path}: cannot be read ({error}); fetch it again") from error
    if metadata.get("format") != file_format:
        found = metadata.get("format")
        raise ModelError(f"model {path}: format {found!r}, expected {file_format!r}")
    network = network_of(json.loads(metadata["config"]))
    check_tensors(network.state_dict(), tensors, f"model {path}")
    network.load_state_dict(tensors)
    network = network.to(device, memory_format=torch.channels_last_3d)
    return LoadedModel(
        network=network.eval().requires_grad_(False),
        name=path.stem.replace("_", "-"),
        checksum=checksum(path),
        calibration=_calibration(metadata.get("calibration")),
        device=device,
    )


def replace_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration into a checkpoint; its weights stay as they are."""
    with safe_open(path, framework="pt") as file:
        metadata = {**file.metadata(), "calibration": json.dumps(asdict(calibration))}
        tensors = {k: file.get_tensor(k) for k in file.keys()}
    with new_file(path) as temporary:
        save_file(tensors, temporary, metadata)


def _calibration(text: str | None) -> Calibration:
    if text is None:
        return Calibration()
    return Calibration.from_dict(json.loads(text))
