"""What a frame shows of known objects, and with which views its instances are completed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.keyframe import Keyframe
from iscene_ros.core.observation import Observation
from iscene_ros.geometry.camera_view import CameraView
from iscene_ros.session.evidence import chosen
from iscene_ros.session.frame_registration import registered
from iscene_ros.session.frames import TrackedObservation
from iscene_ros.session.measurements import Measurement
from iscene_ros.session.settings import Settings


@dataclass(frozen=True)
class AssociatedInstance:
    """An instance of a frame, and what is known of its object before this view.

    Attributes:
        id: of the object in the map.
        measurement: the instance in the frame.
        completed_from: keyframes that the object was completed from; None for a new object.
        keyframes: what is left of them, after a motion of the object.
        emptied: the newest view of which cleaning left nothing, or None.
        chosen: the keyframes to keep; the view of this frame among them if it says something new.
    """

    id: int
    measurement: Measurement
    completed_from: tuple[Keyframe, ...] | None
    keyframes: tuple[Keyframe, ...]
    emptied: Keyframe | None = None
    chosen: tuple[Keyframe, ...] = ()

    @property
    def others(self) -> tuple[Keyframe, ...]:
        """The keyframes to keep that are no views of this frame."""
        return tuple(k for k in self.chosen if k is not self.measurement.keyframe)

    @property
    def is_new_view(self) -> bool:
        """Whether the view of this frame is to be kept."""
        return any(k is self.measurement.keyframe for k in self.chosen)


@dataclass(frozen=True)
class AssociatedFrame:
    """What a frame shows, before its instances are completed.

    Attributes:
        view: the frame; ids of its instances are those of the map, its pose may be corrected.
        tracker_ids: of each instance.
        left_out: see `TrackedObservation`.
        found: its instances, in order.
        evidence: by instance id, the other views that it is completed from.
        changed: ids of the instances to complete; the others keep what they have.
        overruled: lines about tracker ids that the geometry contradicts.
    """

    view: CameraView
    tracker_ids: tuple[str, ...]
    left_out: np.ndarray | None
    found: tuple[AssociatedInstance, ...]
    evidence: dict[int, tuple[Observation, ...]]
    changed: frozenset[int]
    overruled: tuple[str, ...]

    @property
    def observation(self) -> Observation:
        """The frame's observation."""
        return self.view.observation


def associated_frame(
    observed: TrackedObservation,
    found: Sequence[AssociatedInstance],
    overruled: tuple[str, ...],
    settings: Settings,
    anew: bool,
) -> AssociatedFrame:
    """Decide with which views the instances of a frame are completed, and which keep their mesh.

    Where the frame says something new of an object, its pose is corrected by what the map knows.
    `anew` completes every instance, even where nothing changed.
    """
    pose = observed.observation.world_from_camera
    fuses = settings.fusion and pose is not None
    found = [replace(f, chosen=_chosen(f, settings) if fuses else ()) for f in found]
    if any(f.chosen is not f.keyframes for f in found):
        # Corrected by the keyframes of the objects that it shows.
        pairs = [(f.measurement.keyframe, f.keyframes) for f in found]
        shown = [(new, kept) for new, kept in pairs if kept and new is not None]
        motion = registered(CameraView(observed.observation, pose), shown)
        pose = pose if motion is None else motion @ pose
    ids = tuple(f.id for f in found)
    observation = replace(observed.observation, instance_ids=ids, world_from_camera=pose)
    unchanged = [f.id for f in found if fuses and not anew and f.chosen is f.completed_from]
    pose = np.eye(4) if pose is None else observation.world_from_camera
    return AssociatedFrame(
        view=CameraView(observation, pose),
        tracker_ids=observed.tracker_ids,
        left_out=observed.left_out,
        found=tuple(found),
        evidence={f.id: tuple(k.view for k in f.others) for f in found if f.others},
        changed=frozenset(observation.instance_ids) - frozenset(unchanged),
        overruled=overruled,
    )


def _chosen(found: AssociatedInstance, settings: Settings) -> tuple[Keyframe, ...]:
    """Return the views to keep of an object; the same tuple as before where this says nothing."""
    if found.measurement.keyframe is None:
        return found.keyframes
    if found.emptied is not None:
        emptied = (found.emptied,)
        if chosen(emptied, found.measurement.keyframe, settings) is emptied:
            return found.keyframes
    return chosen(found.keyframes, found.measurement.keyframe, settings)
