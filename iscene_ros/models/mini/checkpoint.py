"""Weights of iscene-mini: one safetensors file with its configuration, loaded strictly."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from iscene_ros.core.atomic_files import new_file
from iscene_ros.core.errors import ModelError
from iscene_ros.models.mini.confidence import Calibration
from iscene_ros.models.mini.config import MiniConfig
from iscene_ros.models.mini.network import MiniNetwork
from iscene_ros.models.weight_files import check_tensors, checksum

# The weights of format 1, of another network, are no longer read.
FORMAT = "iscene-mini/2"


@dataclass(frozen=True)
class LoadedModel:
    """A network ready for inference and where it came from.

    Attributes:
        network: with weights in float32, on `device`.
        name: file name without ending.
        checksum: sha256 of the file, hex.
        calibration: fitted to the weights.
        device: torch device name.
    """

    network: MiniNetwork
    name: str
    checksum: str
    calibration: Calibration
    device: str


def save_weights(network: MiniNetwork, path: Path, calibration: Calibration | None = None) -> None:
    """Write a network's weights, in half precision, its configuration and a calibration."""
    weights = network.state_dict()
    tensors = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in weights.items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(network.config.to_dict()),
        "calibration": json.dumps(asdict(calibration or Calibration())),
    }
    with new_file(path) as temporary:
        save_file(tensors, temporary, metadata)


def load_model(path: Path, device: str = "cpu") -> LoadedModel:
    """Return the model of a file written by `save_weights`.

    Raises:
        ModelError: see `read_network`; or its calibration is of other evidence.
    """
    network, metadata = _read(path)
    try:
        calibration = Calibration.from_dict(json.loads(metadata["calibration"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"model {path}: its calibration is missing or of another version ({error}); rewrite it "
            "with iscene train --average, then fit it with iscene evaluate calibrate"
        ) from error
    network = network.to(device, memory_format=torch.channels_last_3d)
    name = path.stem.replace("_", "-")
    return LoadedModel(network.requires_grad_(False), name, checksum(path), calibration, device)


def read_network(path: Path) -> MiniNetwork:
    """Return the network of a file written by `save_weights`, whatever its calibration.

    Raises:
        ModelError: missing, truncated or of another kind; keys or shapes differ (they are listed).
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[MiniNetwork, dict[str, str]]:
    """Return the network of a file, in float32 on the CPU, and the metadata."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {k: file.get_tensor(k).float() for k in file.keys()}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"model {path}: cannot be read ({error}); fetch it again") from error
    if metadata.get("format") != FORMAT:
        found = metadata.get("format")
        raise ModelError(f"model {path}: format {found!r}, expected {FORMAT!r}")
    network = MiniNetwork(config_of(path, metadata))
    check_tensors(network.state_dict(), tensors, f"model {path}")
    network.load_state_dict(tensors)
    return network.eval(), metadata


def config_of(path: Path, metadata: dict[str, str]) -> MiniConfig:
    """Return the configuration in the metadata of a file.

    Raises:
        ModelError: it has none of iscene-mini.
    """
    try:
        return MiniConfig.from_dict(json.loads(metadata["config"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"model {path}: no configuration of iscene-mini ({error})") from error


def replace_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration into a checkpoint; its weights stay as they are."""
    with safe_open(path, framework="pt") as file:
        metadata = {**file.metadata(), "calibration": json.dumps(asdict(calibration))}
        tensors = {k: file.get_tensor(k) for k in file.keys()}
    with new_file(path) as temporary:
        save_file(tensors, temporary, metadata)
