"""Time and memory of the evidence of objects: association, contradictions, registration, keyframes.

The completer is a stub that cleans the frame, as completers do, and returns the true meshes. Its
time is not counted, so that all that is left is the session.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.core.stamps import SECOND
from iscene_ros.lab.benchmarks.stub_completers import TrueMeshes, clock_and_cpu
from iscene_ros.lab.benchmarks.table_scene import TableScene, table_scene
from iscene_ros.session.inputs import DepthImage, InstanceImage, Intrinsics, TransformSample
from iscene_ros.session.session import SceneSession
from iscene_ros.session.settings import Settings
from iscene_ros.session.status import resident_megabytes

START_NS = 1_700_000_000 * SECOND
CAMERA_FRAME = "camera"
NOISE_M = 0.001
# Azimuths of the views that fill the keyframes; the new views lie between them [degrees].
FIRST_AZIMUTHS = tuple(range(-168, 168, 42))
NEW_AZIMUTHS = tuple(azimuth + 20 for azimuth in FIRST_AZIMUTHS)


@dataclass(frozen=True)
class EvidenceTimes:
    """Times of the frames of one kind, and the memory before and after them.

    Attributes:
        frames: "still", which say nothing new, or "new view".
        seconds: (F, 2) float64 of each frame, by the clock and of the CPU, which does not count
            what else the machine does [s].
        megabytes: of the process after the first tenth and after all of them [1e6 bytes].
        views, view_megabytes: number and memory of the keyframes.
    """

    frames: str
    seconds: np.ndarray
    megabytes: tuple[float, float]
    views: int
    view_megabytes: float


def measure_evidence(objects: int, still: int) -> Iterator[EvidenceTimes]:
    """Look at so many objects on a table from all sides, then in `still` frames from one."""
    scenes = {azimuth: table_scene(objects, azimuth=azimuth) for azimuth in FIRST_AZIMUTHS}
    run = _Run(scenes[FIRST_AZIMUTHS[0]], objects)
    for azimuth in FIRST_AZIMUTHS:
        run.frame(scenes[azimuth].observation)
    yield run.timed("still", [scenes[FIRST_AZIMUTHS[-1]].observation] * still)
    new = [table_scene(objects, azimuth=azimuth).observation for azimuth in NEW_AZIMUTHS]
    yield run.timed("new view", new)


class _Run:
    def __init__(self, scene: TableScene, objects: int) -> None:
        # Relations and the fused surroundings have benchmarks of their own.
        settings = Settings(
            use_rgb=False, relations=False, environment=False, instance_encoding="class_and_id",
            max_age=0.0,
        )  # fmt: skip
        self._completer = TrueMeshes(scene)
        self._session = SceneSession(settings, self._completer)
        self._classes = tuple((number + 1, number) for number in range(objects))
        self._rng = np.random.default_rng(0)
        self._number = 0

    def timed(self, name: str, views: Sequence[Observation]) -> EvidenceTimes:
        """Return the times of some frames."""
        seconds, megabytes = [], []
        for view in views:
            seconds.append(self.frame(view))
            megabytes.append(resident_megabytes())
        known = self._session.update.objects
        kept = [k for tracked in known for k in tracked.keyframes]
        return EvidenceTimes(
            name,
            np.array(seconds),
            (megabytes[len(megabytes) // 10], megabytes[-1]),
            len(kept),
            sum(k.nbytes for k in kept) / 1e6,
        )

    def frame(self, view: Observation) -> np.ndarray:
        """Complete a frame with sensor noise; return its seconds by the clock and of the CPU."""
        self._number += 1
        stamp, session = START_NS + self._number * SECOND, self._session
        noise = self._rng.normal(0, NOISE_M, view.depth.shape) * (view.depth > 0)
        depth = (view.depth + noise).astype(np.float32)
        ids = np.zeros(depth.shape, np.int32)
        for number, mask in zip(view.instance_ids, view.masks, strict=True):
            ids[mask] = number
        pose = view.world_from_camera
        session.add(TransformSample(stamp, "map", CAMERA_FRAME, pose), stamp)
        session.add(Intrinsics(stamp, CAMERA_FRAME, view.camera), stamp)
        session.add(DepthImage(stamp, CAMERA_FRAME, depth), stamp)
        session.add(InstanceImage(stamp, CAMERA_FRAME, ids, self._classes), stamp)
        session.poll(stamp)
        frame = session.take(stamp)
        completed, started = len(self._completer.seconds), clock_and_cpu()
        if session.complete(frame, stamp) is None:
            raise RuntimeError(session.rejections.newest)
        inside = self._completer.seconds[completed:]
        return clock_and_cpu() - started - np.sum(inside, axis=0)


def evidence_table(measured: Iterable[EvidenceTimes]) -> list[list[str]]:
    """Return headings and a row for each kind of frame."""
    headings = ["frames", "number", "p50 [ms]", "CPU p50 [ms]", "CPU p95 [ms]"]
    headings += ["CPU p50, first tenth [ms]", "CPU p50, last tenth [ms]"]
    headings += ["memory after a tenth [MB]", "memory at the end [MB]", "views", "views [MB]"]
    rows = [headings]
    for times in measured:
        clock, cpu = 1e3 * times.seconds.T
        count = len(cpu)
        tenth = max(1, count // 10)
        quantiles = np.median(clock), *np.quantile(cpu, [0.5, 0.95])
        numbers = (*quantiles, np.median(cpu[:tenth]), np.median(cpu[-tenth:]), *times.megabytes)
        cells = [f"{number:.1f}" for number in numbers]
        views = [str(times.views), f"{times.view_megabytes:.1f}"]
        rows.append([times.frames, str(count), *cells, *views])
    return rows
