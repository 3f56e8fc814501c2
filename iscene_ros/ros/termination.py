"""The end of a process by SIGINT and SIGTERM: none is lost, and nothing delays it for long."""

from __future__ import annotations

import os
import signal
import threading
import time

# Exit status of a process that ended before its node was made, or could not end in time: that of a
# shell for Ctrl-C.
INTERRUPTED = 130
# Time for a clean end [s], after which the process ends as it is.
LIMIT = 1.2


class Termination:
    """Takes SIGINT and SIGTERM from its creation on; create it in the main thread.

    A thread of its own watches over the end, as the main thread may be in the middle of an import
    or of loading a model. Python raises KeyboardInterrupt anywhere, which some imports swallow and
    others print.

    Attributes:
        requested: whether a signal came.
        limit: time that the process then has for a clean end [s]; at first none.
    """

    def __init__(self) -> None:
        self.requested = False
        self.limit = 0.0
        self._reading, writing = os.pipe()
        os.set_blocking(writing, False)
        # From C, at once, whatever the main thread does; it needs a handler of Python.
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._request)
        threading.Thread(target=self._watch, name="termination", daemon=True).start()

    def _request(self, number: int, frame: object) -> None:
        self.requested = True

    def _watch(self) -> None:
        while os.read(self._reading, 1)[0] not in (signal.SIGINT, signal.SIGTERM):
            pass
        time.sleep(self.limit)
        os._exit(INTERRUPTED)
