"""A completer that survives a full GPU: smaller batches first, then the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from iscene_ros.observation import Observation
from iscene_ros.scene import Scene


class Completer(Protocol):
    """What completes an observation; see `iscene_ros.completion.SceneCompleter`."""

    def complete(
        self, observation: Observation, steps: int | None = None, seed: int = 0, faces: int = 5000
    ) -> Scene:
        """Complete every instance."""


class RecoveringCompleter:
    """Completes, and retries with less memory where a GPU has no more of it.

    What helped stays in use until the next load.

    Args:
        load: makes a completer for a device ("auto", "cpu", "cuda").
        device: where to begin.
        warn: takes one line when something was given up.
    """

    def __init__(
        self, load: Callable[[str], Completer], device: str, warn: Callable[[str], None]
    ) -> None:
        self._load, self._warn = load, warn
        self.completer = load(device)
        self.on_cpu = device == "cpu"

    def complete(self, observation: Observation, steps: int | None, seed: int, faces: int) -> Scene:
        """See `SceneCompleter.complete`."""
        while True:
            try:
                return self.completer.complete(observation, steps, seed, faces)
            except Exception as error:
                if not is_out_of_memory(error) or not self._give_up_something():
                    raise

    def _give_up_something(self) -> bool:
        """Use less memory; False where nothing is left to give up."""
        _empty_gpu_cache()
        options = getattr(self.completer, "options", None)
        chunk = 1 if options is None else options.sampler.chunk
        if chunk > 1:
            sampler = replace(options.sampler, chunk=chunk // 2)
            self.completer.options = replace(options, sampler=sampler)
            self._warn(f"out of memory: now {chunk // 2} objects at once instead of {chunk}")
            return True
        if not self.on_cpu:
            self.completer = self._load("cpu")
            self.on_cpu = True
            self._warn("out of memory with one object at a time: now on the CPU")
            return True
        return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory, of the GPU or of the machine, is used up."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "out of memory" in str(error).lower()


def _empty_gpu_cache() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
