"""Seconds by stage and peak memory of a completion, by the number of objects and of steps."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from iscene_ros.cli.completion_run import Completer
from iscene_ros.core.errors import ModelError
from iscene_ros.core.scene import Timings
from iscene_ros.lab.benchmarks.table_scene import table_scene

MEGABYTE = 1e6


@dataclass(frozen=True)
class Measurement:
    """One number of objects at one number of steps, the median of several runs.

    Attributes:
        objects, steps: what was asked for; completed: objects that came back.
        seconds: by stage [s].
        peak_megabytes: of the process that did all steps for this number of objects [1e6 bytes].
        peak_gpu_megabytes: allocated by torch on the GPU; 0 without one.
    """

    objects: int
    steps: int
    completed: int
    seconds: Timings
    peak_megabytes: float
    peak_gpu_megabytes: float


def benchmark(
    load: Callable[[], Completer],
    objects: Sequence[int] = (1, 2, 5, 10, 20),
    steps: Sequence[int] = (1, 2, 4, 8),
    repeats: int = 3,
) -> Iterator[Measurement]:
    """Measure each number of objects in a fresh process, so that no peak hides another.

    Args:
        load: makes the completer, in that process; picklable.
        objects, steps: what to measure.
        repeats: runs per measurement, after one to warm up.

    Raises:
        ModelError: a process was killed, as for want of memory.
    """
    context = multiprocessing.get_context("spawn")
    for count in objects:
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            try:
                yield from pool.submit(measure, load, count, steps, repeats).result()
            except BrokenProcessPool as error:
                raise ModelError(
                    f"benchmark: the process for {count} objects was killed; too little memory?"
                ) from error


def measure(
    load: Callable[[], Completer], objects: int, steps: Sequence[int], repeats: int
) -> list[Measurement]:
    """Measure one number of objects in this process."""
    completer = load()
    observation = table_scene(objects).observation
    completer.complete(observation, steps=min(steps))
    timed = []
    for count in steps:
        scenes = [completer.complete(observation, steps=count) for _ in range(repeats)]
        timed.append((count, len(scenes[0].objects), [scene.timings for scene in scenes]))
    peak, peak_gpu = peak_megabytes(), peak_gpu_megabytes()
    return [
        Measurement(objects, count, completed, _median(timings), peak, peak_gpu)
        for count, completed, timings in timed
    ]


def peak_megabytes() -> float:
    """The most memory this process has held [1e6 bytes].

    Where the system tells (Linux), without what the parent held when it made this process, which
    getrusage counts in.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / MEGABYTE
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE


def peak_gpu_megabytes() -> float:
    """The most that torch has held on the GPU [1e6 bytes]; 0 where it is not in use."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0.0
    return torch.cuda.max_memory_allocated() / MEGABYTE


def _median(timings: Sequence[Timings]) -> Timings:
    middle = lambda stage: statistics.median(getattr(t, stage) for t in timings)  # noqa: E731
    return Timings(middle("prepare"), middle("network"), middle("meshing"), middle("total"))
