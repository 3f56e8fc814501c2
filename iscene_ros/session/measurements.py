"""How well an instance of a frame covers the place and the shape of a known object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from iscene_ros.core.keyframe import Keyframe
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene_update import TrackedObject
from iscene_ros.geometry.camera_view import CameraView, margin_of
from iscene_ros.geometry.object_surface import ObjectSurface
from iscene_ros.preprocess.instance_views import cropped_view
from iscene_ros.session.frames import TrackedObservation

# An instance may reach beyond the bounds of an object by this share of its diagonal.
BOUNDS_MARGIN = 0.2
# Fewer readings than this say nothing of a shape.
MIN_READINGS = 12
# Of the images of a view [pixels].
LARGEST_SIDE = 160
# Sizes of one object in two views differ by no more than this factor.
LARGEST, SMALLEST = 1.4, 0.35


@dataclass(frozen=True)
class MapObject:
    """An object of the map, and points of its surface.

    Attributes:
        tracked: the object.
        surface: of its mesh, in its own frame.
    """

    tracked: TrackedObject
    surface: ObjectSurface

    @property
    def pose(self) -> np.ndarray:
        """(4, 4) frame_from_object [m]."""
        return self.tracked.item.frame_from_object

    @cached_property
    def diagonal(self) -> float:
        """Diagonal of its box [m]."""
        return float(np.linalg.norm(self.tracked.item.size))

    @cached_property
    def margin(self) -> float:
        """Distance within which its points fit a reading [m]."""
        return margin_of(self.tracked.item.size)

    @cached_property
    def points(self) -> np.ndarray:
        """(P, 3) points of its surface in the frame of the map [m]."""
        return self.surface.points @ self.pose[:3, :3].T + self.pose[:3, 3]


@dataclass(frozen=True)
class Measurement:
    """An instance of a frame.

    Attributes:
        label: its class.
        tracker_id: "" where there is none.
        mask: (H, W) bool.
        keyframe: the view cropped around it; None where depth has hardly a reading.
    """

    label: str
    tracker_id: str
    mask: np.ndarray
    keyframe: Keyframe | None


def overlap(
    view: CameraView, known: MapObject, measured: Measurement, motion: np.ndarray | None = None
) -> float:
    """Return how much of an instance and of an object is the other, in [0, 1].

    It is the harmonic mean of the share of the instance's points that lie on the object's surface,
    and of the share of the object's near side, as far as nothing hides it, that lies in the mask;
    without depth, the mask alone counts. `motion` (4, 4) moves the object before it is compared.
    """
    pose = known.pose if motion is None else motion @ known.pose
    if measured.keyframe is None:
        return view.covered_share(known.surface, pose, measured.mask, known.margin)
    reach = (0.5 + BOUNDS_MARGIN) * known.diagonal + measured.keyframe.radius
    if np.linalg.norm(measured.keyframe.center - pose[:3, 3]) > reach:
        return 0.0
    points = (measured.keyframe.probes - pose[:3, 3]) @ pose[:3, :3]
    on = known.surface.share_on(points)
    if on == 0:
        return 0.0
    covered = view.covered_share(known.surface, pose, measured.mask, known.margin)
    return 2 * on * covered / max(on + covered, 1e-9)


def has_similar_size(known: MapObject, measured: Measurement) -> bool:
    """Return whether an instance may be one view of an object, judged by their extents."""
    if measured.keyframe is None:
        return False
    ratio = np.linalg.norm(np.ptp(measured.keyframe.points, axis=0)) / max(known.diagonal, 1e-9)
    return bool(SMALLEST <= ratio <= LARGEST)


def measurements(observed: TrackedObservation) -> list[Measurement]:
    """Return the instances of a frame, in its order."""
    observation = observed.observation
    found = []
    for row, instance_id in enumerate(observation.instance_ids):
        mask = observation.masks[row]
        keyframe = None
        if mask.any():
            keyframe = Keyframe(cropped_view(observation, instance_id, LARGEST_SIDE), instance_id)
            keyframe = keyframe if len(keyframe.points) >= MIN_READINGS else None
        label, tracker_id = observation.labels[row], observed.tracker_ids[row]
        found.append(Measurement(label, tracker_id, mask, keyframe))
    return found


def clean_keyframe(observation: Observation, instance_id: int) -> Keyframe | None:
    """Return the view of an instance in a clean observation; None where nothing of it is left."""
    if not observation.masks[observation.instance_ids.index(instance_id)].any():
        return None
    keyframe = Keyframe(cropped_view(observation, instance_id, LARGEST_SIDE), instance_id)
    return keyframe if len(keyframe.points) else None
