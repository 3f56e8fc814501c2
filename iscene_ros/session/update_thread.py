"""A thread for outputs that take longer than the completion of a frame."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from iscene_ros.core.cancellation import CancellationToken, CancelledError
from iscene_ros.core.scene_update import SceneUpdate

# Time that the thread has to end [s], after that of the worker.
END_TIMEOUT = 0.3


class UpdateThread:
    """Sends updates in a thread of its own; of those that come meanwhile only the newest.

    Args:
        send: called with an update and with a function to call between its parts, which raises
            CancelledError when the thread is stopped.
        report: called with one line when `send` fails.
    """

    def __init__(
        self,
        send: Callable[[SceneUpdate, Callable[[], None]], None],
        report: Callable[[str], None],
    ) -> None:
        self._send, self._report = send, report
        self._cancellation = CancellationToken()
        self._wake = threading.Condition()
        self._waiting: SceneUpdate | None = None
        self._thread = threading.Thread(target=self._run, name="slow outputs", daemon=True)
        self._thread.start()

    def put(self, update: SceneUpdate) -> None:
        """Have an update sent, in place of one that waits; return at once."""
        with self._wake:
            self._waiting = update
            self._wake.notify()

    def stop(self) -> None:
        """Cancel the update that is being sent, leave out the one that waits, end the thread.

        A thread that is not at its end in time, in the middle of a part, is left alone; it sends
        nothing more.
        """
        self._cancellation.cancel()
        with self._wake:
            self._wake.notify()
        self._thread.join(END_TIMEOUT)

    def _run(self) -> None:
        """Send one update after the other until the thread is stopped."""
        with suppress(CancelledError):
            while True:
                update = self._next()
                try:
                    self._send(update, self._cancellation.check)
                except Exception as error:  # a failing output must not end the thread
                    self._cancellation.check()
                    self._report(f"publishing failed: {type(error).__name__}: {error}")

    def _next(self) -> SceneUpdate:
        """Wait for an update."""
        with self._wake:
            while True:
                self._cancellation.check()
                if self._waiting is not None:
                    update, self._waiting = self._waiting, None
                    return update
                self._wake.wait()
