"""Drives a session with made-up frames and a clock, as the node and `iscene bag` do."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from fake_completer import FakeCompleter
from session_inputs import CAMERA_FRAME, MS, START_NS, frame_messages, transform
from table_scene import Thing, looking_at, shoot

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.session import SceneSession
from iscene_ros.session.settings import Settings

TABLE = (Thing(-0.1, 0), Thing(0.1, 0))


def view(things=None) -> Observation:
    """Return the observation of the table."""
    return _full_table() if things is None else shoot(things).tracked.observation


@cache
def _full_table() -> Observation:
    return view(TABLE)


def messages_of(kind, at: float, observation: Observation | None = None) -> list:
    """The messages of one frame of the table that are of a kind."""
    messages = frame_messages(observation or view(), stamp(at))
    return [m for m in messages if isinstance(m, kind)]


class Driver:
    """A session and its log; times are milliseconds after the start."""

    def __init__(self, completer=None, posed: bool = True, **parameters) -> None:
        self.lines: list[str] = []
        settings = Settings.from_mapping(parameters)
        self.session = SceneSession(settings, completer or FakeCompleter(), self.lines.append)
        if posed:
            self.add(transform("map", CAMERA_FRAME, static=True, matrix=looking_at()))

    def add(self, *items, now: float = 0) -> None:
        for item in items:
            self.session.add(item, stamp(now))

    def send(self, at: float = 0, observation: Observation | None = None, without=(), **changes):
        """One frame's messages of a time; `changes` replace what they carry."""
        messages = frame_messages(view() if observation is None else observation, stamp(at))
        for message in messages:
            if not isinstance(message, tuple(without)):
                values = {k: v for k, v in changes.items() if hasattr(message, k)}
                self.add(replace(message, **values), now=at)

    def poll(self, now: float = 0) -> bool:
        return self.session.poll(stamp(now))

    def take(self, now: float = 0):
        return self.session.take(stamp(now))

    def step(self, at: float = 0, observation=None, **changes) -> SceneUpdate | None:
        """Send a frame, and complete it where it is ready."""
        self.send(at, observation, **changes)
        return self.finish(at)

    def finish(self, now: float = 0) -> SceneUpdate | None:
        """Complete what is ready."""
        if not self.poll(now):
            return None
        frame = self.take(now)
        if frame is None:
            return None
        try:
            return self.session.complete(frame, stamp(now))
        except Exception as error:
            self.session.fail(error, stamp(now))
            return None

    def status(self, now: float = 0):
        return self.session.status(stamp(now))

    @property
    def rejected(self) -> dict[RejectReason, int]:
        return dict(self.session.rejections.counts)


def stamp(ms: float) -> int:
    return START_NS + round(ms * MS)


def centers(update: SceneUpdate) -> np.ndarray:
    """Return (N, 3) positions of the objects of the map [m]."""
    return np.array([tracked.item.frame_from_object[:3, 3] for tracked in update.objects])
