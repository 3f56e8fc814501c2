"""Building the published model: from its packages, from a converted file, or of random numbers."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages.converted import ConvertedFile
from iscene_ros.models.iscene.packages.package import read_package
from iscene_ros.models.iscene.packages.parts import PARTS, build_part, default_dtype, tensor_dtypes
from iscene_ros.models.iscene.sampling.flow_sampler import seeded_noise
from iscene_ros.models.weight_files import check_tensors

# Standard deviations of random biases, gains, and learned tokens and positions.
BIAS_SPREAD = 0.1
GAIN_SPREAD = 0.1
TOKEN_SPREAD = 0.5


@dataclass(frozen=True)
class ReleaseModel:
    """The networks of the published model, ready for inference.

    Attributes:
        config: sizes and samplers.
        conditioner: images to tokens.
        structure_flow, structure_decoder: the first stage, to occupied cells.
        slat_flow, mesh_decoder: the second stage, to features of meshes.
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


def load_release(
    source: str | Path,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    base: str | None = None,
) -> ReleaseModel:
    """Load the published model from a folder, the hub or a converted file.

    Args:
        source: "LuLing/IScene", optionally with @revision; a folder laid out as that package; or a
            file of `iscene fetch-model --convert`.
        device: torch device name.
        dtype: of the torsos; None = float16 on a GPU, float32 on a CPU.
        base: hub id or folder of microsoft/TRELLIS-image-large, where it is not beside or inside
            a folder `source`.

    Raises:
        ModelError: missing, partial, malformed or of an unsupported variant; out of memory.
    """
    dtype = dtype or default_dtype(device)
    path = Path(source).expanduser()
    if path.is_file() and base is not None:
        raise ModelError(f"{path}: a converted file has no base; leave it out")
    package = ConvertedFile(path) if path.is_file() else read_package(str(source), base)
    networks = {}
    for part in PARTS:
        network, tensors = build_part(part, package.config), package.tensors(part)
        check_tensors(network.state_dict(), tensors, package.where(part))
        networks[part] = _place(network, tensors, device, dtype, package.where(part))
    return ReleaseModel(
        config=package.config,
        **networks,
        name=package.name,
        checksum=package.checksum(),
        device=device,
        dtype=dtype,
    )


def random_release(
    config: ReleaseConfig, seed: int = 0, device: str = "cpu", dtype: torch.dtype | None = None
) -> ReleaseModel:
    """Return a model of the given sizes with random weights, for benchmarks and tests.

    The weights are the same for a seed on every machine. No tensor is zero or constant, so every
    layer takes part in the result.
    """
    dtype = dtype or default_dtype(device)
    networks = {}
    for number, name in enumerate(PARTS, seed * len(PARTS)):
        network = build_part(name, config)
        shapes = {key: tensor.shape for key, tensor in network.state_dict().items()}
        tensors = {key: _random_tensor(key, shape, number) for key, shape in shapes.items()}
        networks[name] = _place(network, tensors, device, dtype, f"random {name}")
    return ReleaseModel(config, **networks, name="random", checksum="", device=device, dtype=dtype)


def _random_tensor(name: str, shape: torch.Size, seed: int) -> Tensor:
    """Return float32 numbers that depend on the name, the shape and the seed alone.

    Weights preserve the scale of activations; gains are about 1, biases about 0.
    """
    noise = seeded_noise(tuple(shape), seed, zlib.crc32(name.encode()))
    kind = name.rsplit(".", 1)[-1]
    if kind == "weight" and len(shape) > 1:
        return noise.mul_((noise.numel() / shape[0]) ** -0.5)
    if kind in ("weight", "gamma"):
        return noise.mul_(GAIN_SPREAD).add_(1)
    return noise.mul_(BIAS_SPREAD if kind == "bias" else TOKEN_SPREAD)


def _place(
    network: nn.Module,  # on the meta device
    tensors: Mapping[str, Tensor],
    device: str,
    dtype: torch.dtype,  # of the torso
    what: str,  # names the file in errors
) -> nn.Module:
    """Give a network its tensors; on a CPU, those of its dtype stay views of a file.

    Raises:
        ModelError: the device's memory is too small.
    """
    try:
        dtypes = tensor_dtypes(network, dtype).items()
        placed = {name: tensors[name].to(device).to(kept) for name, kept in dtypes}
    except torch.cuda.OutOfMemoryError as error:
        raise ModelError(
            f"{what}: does not fit into the memory of {device}; free some, or use the CPU"
        ) from error
    network.load_state_dict(placed, assign=True)
    return network.requires_grad_(False)
