"""Weights of iscene-mini: one safetensors file with its configuration, loaded strictly.

And, for a name or a path, which of the two models it stands for.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.packages import converted
from iscene_ros.models.iscene.packages.hub import is_hub_id
from iscene_ros.models.iscene.packages.package import BASE_FILE, RELEASE_FILE
from iscene_ros.models.iscene.scene_flow_config import MiniConfig
from iscene_ros.models.mini.confidence import Calibration
from iscene_ros.models.mini.fast_network import FastNetwork
from iscene_ros.models.mini.network import VolumeSceneFlow
from iscene_ros.models.weight_files import check_tensors, checksum

FORMAT = "iscene-mini/1"


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

    network: VolumeSceneFlow | FastNetwork
    name: str
    checksum: str
    calibration: Calibration
    device: str


class ModelKind(Enum):
    """iscene-mini, or the published I-Scene."""

    MINI = "iscene-mini"
    RELEASE = "I-Scene"


def model_kind(name_or_path: str | Path) -> ModelKind:
    """Which model a name or a path stands for; neither the network nor the cache is asked.

    A folder and a hub id (owner/name, perhaps with @revision) are the published model; a file says
    by its metadata what it is. Any other name is left to iscene-mini, which knows its own.

    Raises:
        ModelError: a folder without a package, or a file that holds neither.
    """
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return _folder_kind(path)
    if path.is_file():
        return _file_kind(path)
    return ModelKind.RELEASE if is_hub_id(str(name_or_path)) else ModelKind.MINI


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


def _folder_kind(folder: Path) -> ModelKind:
    if (folder / RELEASE_FILE).is_file():
        return ModelKind.RELEASE
    is_base = (folder / BASE_FILE).is_file()
    found = "a TRELLIS package, which is only the base of one" if is_base else f"no {RELEASE_FILE}"
    raise ModelError(f"model {folder}: expected a package as LuLing/IScene, found {found}")


def _file_kind(path: Path) -> ModelKind:
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("format")
    except (OSError, SafetensorError) as error:
        raise ModelError(f"model {path}: cannot be read ({error}); fetch it again") from error
    kinds = {FORMAT: ModelKind.MINI, converted.FORMAT: ModelKind.RELEASE}
    if found not in kinds:
        raise ModelError(f"model {path}: format {found!r}, expected one of: {', '.join(kinds)}")
    return kinds[found]


def _calibration(text: str | None) -> Calibration:
    if text is None:
        return Calibration()
    return Calibration.from_dict(json.loads(text))
