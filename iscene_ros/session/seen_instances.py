"""The instances of a frame, cropped and in the frame of the map."""

from __future__ import annotations

from iscene_ros.core.keyframe import Keyframe
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.instance_views import cropped_view
from iscene_ros.session.frames import TrackedObservation
from iscene_ros.session.overlap import SeenInstance

# Fewer readings than this say nothing of a shape.
MIN_READINGS = 12
# Of the images of a view [pixels].
LARGEST_SIDE = 160


def seen_instances(observed: TrackedObservation) -> list[SeenInstance]:
    """Return the instances of a frame, in its order."""
    observation = observed.observation
    seen = []
    for row, instance_id in enumerate(observation.instance_ids):
        mask = observation.masks[row]
        keyframe = None
        if mask.any():
            keyframe = Keyframe(cropped_view(observation, instance_id, LARGEST_SIDE), instance_id)
            keyframe = keyframe if len(keyframe.points) >= MIN_READINGS else None
        label, tracker_id = observation.labels[row], observed.tracker_ids[row]
        seen.append(SeenInstance(label, tracker_id, mask, keyframe))
    return seen


def clean_keyframe(observation: Observation, instance_id: int) -> Keyframe | None:
    """Return the view of an instance in a clean observation; None where nothing of it is left."""
    if not observation.masks[observation.instance_ids.index(instance_id)].any():
        return None
    keyframe = Keyframe(cropped_view(observation, instance_id, LARGEST_SIDE), instance_id)
    return keyframe if len(keyframe.points) else None
