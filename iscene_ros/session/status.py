"""State of a session for /diagnostics: one line, and a table of counts, latencies and memory."""

from __future__ import annotations

import math
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from iscene_ros.core.stamps import SECOND
from iscene_ros.session.rejection import NO_MESSAGE, Refusal, RejectReason

if TYPE_CHECKING:
    from iscene_ros.session.session import SceneSession

# A scene that is older by this than two completions take [s] is out of date.
STALE_S = 5.0
# Number of latencies over which percentiles are taken.
LATENCIES = 200
MEGABYTE = 1e6


@dataclass(frozen=True)
class Status:
    """State of a session.

    Attributes:
        level: "ok", "warn" or "error".
        summary: one line.
        values: names and values, in order.
        reason: why most frames are refused; None where most are not.
    """

    level: str
    summary: str
    values: tuple[tuple[str, str], ...] = ()
    reason: RejectReason | None = None


def session_status(session: SceneSession, now_ns: int) -> Status:
    """Return the status of a session at a time [ns]."""
    update = session.update
    age = None if update is None else (now_ns - update.stamp_ns) / SECOND
    frame = session.settings.world_frame if update is None else update.frame_id
    objects = 0 if update is None else len(update.objects)
    views = [k for known in update.objects for k in known.keyframes] if update else []
    refusal = session.rejections.prevailing(now_ns)
    level, summary = _verdict(session, objects, frame, age, refusal)
    rejected = sorted(session.rejections.counts.items())
    values = [
        ("objects", str(objects)),
        ("frame", frame),
        ("evidence", f"{len(views)} views, {sum(k.nbytes for k in views) / MEGABYTE:.1f} MB"),
        ("completed frames", str(session.completed)),
        ("dropped frames", str(session.dropped)),
        ("environment", session.surroundings.summary(session.settings)),
        ("latency p50 [s]", _seconds(_latency(session, 50))),
        ("latency p95 [s]", _seconds(_latency(session, 95))),
        ("scene age [s]", _seconds(age)),
        ("memory [MB]", f"{resident_megabytes():.0f}"),
        ("GPU memory [MB]", f"{gpu_megabytes():.0f}"),
        *((f"rejected: {reason.value}", str(count)) for reason, count in rejected),
    ]
    if session.rejections.newest:
        values.append(("newest rejection", session.rejections.newest))
    values += [
        (f"warning: {kind}", str(count)) for kind, count in sorted(session.warnings.counts.items())
    ]
    if session.warnings.newest:
        values.append(("newest warning", session.warnings.newest))
    return Status(level, summary, tuple(values), refusal and refusal.reason)


def resident_megabytes() -> float:
    """Return the main memory of this process [1e6 bytes]; NaN where /proc does not exist."""
    pages = Path("/proc/self/statm")
    if not pages.is_file():
        return math.nan
    return int(pages.read_text().split()[1]) * resource.getpagesize() / MEGABYTE


def gpu_megabytes() -> float:
    """Return the memory that torch has allocated on the GPU [1e6 bytes]; 0 if it is not in use."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0.0
    return torch.cuda.memory_allocated() / MEGABYTE


def _verdict(
    session: SceneSession, objects: int, frame: str, age: float | None, refusal: Refusal | None
) -> tuple[str, str]:
    """Return level and summary."""
    newest = session.rejections.newest
    because = f": {newest}" if newest else ""
    if session.model_fault:
        return "error", session.model_fault
    if missing := session.frames.missing_inputs():
        return "warn", _missing(session, missing)
    if refusal is not None:
        share = f"{refusal.count} of {refusal.total} frames refused"
        return "warn", f"{refusal.reason.value}: {refusal.line}; {share}"
    if not session.completed:
        return "warn", f"no frame completed yet{because}"
    if frame != session.settings.world_frame:
        return "warn", f"{session.settings.world_frame} unknown to TF; outputs are in {frame}"
    if age is not None and age > _oldest(session):
        return "warn", f"the scene is {age:.0f} s old{because}"
    return "ok", f"{objects} objects"


def _missing(session: SceneSession, topics: tuple[str, ...]) -> str:
    """Return which inputs never came, and which came and were refused, with the reason."""
    reasons = {topic: session.rejections.why_none(topic) for topic in topics}
    silent = [topic for topic, why in reasons.items() if why == NO_MESSAGE]
    parts = [f"no message yet: {', '.join(silent)}"] if silent else []
    parts += [f"{topic}: {why}" for topic, why in reasons.items() if why != NO_MESSAGE]
    return "; ".join(parts)


def _oldest(session: SceneSession) -> float:
    """Return the age that a scene may have [s]; infinite where frames are completed on demand."""
    settings = session.settings
    if settings.mode == "on_demand":
        return math.inf
    pause = 1 / settings.rate if settings.rate else 0.0
    return pause + 2 * _latency(session, 95) + STALE_S


def _latency(session: SceneSession, percent: float) -> float:
    """Return a percentile of the newest latencies [s]; NaN where there is none."""
    values = list(session.latencies)
    return float(np.percentile(values, percent)) if values else math.nan


def _seconds(value: float | None) -> str:
    return "none" if value is None or math.isnan(value) else f"{value:.3f}"
