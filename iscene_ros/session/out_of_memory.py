"""Fallback of a completer when memory runs out: smaller batches first, then the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from iscene_ros.core.errors import ModelError
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene
from iscene_ros.models.base import DEFAULT_REQUEST, CompletionRequest, Report

# Messages of torch: from its allocators of GPU and main memory, and from cuBLAS.
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cublas_status_alloc_failed")


class Completer(Protocol):
    """A completer of observations; see `iscene_ros.completion.scene_completer.SceneCompleter`."""

    def complete(
        self,
        observation: Observation | Sequence[Observation],
        request: CompletionRequest = DEFAULT_REQUEST,
        progress: Report | None = None,
    ) -> Scene:
        """Complete every instance; the scene has the observation as it was completed."""


class OutOfMemoryFallback:
    """A completer that retries with less memory when the GPU runs out of it.

    Reduced batches and the CPU stay in use until the next load. `load` makes a completer for a
    device ("auto", "cpu", "cuda"), the given one first; `warn` takes one line about every
    reduction.
    """

    def __init__(
        self, load: Callable[[str], Completer], device: str, warn: Callable[[str], None]
    ) -> None:
        self._load, self._warn = load, warn
        self.completer = self._loaded(device)
        self.on_cpu = getattr(self.completer, "device", device) == "cpu"

    def complete(
        self,
        observation: Observation | Sequence[Observation],
        request: CompletionRequest = DEFAULT_REQUEST,
        progress: Report | None = None,
    ) -> Scene:
        """See `SceneCompleter.complete`; `progress` begins anew with every attempt."""
        while True:
            try:
                return self.completer.complete(observation, request, progress)
            except Exception as error:
                can_reduce = self._batch_size() > 1 or not self.on_cpu
                if not is_out_of_memory(error) or not can_reduce:
                    raise
            # Only after the except block are the tensors of the failed attempt released.
            _empty_gpu_cache()
            count = self._batch_size()
            if count > 1:
                self.completer = self.completer.with_objects_at_once(count // 2)
                self._warn(f"out of memory: now {count // 2} objects at once instead of {count}")
            else:
                self.completer = self._load("cpu")
                self.on_cpu = True
                self._warn("out of memory with one object at a time: now on the CPU")

    def _loaded(self, device: str) -> Completer:
        """Return the completer, on the CPU where its weights do not fit on the GPU."""
        try:
            return self._load(device)
        except Exception as error:
            if device == "cpu" or not is_out_of_memory(error):
                raise
        _empty_gpu_cache()
        self._warn("out of memory for the weights: now on the CPU")
        return self._load("cpu")

    def _batch_size(self) -> int:
        """Return the number of objects that the completer computes together."""
        return getattr(self.completer, "objects_at_once", 1)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that the GPU or the machine is out of memory."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, ModelError) and error.__cause__ is not None:
        return is_out_of_memory(error.__cause__)
    line = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in line for sign in OUT_OF_MEMORY)


def _empty_gpu_cache() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
