"""A buffer of transforms over time, as tf2's, without ROS.

tf2 is no substitute: bags run without ROS and have to give the same poses every time.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from iscene_ros.core.stamps import JUMP_NS, SECOND
from iscene_ros.session.inputs import TransformSample
from iscene_ros.session.rejection import RejectedInputError, RejectReason

CACHE_NS = 10 * SECOND
FOREVER_NS = 1 << 62


class NoTransformError(RejectedInputError):
    """A transform is not available.

    Attributes:
        may_come: whether it may become available later.
    """

    def __init__(
        self, message: str, may_come: bool, reason: RejectReason = RejectReason.NO_TRANSFORM
    ) -> None:
        super().__init__(reason, message)
        self.may_come = may_come


@dataclass
class _Track:
    """The poses of one frame in its parent by stamp; a static frame has one pose for all times."""

    parent: str
    static: bool
    stamps: list[int] = field(default_factory=list)
    poses: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, stamp_ns: int, pose: np.ndarray) -> None:
        if self.static:
            stamp_ns = 0
        if stamp_ns not in self.poses:
            insort(self.stamps, stamp_ns)
        self.poses[stamp_ns] = pose
        while self.stamps[-1] - self.stamps[0] > CACHE_NS:
            del self.poses[self.stamps.pop(0)]

    def at(self, stamp_ns: int, tolerance_ns: int, name: str) -> np.ndarray:
        if self.static:
            return self.poses[0]
        after = bisect_left(self.stamps, stamp_ns)
        if after < len(self.stamps) and self.stamps[after] == stamp_ns:
            return self.poses[stamp_ns]
        if 0 < after < len(self.stamps):
            return self._between(self.stamps[after - 1], self.stamps[after], stamp_ns)
        nearest = self.stamps[0] if after == 0 else self.stamps[-1]
        if abs(nearest - stamp_ns) <= tolerance_ns:
            return self.poses[nearest]
        late = (stamp_ns - nearest) / SECOND
        is_late = late > 0
        what = (
            f"the newest is {late:.2f} s older" if is_late else f"the oldest is {-late:.2f} s newer"
        )
        raise NoTransformError(
            f"transform {self.parent} <- {name}: {what} than the image; expected one within "
            f"{tolerance_ns / SECOND:.2f} s: check the clocks and use_sim_time",
            may_come=is_late,
            reason=RejectReason.LATE_TRANSFORM if is_late else RejectReason.NO_TRANSFORM,
        )

    def _between(self, before: int, after: int, stamp_ns: int) -> np.ndarray:
        share = (stamp_ns - before) / (after - before)
        first, second = self.poses[before], self.poses[after]
        rotations = Rotation.from_matrix(np.stack([first[:3, :3], second[:3, :3]]))
        pose = np.eye(4)
        pose[:3, :3] = Slerp([0, 1], rotations)(share).as_matrix()
        pose[:3, 3] = (1 - share) * first[:3, 3] + share * second[:3, 3]
        return pose


class TransformBuffer:
    """A tree of frames with ten seconds of history; poses between samples are interpolated.

    One thread may add while another looks up.
    """

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}
        self._lock = threading.RLock()

    def add(self, sample: TransformSample) -> None:
        """Take a sample; a frame that changes its parent starts anew.

        A sample that closes a loop removes those frames of the loop whose last sample is older
        than the history, as their transforms are out of date.

        Raises:
            RejectedInputError: the frame would become its own ancestor; or its stamps jumped back
                in time, after which its history starts with this sample.
        """
        with self._lock:
            if sample.child in self._ancestors(sample.parent):
                self._drop_silent(sample)
            if sample.child in self._ancestors(sample.parent):
                raise RejectedInputError(
                    RejectReason.FRAME,
                    f"tf: {sample.parent} -> {sample.child} closes a loop; expected a tree: one "
                    "parent a frame",
                )
            track = self._tracks.get(sample.child)
            moves = track is not None and not track.static and not sample.static
            jumped = moves and sample.stamp_ns < track.stamps[-1] - JUMP_NS
            kind = sample.parent, sample.static
            if track is None or jumped or (track.parent, track.static) != kind:
                track = self._tracks[sample.child] = _Track(sample.parent, sample.static)
            track.add(sample.stamp_ns, sample.parent_from_child)
            if jumped:
                raise RejectedInputError(
                    RejectReason.TIME_JUMP,
                    f"tf: {sample.parent} -> {sample.child} jumped back in time; its past is "
                    "dropped",
                )

    def _drop_silent(self, sample: TransformSample) -> None:
        """Drop outdated frames between the child and the parent of a sample."""
        for name in self._ancestors(sample.parent):
            track = self._tracks.get(name)
            if track is None or name == sample.child:
                return
            if not track.static and track.stamps[-1] < sample.stamp_ns - CACHE_NS:
                del self._tracks[name]

    def lookup(self, target: str, source: str, stamp_ns: int, tolerance_ns: int = 0) -> np.ndarray:
        """Return the (4, 4) float64 target_from_source [m] at a stamp [ns].

        Up to `tolerance_ns` from the first or last sample its pose is returned, without
        extrapolation.

        Raises:
            NoTransformError: a frame is unknown, the frames are not connected, or the stamp lies
                outside the history.
        """
        with self._lock:
            frames = self.frames()
            for name in (target, source):
                if name not in frames:
                    known = ", ".join(frames[:8]) or "none"
                    raise NoTransformError(
                        f"transform {target} <- {source}: frame {name} is unknown; known are: "
                        f"{known}",
                        may_come=True,
                    )
            up_target, up_source = self._ancestors(target), self._ancestors(source)
            common = next((name for name in up_source if name in up_target), None)
            if common is None:
                raise NoTransformError(
                    f"transform {target} <- {source}: not connected ({up_target[-1]} and "
                    f"{up_source[-1]} are the roots of two trees)",
                    may_come=True,
                )
            common_from_source = self._climb(source, common, stamp_ns, tolerance_ns)
            common_from_target = self._climb(target, common, stamp_ns, tolerance_ns)
            return np.linalg.inv(common_from_target) @ common_from_source

    def distance(self, one: str, other: str) -> float | None:
        """Return how far the origins of two frames lie apart now [m]; None if not connected."""
        try:
            return float(np.linalg.norm(self.lookup(one, other, 0, FOREVER_NS)[:3, 3]))
        except NoTransformError:
            return None

    def connects(self, a: str, b: str) -> bool:
        """Return whether two frames belong to one tree."""
        with self._lock:
            return self._ancestors(a)[-1] == self._ancestors(b)[-1]

    def frames(self) -> list[str]:
        """Return all frame names, sorted."""
        with self._lock:
            return sorted(set(self._tracks) | {t.parent for t in self._tracks.values()})

    def forget_after(self, stamp_ns: int) -> None:
        """Drop the histories of another run after a jump back in time to a stamp [ns].

        These are the histories that reach further beyond the stamp than messages out of order do.
        """
        with self._lock:
            self._tracks = {
                name: track
                for name, track in self._tracks.items()
                if track.static or track.stamps[-1] <= stamp_ns + JUMP_NS
            }

    def _ancestors(self, name: str) -> list[str]:
        """Return a frame and its ancestors, ending with the root of its tree."""
        names = [name]
        while names[-1] in self._tracks:
            names.append(self._tracks[names[-1]].parent)
        return names

    def _climb(self, name: str, ancestor: str, stamp_ns: int, tolerance_ns: int) -> np.ndarray:
        """Return the (4, 4) ancestor_from_name [m] along the parents of a frame."""
        pose = np.eye(4)
        while name != ancestor:
            track = self._tracks[name]
            pose = track.at(stamp_ns, tolerance_ns, name) @ pose
            name = track.parent
        return pose
