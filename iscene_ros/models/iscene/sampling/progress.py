"""Telling how far a stage is, and being told to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class StoppedError(Exception):
    """A stage was told to stop; nothing of it is kept."""


@dataclass(frozen=True)
class StageProgress:
    """Called after every call of a network.

    Attributes:
        advance: gets the number of slots that were just computed.
        stop: True ends the stage with `StoppedError`.
    """

    advance: Callable[[int], None] = lambda count: None
    stop: Callable[[], bool] = lambda: False

    def done(self, count: int) -> None:
        """Report `count` slots.

        Raises:
            StoppedError: the stage is to end.
        """
        self.advance(count)
        if self.stop():
            raise StoppedError("stopped between two calls of a network")
