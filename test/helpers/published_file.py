"""How large a .safetensors file of a network would be, to the byte."""

from __future__ import annotations

import json

import torch

NAMES = {torch.float16: "F16", torch.float32: "F32"}


def safetensors_size(state: dict[str, torch.Tensor]) -> int:
    """Bytes of the file: a length, a header of names, types and shapes, and the tensors.

    Tensors may be on the meta device.
    """
    header, end = {}, 0
    by_type = sorted(state.items(), key=lambda entry: (-entry[1].element_size(), entry[0]))
    for name, tensor in by_type:
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = len(json.dumps(header, separators=(",", ":")))
    return 8 + -(-text // 8) * 8 + end
