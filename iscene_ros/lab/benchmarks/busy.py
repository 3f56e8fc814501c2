"""Seconds of what the node does with a frame, on an idle machine and beside busy processes.

Machines are shared: ratios of rows of one run tell more than seconds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.cli.completion_run import Completer
from iscene_ros.lab.benchmarks.message_layer import measure_layer
from iscene_ros.lab.benchmarks.table_scene import table_scene
from iscene_ros.relations.build import relate
from iscene_ros.viz.overview import draw_overview

LAYER_FRAMES = 3
BUSY_PROCESSES = 2
WORK = ("meshing", "completion", "relations", "layer", "drawing")


@dataclass(frozen=True)
class BusyTimes:
    """The medians of several runs with one number of objects.

    Attributes:
        objects: number of objects.
        busy_processes: that ran beside.
        seconds: of each of `WORK` [s]; the completion holds the meshing.
    """

    objects: int
    busy_processes: int
    seconds: tuple[float, ...]


def measure_busy(
    load: Callable[[], Completer], objects: Sequence[int], repeats: int
) -> Iterator[BusyTimes]:
    """Measure each number of objects on a table, idle and beside two busy processes.

    Args:
        load: makes the completer.
        objects: numbers to measure.
        repeats: runs of each, after one to warm up.
    """
    completer = load()
    for count in objects:
        _seconds(completer, count)
        for busy in (0, BUSY_PROCESSES):
            with _busy_processes(busy):
                runs = [_seconds(completer, count) for _ in range(repeats)]
            yield BusyTimes(count, busy, tuple(map(statistics.median, zip(*runs, strict=True))))


def _seconds(completer: Completer, objects: int) -> tuple[float, ...]:
    observation = table_scene(objects).observation
    grey = np.full((*observation.depth.shape, 3), 128, np.uint8)
    observation = replace(observation, rgb=grey)
    times = [time.perf_counter()]
    scene = completer.complete(observation)
    times.append(time.perf_counter())
    relations = relate(scene, observation, shapes=False)
    times.append(time.perf_counter())
    draw_overview(replace(scene, relations=relations), observation)
    times.append(time.perf_counter())
    completion, related, drawing = np.diff(times).tolist()
    layer = float(np.median(measure_layer(objects, frames=LAYER_FRAMES).layer))
    return scene.timings.meshing, completion, related, layer, drawing


@contextmanager
def _busy_processes(processes: int) -> Iterator[None]:
    """Keep some processes busy meanwhile."""
    running = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def busy_table(measured: Sequence[BusyTimes]) -> list[list[str]]:
    """Return headings and rows; ratios are to the idle run of as many objects."""
    rows = [["objects", "busy processes", *(f"{work} [ms]" for work in WORK)]]
    rows[0] += ["completion x idle"]
    idle = {m.objects: m.seconds[1] for m in measured if not m.busy_processes}
    for one in measured:
        cells = [f"{1e3 * seconds:.0f}" for seconds in one.seconds]
        ratio = f"{one.seconds[1] / idle[one.objects]:.1f}"
        rows.append([str(one.objects), str(one.busy_processes), *cells, ratio])
    return rows
