"""Writing a safetensors file tensor by tensor, so that no more than one is in memory.

The layout: the header's length (8 bytes, little endian), the header (JSON, padded with spaces to a
multiple of 8), the tensors' bytes without gaps in the order of the header.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from iscene_ros.core.errors import ModelError

_NAMES = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32"}


@dataclass(frozen=True)
class TensorPlan:
    """What a tensor of the file will be."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def bytes(self) -> int:
        """Its size in the file."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


def write_tensors(
    path: Path,
    plans: Mapping[str, TensorPlan],
    tensor: Callable[[str], Tensor],  # by its name; of the planned shape, on the CPU
    metadata: Mapping[str, str],
) -> None:
    """Write a file; to a temporary name, then renamed, so that no half of one is ever at `path`.

    Raises:
        ModelError: the disk is full.
    """
    # Wider tensors first, so that each lies at a multiple of its numbers' size.
    plans = dict(sorted(plans.items(), key=lambda item: -item[1].dtype.itemsize))
    header = _header(plans, metadata)
    needed = len(header) + sum(plan.bytes for plan in plans.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise ModelError(_full(path, f"{needed / 1e9:.2f} GB needed, {free / 1e9:.2f} GB free"))
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(header)
            for name, plan in plans.items():
                file.write(_bytes(tensor(name).to(plan.dtype)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ModelError(_full(path, f"{needed / 1e9:.2f} GB needed")) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _header(plans: Mapping[str, TensorPlan], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": dict(metadata)}
    start = 0
    for name, plan in plans.items():
        end = start + plan.bytes
        entries[name] = {
            "dtype": _NAMES[plan.dtype],
            "shape": list(plan.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _bytes(tensor: Tensor) -> memoryview:
    return memoryview(tensor.contiguous().view(-1).view(torch.uint8).numpy())


def _full(path: Path, sizes: str) -> str:
    return f"{path}: the disk is full ({sizes}); make room or choose another folder"
