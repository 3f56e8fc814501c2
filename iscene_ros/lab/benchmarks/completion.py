"""Seconds by stage and peak memory of a completion, by the number of objects."""

from __future__ import annotations

import multiprocessing
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple, dataclass
from pathlib import Path

from iscene_ros.cli.completion_run import Completer
from iscene_ros.core.errors import ModelError
from iscene_ros.core.scene import Timings
from iscene_ros.lab.benchmarks.table_scene import table_scene

MEGABYTE = 1e6
HEADINGS = (
    *("objects", "completed", "prepare [s]", "network [s]", "meshing [s]", "total [s]"),
    *("x 1 object", "peak [MB]", "GPU peak [MB]"),
)
DECIMALS = (0, 0, 2, 2, 2, 2, 1, 0, 0)


@dataclass(frozen=True)
class Measurement:
    """The median of several runs with one number of objects.

    Attributes:
        objects, completed: Number of objects, and of those that were completed.
        seconds: Time of each stage [s].
        peak_megabytes: Peak of the process that ran this number of objects [1e6 bytes].
        peak_gpu_megabytes: Peak allocated by torch on the GPU, 0 without one [1e6 bytes].
    """

    objects: int
    completed: int
    seconds: Timings
    peak_megabytes: float
    peak_gpu_megabytes: float


def measure_completions(
    load: Callable[[], Completer], objects: Sequence[int], repeats: int
) -> Iterator[Measurement]:
    """Measure each number of objects in a fresh process, so that no peak hides another.

    Args:
        load: Makes the completer, in that process; picklable.
        objects: Numbers to measure.
        repeats: Runs per measurement, after one to warm up.

    Raises:
        ModelError: A process was killed, as for want of memory.
    """
    context = multiprocessing.get_context("spawn")
    for count in objects:
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            try:
                yield pool.submit(measure_objects, load, count, repeats).result()
            except BrokenProcessPool as error:
                message = f"benchmark completion: the process for {count} objects was killed"
                raise ModelError(f"{message}; too little memory?") from error


def measure_objects(load: Callable[[], Completer], objects: int, repeats: int) -> Measurement:
    """Measure one number of objects in this process."""
    completer = load()
    observation = table_scene(objects).observation
    completer.complete(observation)
    scenes = [completer.complete(observation) for _ in range(repeats)]
    stages = [astuple(scene.timings) for scene in scenes]
    seconds = Timings(*map(statistics.median, zip(*stages, strict=True)))
    memory = peak_megabytes(), peak_gpu_megabytes()
    return Measurement(objects, len(scenes[0].objects), seconds, *memory)


def peak_megabytes() -> float:
    """Return the most memory that this process has held [1e6 bytes].

    It excludes what the parent held when it made this process, which getrusage includes.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * 1024 / MEGABYTE


def peak_gpu_megabytes() -> float:
    """Return the most that torch has held on the GPU [1e6 bytes], 0 where no GPU is in use."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0.0
    return torch.cuda.max_memory_allocated() / MEGABYTE


def completion_rows(measured: Sequence[Measurement]) -> list[list[float]]:
    """Return the cells under `HEADINGS`; the ratio is NaN where one object was not measured."""
    single = next((m.seconds.total for m in measured if m.objects == 1), float("nan"))
    return [
        [
            *(m.objects, m.completed),
            *(m.seconds.prepare, m.seconds.network, m.seconds.meshing, m.seconds.total),
            m.seconds.total / single,
            *(m.peak_megabytes, m.peak_gpu_megabytes),
        ]
        for m in measured
    ]


def completion_table(measured: Sequence[Measurement]) -> list[list[str]]:
    """Return the headings and the rounded rows."""
    rounded = [
        [f"{cell:.{digits}f}" for cell, digits in zip(row, DECIMALS, strict=True)]
        for row in completion_rows(measured)
    ]
    return [list(HEADINGS), *rounded]
