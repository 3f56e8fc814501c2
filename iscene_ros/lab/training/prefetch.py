"""Reading ahead in a background thread, in order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
POLL_S = 0.1


class Prefetched(Generic[Item]):
    """The items of an iterator, at most `ahead` of them drawn before they are asked for.

    Use it with `with`, or call `close`; the thread then ends after the item that it is drawing.
    What the iterator raises is raised where its item would have come.
    """

    def __init__(self, items: Iterator[Item], ahead: int = 2) -> None:
        self._ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(ahead)
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._draw, args=(items,), name="prefetch")
        self._thread.daemon = True
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._failure is not None:
            raise self._failure
        item, self._failure = self._ready.get()
        if self._failure is not None:
            raise self._failure
        return item

    def __enter__(self) -> Prefetched[Item]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop drawing and wait for the thread."""
        self._stopped.set()
        self._thread.join()

    def _draw(self, items: Iterator[Item]) -> None:
        try:
            for item in items:
                self._put(item, None)
                if self._stopped.is_set():
                    return
            self._put(None, StopIteration())
        except BaseException as error:  # handed to the reader
            self._put(None, error)

    def _put(self, item: Item | None, failure: BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                return self._ready.put((item, failure), timeout=POLL_S)
            except queue.Full:
                continue
