"""Contents of a model's files: kind, sizes and tensors, without loading their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages.converted import ConvertedFile
from iscene_ros.models.iscene.packages.package import ReleasePackage, read_package
from iscene_ros.models.iscene.packages.parts import PARTS, build_part, tensor_dtypes
from iscene_ros.models.mini.checkpoint import config_of
from iscene_ros.models.mini.config import MiniConfig
from iscene_ros.models.mini.network import MiniNetwork
from iscene_ros.models.registry import RELEASE, RegisteredModel, find_model
from iscene_ros.models.weight_files import check_tensors, checksum, read_tensors


@dataclass(frozen=True)
class TensorEntry:
    """One tensor, with its name within its part; a buffer is not trained."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    is_buffer: bool

    @property
    def count(self) -> int:
        """Number of elements."""
        return torch.Size(self.shape).numel()


@dataclass(frozen=True)
class PartContents:
    """The tensors of one network, in its order; `fault` says why they would not load."""

    name: str
    tensors: tuple[TensorEntry, ...]
    fault: str = ""

    @property
    def parameters(self) -> int:
        """Number of trained elements."""
        return sum(t.count for t in self.tensors if not t.is_buffer)

    @property
    def buffers(self) -> int:
        """Number of other elements."""
        return sum(t.count for t in self.tensors if t.is_buffer)

    @property
    def bytes(self) -> int:
        """Size of all tensors [bytes]."""
        return sum(t.count * t.dtype.itemsize for t in self.tensors)


@dataclass(frozen=True)
class ModelContents:
    """Name, sizes and parts of a model; `checksum` is hex, or empty where there is no file."""

    kind: RegisteredModel
    name: str
    checksum: str
    config: MiniConfig | ReleaseConfig
    parts: tuple[PartContents, ...]


def inspect_model(
    name_or_path: str, base: str | None = None, revision: str | None = None
) -> ModelContents:
    """Read the contents of a file of either model, a package's folder or a cached hub id.

    Raises:
        ModelError: there is no such model, or it cannot be read.
    """
    path = Path(name_or_path).expanduser()
    if find_model(name_or_path) is RELEASE:
        if path.is_file():
            return _release_contents(ConvertedFile(path))
        return _release_contents(read_package(name_or_path, base, revision, fetch=False))
    if not path.is_file():
        raise ModelError(f"model {name_or_path}: no such file or folder, and no hub id")
    return _mini_contents(path)


def release_shape(config: ReleaseConfig | None = None) -> ModelContents:
    """Return the published sizes and precision, without any file."""
    config = config or ReleaseConfig()
    parts = []
    for name in PARTS:
        network = build_part(name, config)
        dtypes = tensor_dtypes(network, torch.float16)
        part = _part(name, network, network.state_dict())
        tensors = tuple(replace(t, dtype=dtypes[t.name]) for t in part.tensors)
        parts.append(replace(part, tensors=tensors))
    return ModelContents(RELEASE, "published shapes", "", config, tuple(parts))


def key_lines(parts: Iterable[PartContents], prefixed: bool) -> list[str]:
    """Return tab-separated name, shape and dtype, a line for each tensor, and a line of totals."""
    parts = list(parts)
    lines = [
        "\t".join(
            (
                f"{part.name}.{t.name}" if prefixed else t.name,
                str(t.shape),
                str(t.dtype).removeprefix("torch."),
            )
        )
        for part in parts
        for t in part.tensors
    ]
    buffers = sum(part.buffers for part in parts)
    counted = f" buffers {buffers}" if buffers else ""
    parameters, size = sum(p.parameters for p in parts), sum(p.bytes for p in parts)
    return [*lines, f"# tensors {len(lines)} params {parameters}{counted} bytes {size}"]


def _release_contents(package: ReleasePackage | ConvertedFile) -> ModelContents:
    parts = tuple(_part(p, build_part(p, package.config), package.tensors(p)) for p in PARTS)
    return ModelContents(RELEASE, package.name, package.checksum(), package.config, parts)


def _mini_contents(path: Path) -> ModelContents:
    kind = find_model(path)
    with safe_open(path, framework="pt") as file:
        config = config_of(path, file.metadata())
    with torch.device("meta"):
        network = MiniNetwork(config)
    part = _part("network", network, read_tensors(path))
    return ModelContents(kind, path.stem, checksum(path), network.config, (part,))


def _part(name: str, network: nn.Module, found: Mapping[str, Tensor]) -> PartContents:
    expected = network.state_dict()
    fault = ""
    try:
        check_tensors(expected, found, name)
    except ModelError as error:
        fault = str(error)
    buffers = {key for key, _ in network.named_buffers()}
    order = [*(k for k in expected if k in found), *sorted(found.keys() - expected.keys())]
    tensors = (TensorEntry(k, tuple(found[k].shape), found[k].dtype, k in buffers) for k in order)
    return PartContents(name, tuple(tensors), fault)
