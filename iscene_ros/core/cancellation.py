"""Cancellation of work that takes long."""

from __future__ import annotations

import threading


class CancelledError(BaseException):
    """The work was cancelled, and nothing of it is used.

    As that of asyncio it is no Exception: who handles the failures of a part does not handle it.
    """


class CancellationToken:
    """Cancels work that calls `check` often enough; thread-safe."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Make every further `check` raise."""
        self._cancelled.set()

    def check(self, *progress: object) -> None:
        """Raise CancelledError once the work is cancelled.

        Args:
            progress: ignored, so that it serves as a `models.base.Report`.
        """
        if self._cancelled.is_set():
            raise CancelledError
