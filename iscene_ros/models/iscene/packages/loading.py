"""Building the published model: from its packages, from a converted file, or of random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages.converted import ConvertedFile
from iscene_ros.models.iscene.packages.package import ReleasePackage, read_package
from iscene_ros.models.iscene.packages.parts import PARTS, build_part, default_dtype
from iscene_ros.models.iscene.packages.random_weights import random_tensor
from iscene_ros.models.iscene.packages.source import Report
from iscene_ros.models.iscene.packages.weights import load_weights, place, read_tensors


@dataclass(frozen=True)
class ReleaseModel:
    """The networks of the published model, ready for inference.

    Attributes:
        config: sizes and samplers.
        conditioner: pictures -> tokens.
        structure_flow, structure_decoder: the first stage, to occupied cells.
        slat_flow, mesh_decoder: the second stage, to meshes' features.
        name: of the package, with its revision where it has one.
        checksum: sha256 over all published weight files, hex; the same for a converted file.
        device: torch device name.
        dtype: of the torsos; outer layers and norms are float32.
    """

    config: ReleaseConfig
    conditioner: nn.Module
    structure_flow: nn.Module
    structure_decoder: nn.Module
    slat_flow: nn.Module
    mesh_decoder: nn.Module
    name: str
    checksum: str
    device: str
    dtype: torch.dtype

    def parts(self) -> Iterator[tuple[str, nn.Module]]:
        """Names and networks, in the order of use."""
        return ((name, getattr(self, name)) for name in PARTS)


def load_release(
    source: str | Path,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    base: str | None = None,
    revision: str | None = None,
    report: Report | None = None,
) -> ReleaseModel:
    """The published model of a folder, a hub id or a converted file.

    Args:
        source: "LuLing/IScene", perhaps with @revision; a folder laid out as that package; or a
            file of `iscene fetch-model --convert`.
        device: torch device name.
        dtype: of the torsos; None = float16 on a GPU, float32 on a CPU.
        base: hub id or folder of microsoft/TRELLIS-image-large, where it is not beside or inside
            a folder `source`.
        revision: branch, tag or commit of the release on the hub.
        report: told what is fetched, a line a file.

    Raises:
        ModelError: missing, partial, malformed or of an unsupported variant; out of memory.
    """
    dtype = dtype or default_dtype(device)
    path = Path(source).expanduser()
    if not path.is_file():
        package = read_package(str(source), base, revision, report)
        return _load_package(package, device, dtype)
    if base is not None or revision is not None:
        raise ModelError(f"{path}: a converted file has no base or revision; leave them out")
    return _load_converted(path, device, dtype)


def random_release(
    config: ReleaseConfig, seed: int = 0, device: str = "cpu", dtype: torch.dtype | None = None
) -> ReleaseModel:
    """A model of the given sizes with random weights, the same for a seed on every machine.

    No tensor is zero or constant, so every layer takes part in the result.
    """
    dtype = dtype or default_dtype(device)
    networks = {
        name: _random_network(name, config, seed * len(PARTS) + number, device, dtype)
        for number, name in enumerate(PARTS)
    }
    return ReleaseModel(config, **networks, name="random", checksum="", device=device, dtype=dtype)


def _random_network(
    name: str, config: ReleaseConfig, seed: int, device: str, dtype: torch.dtype
) -> nn.Module:
    network = build_part(name, config)
    shapes = {key: tensor.shape for key, tensor in network.state_dict().items()}

    def tensor(key: str) -> torch.Tensor:
        return random_tensor(key, shapes[key], seed)

    return place(network, tensor, device, dtype, f"random {name}")


def _load_package(package: ReleasePackage, device: str, dtype: torch.dtype) -> ReleaseModel:
    networks = {}
    for name, file in package.weights.items():
        network = build_part(name, package.config)
        tensors = read_tensors(file.path)
        networks[name] = load_weights(network, tensors, device, dtype, str(file.path))
    return ReleaseModel(
        config=package.config,
        **networks,
        name=package.name,
        checksum=package.checksum(),
        device=device,
        dtype=dtype,
    )


def _load_converted(path: Path, device: str, dtype: torch.dtype) -> ReleaseModel:
    networks = {}
    with ConvertedFile(path) as file:
        for name in PARTS:
            network = build_part(name, file.config)
            what = f"{path}: {name}"
            networks[name] = load_weights(network, file.tensors(name), device, dtype, what)
        return ReleaseModel(
            config=file.config,
            **networks,
            name=file.name,
            checksum=file.checksum,
            device=device,
            dtype=dtype,
        )
