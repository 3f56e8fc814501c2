"""Weights of one network: read without a copy, compared strictly, placed in their precision."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.packages.parts import tensor_dtypes
from iscene_ros.models.state_dicts import check_tensors


def load_weights(
    network: nn.Module,  # on the meta device
    tensors: Mapping[str, Tensor],  # on the CPU, perhaps views of a file
    device: str,
    dtype: torch.dtype,  # of the torso
    what: str,  # names the file in errors
) -> nn.Module:
    """Give a network the tensors of a file.

    On a CPU, one that has its dtype already stays a view of the file.

    Raises:
        ModelError: names or shapes differ (they are listed), or the device's memory is too small.
    """
    check_tensors(network.state_dict(), tensors, what)
    return place(network, tensors.__getitem__, device, dtype, what)


def place(
    network: nn.Module,  # on the meta device
    tensor: Callable[[str], Tensor],  # by its name
    device: str,
    dtype: torch.dtype,  # of the torso
    what: str,  # names the file in errors
) -> nn.Module:
    """Give a network its tensors one after the other, so that no second copy of all exists.

    Raises:
        ModelError: the device's memory is too small.
    """
    try:
        dtypes = tensor_dtypes(network, dtype).items()
        placed = {name: tensor(name).to(device).to(kept) for name, kept in dtypes}
    except torch.cuda.OutOfMemoryError as error:
        raise ModelError(
            f"{what}: does not fit into the memory of {device}; free some, or use the CPU"
        ) from error
    network.load_state_dict(placed, assign=True)
    return network.requires_grad_(False)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or of a .pt state dict, mapped into memory.

    Raises:
        ModelError: it cannot be read, or holds something else than tensors.
    """
    with readable(path):
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return _checked_state(tensors, path)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn any failure to read weights into a ModelError."""
    try:
        yield
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: holds more than tensors, or is damaged; as it could run code it is not "
            f"loaded ({_first_line(error)}); fetch the published file"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"{path}: cannot be read ({_first_line(error)}); fetch it again"
        ) from error


def _checked_state(tensors: object, path: Path) -> dict[str, Tensor]:
    if not isinstance(tensors, dict) or not tensors:
        raise ModelError(f"{path}: holds a {type(tensors).__name__}, expected names and tensors")
    others = sorted(str(k) for k, t in tensors.items() if not isinstance(t, Tensor))
    if others:
        raise ModelError(f"{path}: expected a plain state dict, but {others[0]!r} is no tensor")
    return dict(tensors)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
