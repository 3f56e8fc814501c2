"""Weights of iscene-mini: one safetensors file with its configuration, loaded strictly."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from iscene_ros.confidence import Calibration, ConfidenceModel
from iscene_ros.errors import ModelError
from iscene_ros.model.config import MiniConfig
from iscene_ros.model.volume_flow import VolumeSceneFlow

FORMAT = "iscene-mini/1"


@dataclass(frozen=True)
class LoadedModel:
    """A network ready for inference and where it came from.

    Attributes:
        network: in float32, on `device`.
        name: file name without ending.
        checksum: sha256 of the file, hex.
        calibration: fitted to the weights.
        device: torch device name.
    """

    network: VolumeSceneFlow
    name: str
    checksum: str
    calibration: Calibration
    device: str


def save_weights(
    network: VolumeSceneFlow,
    path: Path,
    calibration: Calibration | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a network's weights and configuration; to a temporary name, then renamed."""
    tensors = {k: v.detach().to("cpu", dtype).contiguous() for k, v in network.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(network.config.to_dict()),
        "calibration": json.dumps(asdict(calibration or Calibration())),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    save_file(tensors, temporary, metadata)
    os.replace(temporary, path)


def load_model(path: Path, device: str = "cpu") -> LoadedModel:
    """The model of a file written by `save_weights`.

    Raises:
        ModelError: missing, truncated or of another kind; keys or shapes differ (they are listed).
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {k: file.get_tensor(k).float() for k in file.keys()}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"model {path}: cannot be read ({error}); fetch it again") from error
    if metadata.get("format") != FORMAT:
        raise ModelError(f"model {path}: format {metadata.get('format')!r}, expected {FORMAT!r}")
    network = VolumeSceneFlow(MiniConfig.from_dict(json.loads(metadata["config"])))
    _check_keys(network.state_dict(), tensors, path)
    network.load_state_dict(tensors)
    network = network.to(device, memory_format=torch.channels_last_3d)
    return LoadedModel(
        network=network.eval().requires_grad_(False),
        name=path.stem.replace("_", "-"),
        checksum=checksum(path),
        calibration=_calibration(metadata.get("calibration")),
        device=device,
    )


def checksum(path: Path) -> str:
    """The sha256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _calibration(text: str | None) -> Calibration:
    if text is None:
        return Calibration()
    numbers = json.loads(text)
    return Calibration(ConfidenceModel(**numbers["confidence"]), numbers["level"])


def _check_keys(expected: dict, found: dict, path: Path) -> None:
    faults = [f"missing {k}" for k in expected.keys() - found.keys()]
    faults += [f"unexpected {k}" for k in found.keys() - expected.keys()]
    faults += [
        f"{k} is {tuple(found[k].shape)}, expected {tuple(expected[k].shape)}"
        for k in expected.keys() & found.keys()
        if found[k].shape != expected[k].shape
    ]
    if faults:
        listed = "; ".join(sorted(faults)[:8])
        raise ModelError(f"model {path}: {len(faults)} tensors differ: {listed}")
