"""One line and a table on how a session is doing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from iscene_ros.core.scene_update import Status

# A scene that is older by this than two completions take [s] is no longer that of now.
STALE_S = 5.0


@dataclass(frozen=True)
class Figures:
    """What a status is made of.

    Attributes:
        waiting: inputs of which no message has come yet.
        completed, dropped: frames.
        rejected: counts by reason.
        newest_rejection: its line; "" where there was none.
        model_fault: why the newest completion failed; "" where it did not.
        longest_pause: most time between two completions besides what they take [s]; None where
            they wait to be asked for.
        latency_p50, latency_p95: of the completions [s]; NaN where there was none.
        scene_age: time since the stamp of the newest scene [s], or None.
        memory, gpu_memory: held by the process [1e6 bytes].
        objects: in the world.
        frame_id: of the outputs; world_frame: as it should be.
    """

    waiting: tuple[str, ...]
    completed: int
    dropped: int
    rejected: tuple[tuple[str, int], ...]
    newest_rejection: str
    model_fault: str
    longest_pause: float | None
    latency_p50: float
    latency_p95: float
    scene_age: float | None
    memory: float
    gpu_memory: float
    objects: int
    frame_id: str
    world_frame: str


def status_of(figures: Figures) -> Status:
    """The status of a session's figures."""
    level, summary = _verdict(figures)
    values = [
        ("objects", str(figures.objects)),
        ("frame", figures.frame_id),
        ("completed frames", str(figures.completed)),
        ("dropped frames", str(figures.dropped)),
        ("latency p50 [s]", _seconds(figures.latency_p50)),
        ("latency p95 [s]", _seconds(figures.latency_p95)),
        ("scene age [s]", _seconds(figures.scene_age)),
        ("memory [MB]", f"{figures.memory:.0f}"),
        ("GPU memory [MB]", f"{figures.gpu_memory:.0f}"),
        *((f"rejected: {reason}", str(count)) for reason, count in figures.rejected),
    ]
    if figures.newest_rejection:
        values.append(("newest rejection", figures.newest_rejection))
    return Status(level, summary, tuple(values))


def _verdict(figures: Figures) -> tuple[str, str]:
    if figures.model_fault:
        return "error", figures.model_fault
    if figures.waiting:
        return "warn", f"no message yet: {', '.join(figures.waiting)}"
    if not figures.completed:
        return "warn", f"no frame completed yet{_because(figures)}"
    if figures.frame_id != figures.world_frame:
        return "warn", f"{figures.world_frame} unknown to TF; outputs are in {figures.frame_id}"
    age, pause = figures.scene_age, figures.longest_pause
    if None not in (age, pause) and age > pause + 2 * figures.latency_p95 + STALE_S:
        return "warn", f"the scene is {age:.0f} s old{_because(figures)}"
    return "ok", f"{figures.objects} objects"


def _because(figures: Figures) -> str:
    return f": {figures.newest_rejection}" if figures.newest_rejection else ""


def _seconds(value: float | None) -> str:
    return "none" if value is None or math.isnan(value) else f"{value:.3f}"
