"""torch.compile for the blocks of a transformer, off unless asked for."""

from __future__ import annotations

from torch import nn

# "reduce-overhead" records CUDA graphs. Their outputs live until the next replay, so all slots must
# fit into one call: what scene slots are remembered by would be overwritten between parts.
COMPILE_MODES = ("default", "reduce-overhead", "max-autotune")


def compile_blocks(network: nn.Module, mode: str, backend: str = "inductor") -> None:
    """Let `network.blocks` compile themselves at their next calls; those that did stay.

    Each number of slots, with and without picture, is compiled once: three for a scene. Measured
    on a CPU alone, where compiling takes minutes; the modes for GPUs are untried.

    Raises:
        ValueError: no such mode.
    """
    if mode not in COMPILE_MODES:
        raise ValueError(f"compile_mode: {mode!r}, expected one of {', '.join(COMPILE_MODES)}")
    for block in network.blocks:
        if block._compiled_call_impl is None:
            block.compile(mode=mode, backend=backend)
