"""The published model as one safetensors file, with sizes and samplers in its metadata."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from iscene_ros.core.atomic_files import new_file
from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages.package import ReleasePackage
from iscene_ros.models.iscene.packages.parts import PARTS, build_part, tensor_dtypes
from iscene_ros.models.weight_files import check_tensors, readable

FORMAT = "iscene-release/1"


def convert(package: ReleasePackage, path: Path, dtype: torch.dtype) -> None:
    """Write a package as one file; all of its tensors are in memory meanwhile.

    Args:
        package: its files may be of any precision.
        path: replaced only when the whole file is written.
        dtype: of the torsos; everything else is float32.

    Raises:
        ModelError: names or shapes differ from the configured sizes; the disk is full.
    """
    tensors = {}
    for part in PARTS:
        network = build_part(part, package.config)
        found = package.tensors(part)
        check_tensors(network.state_dict(), found, package.where(part))
        for name, kept in tensor_dtypes(network, dtype).items():
            tensors[f"{part}.{name}"] = found[name].to(kept).contiguous()
    metadata = {
        "format": FORMAT,
        "name": package.name,
        "checksum": package.checksum(),
        "config": json.dumps(asdict(package.config)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    needed = sum(tensor.nbytes for tensor in tensors.values())
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise ModelError(
            f"{path}: the disk is full ({needed / 1e9:.2f} GB needed, {free / 1e9:.2f} GB free); "
            "make room or choose another folder"
        )
    try:
        with new_file(path) as temporary:
            save_file(tensors, temporary, metadata)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be written ({error})") from error


class ConvertedFile:
    """A file of `convert`, mapped into memory.

    Attributes:
        name: of the package.
        config: sizes and samplers.

    Raises:
        ModelError: the file cannot be read, or has another format.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with readable(path):
            self._file = safe_open(path, framework="pt")
        metadata = self._file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ModelError(f"{path}: format {metadata.get('format')!r}, expected {FORMAT!r}")
        try:
            self.name, self._checksum = metadata["name"], metadata["checksum"]
            self.config: ReleaseConfig = _from_json(ReleaseConfig, json.loads(metadata["config"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{path}: written by another version ({error}); convert the model again"
            ) from error

    def checksum(self) -> str:
        """Return the sha256 over the package's weight files, hex."""
        return self._checksum

    def where(self, part: str) -> str:
        """Return how errors name the weights of a part."""
        return f"{self._path}: {part}"

    def tensors(self, part: str) -> dict[str, Tensor]:
        """Return the tensors of one part, as views of the file."""
        prefix = f"{part}."
        names = [name for name in self._file.keys() if name.startswith(prefix)]
        with readable(self._path):
            return {name[len(prefix) :]: self._file.get_tensor(name) for name in names}


def _from_json(kind: Any, value: Any) -> Any:
    """Invert `asdict` of a dataclass followed by JSON, which has no tuples."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _from_json(hints[name], inner) for name, inner in value.items()})
    return tuple(value) if isinstance(value, list) else value
