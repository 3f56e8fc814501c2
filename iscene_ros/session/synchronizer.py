"""Which messages belong to one frame: those whose stamps lie closest to the masks'."""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass

from iscene_ros.session.inputs import ColorImage, DepthImage, Detections, InstanceImage
from iscene_ros.session.refusal import Reason, RefusedInputError
from iscene_ros.session.stamps import JUMP_NS, SECOND

SyncedInput = ColorImage | DepthImage | InstanceImage | Detections
_KEYS = {
    ColorImage: "color",
    DepthImage: "depth",
    InstanceImage: "instances",
    Detections: "detections",
}


@dataclass(frozen=True)
class SyncedInputs:
    """The messages of one frame; what is not used is None."""

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

    A message with the very stamp of the masks is theirs. Else the nearest within the slop is taken,
    as soon as a later one shows that none nearer comes, or the slop has passed.

    Args:
        use_color, use_detections: whether these are waited for.
        masks_from_detections: whether the detections carry the masks.
        queue_size: messages kept of each kind.
    """

    def __init__(
        self,
        use_color: bool,
        use_detections: bool,
        masks_from_detections: bool,
        queue_size: int,
    ) -> None:
        self._pivot = "detections" if masks_from_detections else "instances"
        wanted = {"depth": True, "color": use_color, "detections": use_detections}
        self._others = tuple(k for k, used in wanted.items() if used and k != self._pivot)
        self._size = queue_size
        self._queues: dict[str, list[SyncedInput]] = {key: [] for key in self._others}
        self._waiting: deque[_Waiting] = deque()
        self._newest: dict[str, int] = {}

    def add(self, item: SyncedInput, now_ns: int) -> None:
        """Take a message.

        Raises:
            RefusedInputError: it jumped back in time; everything before it is dropped.
        """
        key = _KEYS[type(item)]
        newest = self._newest.get(key, item.stamp_ns)
        if item.stamp_ns < newest - JUMP_NS:
            self.clear()
            self._newest[key] = item.stamp_ns
            raise RefusedInputError(
                Reason.TIME_JUMP,
                f"{key}: jumped back in time by {(newest - item.stamp_ns) / SECOND:.1f} s; what "
                "was known of the time after is dropped",
            )
        self._newest[key] = max(newest, item.stamp_ns)
        if key == self._pivot:
            self._waiting.append(_Waiting(item, now_ns))
        elif key in self._queues:
            insort(self._queues[key], item, key=lambda entry: entry.stamp_ns)
            del self._queues[key][: -self._size]

    def pop(self, now_ns: int, slop_ns: int) -> SyncedInputs | None:
        """The next frame whose messages are all there, in the order of the masks; None = wait.

        Raises:
            RefusedInputError: the masks that waited longest will never have all companions; they
                are dropped, the next call looks at the next ones.
        """
        while self._waiting:
            waiting = self._waiting[0]
            found = {key: self._companion(key, waiting, now_ns, slop_ns) for key in self._others}
            if all(found.values()):
                self._waiting.popleft()
                return SyncedInputs(**{self._pivot: waiting.item}, **found)
            self._check_hope(waiting, slop_ns)
            if len(self._waiting) <= self._size:
                return None
            self._waiting.popleft()
            self._refuse(waiting, next(key for key, item in found.items() if item is None))
        return None

    def clear(self) -> None:
        """Forget all messages."""
        self._waiting.clear()
        self._newest.clear()
        for queue in self._queues.values():
            queue.clear()

    def waiting_for(self) -> tuple[str, ...]:
        """The kinds of which no message has come yet."""
        return tuple(k for k in (self._pivot, *self._others) if k not in self._newest)

    def _companion(
        self, key: str, waiting: _Waiting, now_ns: int, slop_ns: int
    ) -> SyncedInput | None:
        queue, stamp = self._queues[key], waiting.item.stamp_ns
        if not queue:
            return None
        nearest = min(queue, key=lambda item: abs(item.stamp_ns - stamp))
        gap = abs(nearest.stamp_ns - stamp)
        settled = gap == 0 or queue[-1].stamp_ns >= stamp or now_ns - waiting.arrived_ns > slop_ns
        return nearest if settled and gap <= slop_ns else None

    def _check_hope(self, waiting: _Waiting, slop_ns: int) -> None:
        for key, queue in self._queues.items():
            if queue and queue[-1].stamp_ns > waiting.item.stamp_ns + slop_ns:
                nearest = min(abs(q.stamp_ns - waiting.item.stamp_ns) for q in queue)
                if nearest > slop_ns:
                    self._waiting.popleft()
                    self._refuse(waiting, key, nearest, slop_ns)

    def _refuse(
        self, waiting: _Waiting, key: str, nearest_ns: int | None = None, slop_ns: int = 0
    ) -> None:
        gap = (
            "none came" if nearest_ns is None else f"the nearest lies {nearest_ns / 1e9:.3f} s off"
        )
        raise RefusedInputError(
            Reason.UNSYNCHRONISED,
            f"{self._pivot}: no {key} for stamp {waiting.item.stamp_ns / 1e9:.3f} ({gap}, expected "
            f"within sync_slop = {slop_ns / 1e9:.3f} s); check the stamps or raise sync_slop",
        )
