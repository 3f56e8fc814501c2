"""Files of weights: their checksums, their tensors, and whether these fit a network."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from iscene_ros.core.errors import ModelError

LISTED_DIFFERENCES = 8
_BLOCK_BYTES = 1 << 20


def checksum(path: Path) -> str:
    """Return the sha256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK_BYTES), b""):
            digest.update(block)
    return digest.hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Map the tensors of a .safetensors file or of a .pt state dict into memory.

    Raises:
        ModelError: the file cannot be read, or holds something else than tensors.
    """
    with readable(path):
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if not isinstance(tensors, dict) or not tensors:
        raise ModelError(f"{path}: holds a {type(tensors).__name__}, expected names and tensors")
    others = sorted(str(k) for k, t in tensors.items() if not isinstance(t, Tensor))
    if others:
        raise ModelError(f"{path}: expected a plain state dict, but {others[0]!r} is no tensor")
    return dict(tensors)


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


def check_tensors(
    expected: Mapping[str, Tensor],  # may be on the meta device
    found: Mapping[str, Tensor],
    what: str,  # names the file in the error
) -> None:
    """Check that the names and shapes of two sets of tensors are the same.

    Raises:
        ModelError: they differ; the differences are counted and the first ones listed.
    """
    faults = [f"missing {name}" for name in expected.keys() - found.keys()]
    faults += [f"unexpected {name}" for name in found.keys() - expected.keys()]
    faults += [
        f"{name} is {tuple(found[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected.keys() & found.keys()
        if found[name].shape != expected[name].shape
    ]
    if faults:
        listed = "; ".join(sorted(faults)[:LISTED_DIFFERENCES])
        more = "; ..." if len(faults) > LISTED_DIFFERENCES else ""
        raise ModelError(f"{what}: {len(faults)} tensors differ: {listed}{more}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
