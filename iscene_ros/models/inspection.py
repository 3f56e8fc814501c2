"""Contents of a model's files: kind, sizes and tensors, without loading their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages.converted import ConvertedFile
from iscene_ros.models.iscene.packages.package import read_package
from iscene_ros.models.iscene.packages.parts import PARTS, build_part, tensor_dtypes
from iscene_ros.models.mini.checkpoint import config_of
from iscene_ros.models.mini.config import MiniConfig
from iscene_ros.models.mini.network import MiniNetwork
from iscene_ros.models.registry import RELEASE, RegisteredModel, find_model
from iscene_ros.models.weight_files import check_tensors, checksum, read_tensors


@dataclass(frozen=True)
class PartContents:
    """The tensors of one network.

    Attributes:
        name: of the network.
        tensors: by their names within it, in its order.
        buffer_names: of those tensors that are not trained.
        fault: why they would not load; "" = they would.
    """

    name: str
    tensors: Mapping[str, Tensor]
    buffer_names: frozenset[str]
    fault: str = ""

    @property
    def parameters(self) -> int:
        """Number of trained elements."""
        return sum(t.numel() for k, t in self.tensors.items() if k not in self.buffer_names)

    @property
    def buffers(self) -> int:
        """Number of other elements."""
        return sum(t.numel() for k, t in self.tensors.items() if k in self.buffer_names)

    @property
    def bytes(self) -> int:
        """Size of all tensors [bytes]."""
        return sum(t.nbytes for t in self.tensors.values())


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
    kind, is_file = find_model(name_or_path), path.is_file()
    if kind is RELEASE:
        package = (
            ConvertedFile(path)
            if is_file
            else read_package(name_or_path, base, revision, fetch=False)
        )
        parts = tuple(_part(p, build_part(p, package.config), package.tensors(p)) for p in PARTS)
        return ModelContents(kind, package.name, package.checksum(), package.config, parts)
    if not is_file:
        raise ModelError(f"model {name_or_path}: no such file or folder, and no hub id")
    with safe_open(path, framework="pt") as file:
        config = config_of(path, file.metadata())
    with torch.device("meta"):
        network = MiniNetwork(config)
    part = _part("network", network, read_tensors(path))
    return ModelContents(kind, path.stem, checksum(path), config, (part,))


def release_shape(config: ReleaseConfig | None = None) -> ModelContents:
    """Return the published sizes and precision, without any file."""
    config = config or ReleaseConfig()
    parts = []
    for name in PARTS:
        network = build_part(name, config)
        dtypes, state = tensor_dtypes(network, torch.float16), network.state_dict()
        parts.append(_part(name, network, {k: t.to(dtypes[k]) for k, t in state.items()}))
    return ModelContents(RELEASE, "published shapes", "", config, tuple(parts))


def key_lines(parts: Sequence[PartContents], prefixed: bool) -> list[str]:
    """Return tab-separated name, shape and dtype, a line for each tensor, and a line of totals."""
    lines = []
    for part in parts:
        for name, tensor in part.tensors.items():
            shown = f"{part.name}.{name}" if prefixed else name
            dtype = str(tensor.dtype).removeprefix("torch.")
            lines.append(f"{shown}\t{tuple(tensor.shape)}\t{dtype}")
    buffers = sum(part.buffers for part in parts)
    counted = f" buffers {buffers}" if buffers else ""
    parameters, size = sum(p.parameters for p in parts), sum(p.bytes for p in parts)
    return [*lines, f"# tensors {len(lines)} params {parameters}{counted} bytes {size}"]


def _part(name: str, network: nn.Module, found: Mapping[str, Tensor]) -> PartContents:
    expected, fault = network.state_dict(), ""
    try:
        check_tensors(expected, found, name)
    except ModelError as error:
        fault = str(error)
    order = [*(k for k in expected if k in found), *sorted(found.keys() - expected.keys())]
    buffers = frozenset(key for key, _ in network.named_buffers())
    return PartContents(name, {k: found[k] for k in order}, buffers, fault)
