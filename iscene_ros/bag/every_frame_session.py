"""A session for drivers that have the time for every frame."""

from __future__ import annotations

from typing import Any

from iscene_ros.session.session import SceneSession


class EveryFrameSession(SceneSession):
    """Makes one frame ready at a time, in order; a newer one takes no place of an older one.

    `poll` has to be called until it is False, and each frame taken.
    """

    def _pose(self, *arguments: Any) -> bool:
        return self._ready is None and super()._pose(*arguments)
