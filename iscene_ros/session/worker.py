"""The thread that owns the model: completes the newest frames, and runs jobs between them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.session.session import SceneSession

# How long a demanded completion waits for a frame [s].
DEMAND_PATIENCE = 2.0


class Worker:
    """Completes frames of a session in a thread of its own.

    In continuous mode every ready frame that is the newest when the model is free is completed, at
    most `rate` a second; in on-demand mode only demanded ones. Nothing queues up: the session keeps
    one ready frame, the newest.

    Args:
        session: whose `add` and `poll` another thread calls.
        now_ns: the clock of the stamps.
        publish: takes every update, in this thread.
        report: takes a line about a failure of `publish`.
    """

    def __init__(
        self,
        session: SceneSession,
        now_ns: Callable[[], int],
        publish: Callable[[SceneUpdate], None],
        report: Callable[[str], None],
    ) -> None:
        self.session, self.paused = session, False
        self._now_ns, self._publish, self._report = now_ns, publish, report
        self._wake = threading.Condition()
        self._jobs: deque[tuple[Callable[[], Any], Future]] = deque()
        self._demands: deque[tuple[Future, float]] = deque()
        self._stopped = self._has_frame = False
        self._earliest = 0.0
        self._thread = threading.Thread(target=self._run, name="completion", daemon=True)
        self._thread.start()

    def frame_ready(self) -> None:
        """Notify the thread that the session has a frame; returns at once."""
        with self._wake:
            self._has_frame = True
            self._wake.notify()

    def settings_changed(self) -> None:
        """Notify the thread that mode or rate may have changed."""
        with self._wake:
            self._wake.notify()

    def demand(self) -> Future:
        """Complete the newest frame, whatever the mode; the result is the update, or None."""
        future: Future = Future()
        with self._wake:
            self._demands.append((future, time.monotonic() + DEMAND_PATIENCE))
            self._wake.notify()
        return future

    def submit(self, job: Callable[[], Any]) -> Future:
        """Run a job between two frames."""
        future: Future = Future()
        with self._wake:
            self._jobs.append((job, future))
            self._wake.notify()
        return future

    def stop(self) -> None:
        """End the thread; waits for the frame that is being completed, which is not published."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._thread.join()
        for future, _ in self._demands:
            future.set_result(None)
        for _, future in self._jobs:
            future.cancel()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (action := self._next_action()):
                    self._wake.wait(self._patience())
            if action == "stop":
                return
            if action == "job":
                self._do(*self._jobs.popleft())
            elif action == "frame":
                self._complete_newest()
            else:
                self._demands.popleft()[0].set_result(None)

    def _next_action(self) -> str:
        now = time.monotonic()
        if self._stopped:
            return "stop"
        if self._jobs:
            return "job"
        if self._has_frame and (self._demands or self._wants_frames(now)):
            return "frame"
        if self._demands and now >= self._demands[0][1]:
            return "unmet demand"
        return ""

    def _wants_frames(self, now: float) -> bool:
        continuous = self.session.settings.mode == "continuous"
        return continuous and not self.paused and now >= self._earliest

    def _patience(self) -> float | None:
        """Return how long to sleep unless woken [s]; None = until then."""
        now = time.monotonic()
        ends = [deadline for _, deadline in list(self._demands)[:1]]
        if self._has_frame and not self.paused and self._earliest > now:
            ends.append(self._earliest)
        return max(0.0, min(ends) - now) + 1e-3 if ends else None

    def _complete_newest(self) -> None:
        with self._wake:
            self._has_frame = False
            demands = list(self._demands)
        rate = self.session.settings.rate
        self._earliest = time.monotonic() + (1 / rate if rate else 0.0)
        frame = self.session.take(self._now_ns())
        if frame is None:
            return
        update = None
        try:
            update = self.session.complete(frame, self._now_ns())
        except Exception as error:  # the thread goes on with the next frame
            self.session.fail(error, self._now_ns())
        if update is not None and not self._stopped:
            self._deliver(update)
        for demand in demands:
            self._demands.remove(demand)
            demand[0].set_result(update)

    def _deliver(self, update: SceneUpdate) -> None:
        try:
            self._publish(update)
        except Exception as error:  # a failing output must not end the thread
            self._report(f"publishing failed: {type(error).__name__}: {error}")

    @staticmethod
    def _do(job: Callable[[], Any], future: Future) -> None:
        try:
            future.set_result(job())
        except Exception as error:  # the waiting service answers with it
            future.set_exception(error)
