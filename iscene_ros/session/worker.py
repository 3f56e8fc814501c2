"""The thread that owns the model: it completes the newest frames and runs jobs between them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from iscene_ros.core.cancellation import CancellationToken, CancelledError
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.session.session import SceneSession

# Time that the thread has to end [s].
END_TIMEOUT = 0.7
# Timeout of a requested completion for which no frame comes [s].
REQUEST_TIMEOUT = 2.0


class Worker:
    """Completes frames of a session in a thread of its own.

    In continuous mode the newest ready frame is completed whenever the model is free, at most
    `rate` times a second; in on-demand mode, and while paused, only on request. Frames do not queue
    up: the session keeps one ready frame, the newest.

    Args:
        session: session to complete; another thread calls its `add` and `poll`.
        now_ns: returns the current time of the clock of the stamps [ns].
        publish: called with every update, in the thread of the worker, and with a function to call
            between outputs, which raises CancelledError when the worker is stopped.
        report: called with one line when `publish` fails.
    """

    def __init__(
        self,
        session: SceneSession,
        now_ns: Callable[[], int],
        publish: Callable[[SceneUpdate, Callable[[], None]], None],
        report: Callable[[str], None],
    ) -> None:
        self.session = session
        self._now_ns, self._publish, self._report = now_ns, publish, report
        self._cancellation = CancellationToken()
        self._wake = threading.Condition()
        self._jobs: deque[tuple[Callable[[], Any], Future]] = deque()
        self._requests: deque[tuple[Future, float]] = deque()
        self._stopped = self._paused = self._has_frame = False
        self._earliest = 0.0
        self._thread = threading.Thread(target=self._run, name="completion", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise CancelledError when the worker is stopped; for jobs that take long."""
        self._cancellation.check()

    def frame_ready(self) -> None:
        """Notify the thread that the session has a ready frame; return at once."""
        with self._wake:
            self._has_frame = True
            self._wake.notify()

    def settings_changed(self) -> None:
        """Notify the thread that mode or rate may have changed."""
        with self._wake:
            self._wake.notify()

    def set_paused(self, paused: bool) -> None:
        """Pause or resume the continuous mode.

        A frame that is being completed when the worker is paused is finished and published.
        """
        with self._wake:
            self._paused = paused
            self._wake.notify()

    def request_completion(self) -> Future:
        """Request the completion of the newest frame, whatever the mode.

        Returns:
            Future of the update; None where no frame came in time or it could not be completed.
        """
        future: Future = Future()
        with self._wake:
            self._requests.append((future, time.monotonic() + REQUEST_TIMEOUT))
            self._wake.notify()
        return future

    def submit(self, job: Callable[[], Any]) -> Future:
        """Run a job between two frames; return the future of its result."""
        future: Future = Future()
        with self._wake:
            self._jobs.append((job, future))
            self._wake.notify()
        return future

    def stop(self) -> None:
        """Cancel the completion that runs, and end the thread.

        Pending requests result in None, pending jobs are cancelled. A thread that is not at its end
        in time, in the middle of a large network, is left alone; its result is not used.
        """
        self._cancellation.cancel()
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._thread.join(END_TIMEOUT)
        while self._requests:
            self._requests.popleft()[0].set_result(None)
        for _, future in self._jobs:
            future.cancel()

    def _run(self) -> None:
        """Execute one action after the other until the worker is stopped."""
        while True:
            with self._wake:
                while not (action := self._next_action()):
                    self._wake.wait(self._wait_time())
            if action == "stop":
                return
            if action == "job":
                self._run_job(*self._jobs.popleft())
            elif action == "frame":
                with suppress(CancelledError):
                    self._complete_newest()
            else:
                self._requests.popleft()[0].set_result(None)

    def _next_action(self) -> str:
        """Return "stop", "job", "frame" or "timeout"; "" where there is nothing to do."""
        now = time.monotonic()
        continuous = self.session.settings.mode == "continuous" and not self._paused
        if self._stopped:
            return "stop"
        if self._jobs:
            return "job"
        if self._has_frame and (self._requests or (continuous and now >= self._earliest)):
            return "frame"
        if self._requests and now >= self._requests[0][1]:
            return "timeout"
        return ""

    def _wait_time(self) -> float | None:
        """Return the time until the next action that needs no notification [s]; None = never."""
        now = time.monotonic()
        ends = [deadline for _, deadline in list(self._requests)[:1]]
        if self._has_frame and not self._paused and self._earliest > now:
            ends.append(self._earliest)
        return max(0.0, min(ends) - now) + 1e-3 if ends else None

    def _complete_newest(self) -> None:
        """Complete and publish the newest frame, and answer the requests made until now."""
        with self._wake:
            self._has_frame = False
            requests = list(self._requests)
        rate = self.session.settings.rate
        self._earliest = time.monotonic() + (1 / rate if rate else 0.0)
        frame = self.session.take(self._now_ns())
        if frame is None:
            return
        update = None
        try:
            update = self.session.complete(frame, self._now_ns(), self._cancellation.check)
        except Exception as error:  # the thread goes on with the next frame
            self.session.fail(error, self._now_ns())
        if update is not None:
            try:
                self._publish(update, self.check)
            except Exception as error:  # a failing output must not end the thread
                self._report(f"publishing failed: {type(error).__name__}: {error}")
        self.check()
        for request in requests:
            self._requests.remove(request)
            request[0].set_result(update)

    @staticmethod
    def _run_job(job: Callable[[], Any], future: Future) -> None:
        """Run a job and store what it returns or raises in its future."""
        try:
            future.set_result(job())
        except CancelledError:
            future.cancel()
        except Exception as error:  # the waiting service answers with it
            future.set_exception(error)
