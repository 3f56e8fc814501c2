"""Approximate time synchronisation of the messages of a frame, without ROS.

message_filters is no substitute: bags run without ROS and have to give the same frames every time.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from iscene_ros.core.stamps import JUMP_NS, SECOND
from iscene_ros.session.inputs import ColorImage, DepthImage, Detections, InstanceImage
from iscene_ros.session.rejection import RejectedInputError, RejectReason
from iscene_ros.session.settings import Settings

SyncedInput = ColorImage | DepthImage | InstanceImage | Detections
_KEYS = {
    ColorImage: "color",
    DepthImage: "depth",
    InstanceImage: "instances",
    Detections: "detections",
}
_TOPICS = {"color": "rgb"}
# More frames of one topic are those of damaged messages.
MOST_FRAMES = 16


@dataclass(frozen=True)
class SyncedInputs:
    """The messages of one frame; unused kinds are None."""

    depth: DepthImage
    instances: InstanceImage | None = None
    detections: Detections | None = None
    color: ColorImage | None = None


@dataclass(frozen=True)
class _Waiting:
    """A pivot message that waits for its companions since `arrived_ns`."""

    item: SyncedInput
    arrived_ns: int


class Synchronizer:
    """Approximate synchronisation around the masks, which come last and least often.

    A message with the stamp of the masks belongs to them. Otherwise the nearest within the slop is
    taken as soon as a later message shows that none nearer will come, or the slop has passed.
    Messages of different cameras are never put together: where a topic has brought the frame of the
    masks, no other frame of it counts.

    Args:
        settings: which inputs a frame needs, which contain the masks, how many of each are kept.
        other_camera: returns why a frame is that of another camera than a second one, or "".
    """

    def __init__(
        self,
        settings: Settings,
        other_camera: Callable[[str, str], str] = lambda one, other: "",
    ) -> None:
        self._pivot = settings.masks_from
        wanted = {
            "depth": True,
            "color": settings.use_rgb,
            "detections": settings.detections != "none",
        }
        self._others = tuple(k for k, used in wanted.items() if used and k != self._pivot)
        self._size, self._other_camera = settings.queue_size, other_camera
        self._frames: dict[str, set[str]] = {key: set() for key in self._others}
        self._queues: dict[str, list[SyncedInput]] = {key: [] for key in self._others}
        self._waiting: deque[_Waiting] = deque()
        self._newest: dict[str, int] = {}

    def add(self, item: SyncedInput, now_ns: int) -> None:
        """Add a message.

        Raises:
            RejectedInputError: it jumped back in time: all messages are dropped, this one included;
                or more masks wait than are kept, and the oldest are dropped.
        """
        key = _KEYS[type(item)]
        newest = self._newest.get(key, item.stamp_ns)
        if item.stamp_ns < newest - JUMP_NS:
            self.clear()
            back = (newest - item.stamp_ns) / SECOND
            raise RejectedInputError(
                RejectReason.TIME_JUMP,
                f"{_topic(key)}: jumped back in time by {back:.1f} s; all waiting "
                "messages are dropped",
            )
        self._newest[key] = max(newest, item.stamp_ns)
        if key == self._pivot:
            self._waiting.append(_Waiting(item, now_ns))
            # One more than `pop` lets wait, in case it is not called.
            if len(self._waiting) > self._size + 1:
                self._reject(self._waiting.popleft(), "not processed while queue_size newer came")
        elif key in self._queues:
            if len(self._frames[key]) < MOST_FRAMES:
                self._frames[key].add(item.frame_id)
            insort(self._queues[key], item, key=lambda entry: entry.stamp_ns)
            del self._queues[key][: -self._size]

    def pop(self, now_ns: int, slop_ns: int) -> SyncedInputs | None:
        """Return the next complete frame in the order of the masks; None = wait.

        Raises:
            RejectedInputError: the masks that waited longest will never have all companions; they
                are dropped, the next call looks at the next ones.
        """
        while self._waiting:
            waiting = self._waiting[0]
            found = {key: self._companion(key, waiting, now_ns, slop_ns) for key in self._others}
            if all(found.values()):
                self._waiting.popleft()
                return SyncedInputs(**{self._pivot: waiting.item}, **found)
            missing = [key for key, item in found.items() if item is None]
            foreign = [
                line for k in missing if (line := self._foreign(k, waiting, now_ns, slop_ns))
            ]
            why = [line for key in missing if (line := self._hopeless(key, waiting, slop_ns))]
            if not foreign and not why and len(self._waiting) <= self._size:
                return None
            self._waiting.popleft()
            if foreign:
                self._reject(waiting, foreign[0], RejectReason.FRAME)
            never = [key for key in missing if key not in self._newest]
            late = f"no {_topic((never or missing)[0])} came while queue_size newer waited"
            self._reject(waiting, why[0] if why and not never else late)
        return None

    def finish(self) -> list[RejectedInputError]:
        """Drop the masks that still wait when nothing comes any more; return why, for each."""
        errors = []
        for waiting in self._waiting:
            stamp = waiting.item.stamp_ns
            found = {key: self._of_camera(key, waiting.item) for key in self._others}
            none = [key for key, queue in found.items() if not queue]
            if none:
                why = f"no {_topic(none[0])} of its camera came at its time"
            else:
                gaps = {k: min(abs(i.stamp_ns - stamp) for i in q) for k, q in found.items()}
                key = max(gaps, key=gaps.get)
                why = (
                    f"the nearest {_topic(key)} lies {gaps[key] / SECOND:.3f} s off; check the "
                    "stamps or raise sync_slop"
                )
            errors.append(self._error(waiting, why, RejectReason.UNSYNCHRONISED))
        self._waiting.clear()
        return errors

    def clear(self) -> None:
        """Drop all messages."""
        self._waiting.clear()
        self._newest.clear()
        for queue in self._queues.values():
            queue.clear()

    def waiting_for(self) -> tuple[str, ...]:
        """Return the topics of which no message has come yet."""
        return tuple(_topic(k) for k in (self._pivot, *self._others) if k not in self._newest)

    def _companion(
        self, key: str, waiting: _Waiting, now_ns: int, slop_ns: int
    ) -> SyncedInput | None:
        queue, stamp = self._of_camera(key, waiting.item), waiting.item.stamp_ns
        if not queue:
            return None
        nearest = min(queue, key=lambda item: abs(item.stamp_ns - stamp))
        gap = abs(nearest.stamp_ns - stamp)
        has_passed = now_ns - waiting.arrived_ns > slop_ns
        # Of another frame than the masks, it may be of another camera, whose own comes later.
        is_own = "" in (nearest.frame_id, waiting.item.frame_id) or (
            nearest.frame_id == waiting.item.frame_id
        )
        settled = queue[-1].stamp_ns >= stamp and is_own
        return nearest if (settled or has_passed) and gap <= slop_ns else None

    def _of_camera(self, key: str, pivot: SyncedInput) -> list[SyncedInput]:
        """Return the waiting messages of a kind that may be of the camera of the masks."""
        frame = pivot.frame_id
        if frame and frame in self._frames[key]:
            return [item for item in self._queues[key] if item.frame_id in ("", frame)]
        names = {item.frame_id for item in self._queues[key]}
        foreign = {name for name in names if self._other_camera(name, frame)}
        return [item for item in self._queues[key] if item.frame_id not in foreign]

    def _foreign(self, key: str, waiting: _Waiting, now_ns: int, slop_ns: int) -> str:
        """Return why all messages at the time of the masks are of another camera; "" if not so."""
        if self._of_camera(key, waiting.item) or now_ns - waiting.arrived_ns <= slop_ns:
            return ""
        stamp = waiting.item.stamp_ns
        near = [item for item in self._queues[key] if abs(item.stamp_ns - stamp) <= slop_ns]
        lines = (self._other_camera(item.frame_id, waiting.item.frame_id) for item in near)
        return next((f"{_topic(key)}: {line}" for line in lines if line), "")

    def _hopeless(self, key: str, waiting: _Waiting, slop_ns: int) -> str:
        """Return the reason why no companion can come any more; "" where one can."""
        stamps = [item.stamp_ns for item in self._of_camera(key, waiting.item)]
        stamp = waiting.item.stamp_ns
        if not stamps or stamps[-1] <= stamp + slop_ns:
            return ""
        nearest = min(abs(other - stamp) for other in stamps)
        if nearest <= slop_ns:
            return ""
        why = f"the nearest {_topic(key)} lies {nearest / SECOND:.3f} s off"
        if stamps[0] > stamp and len(stamps) == self._size:
            return f"{why}, older ones were dropped to make room; raise queue_size"
        expected = f"expected within sync_slop = {slop_ns / SECOND:g} s"
        return f"{why}, {expected}; check the stamps or raise sync_slop"

    def _reject(
        self, waiting: _Waiting, why: str, reason: RejectReason = RejectReason.UNSYNCHRONISED
    ) -> None:
        raise self._error(waiting, why, reason)

    def _error(self, waiting: _Waiting, why: str, reason: RejectReason) -> RejectedInputError:
        stamp = waiting.item.stamp_ns / SECOND
        return RejectedInputError(reason, f"{self._pivot} of {stamp:.3f}: {why}")


def _topic(key: str) -> str:
    return _TOPICS.get(key, key)
