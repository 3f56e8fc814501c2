"""Several observations of one scene as a reference view and the evidence of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.instance_views import instance_views
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps
from iscene_ros.preprocess.mask_consistency import without_contradicted_pixels
from iscene_ros.preprocess.view_registration import registered

# Label of an instance whose class is not known; it contradicts none.
UNKNOWN_LABEL = "object"


def reference_and_evidence(
    views: Sequence[Observation],
) -> tuple[Observation, dict[int, tuple[Observation, ...]]]:
    """Return the last view, with an empty mask for what only others show, and all other evidence.

    The poses of the earlier views are corrected by registration to the later ones; masks lose what
    other views contradict.

    Args:
        views: at least one; the same instance id means the same object in all of them.

    Raises:
        InputError: a view without pose or without depth, or ids that contradict one another.
    """
    check_sequence(views)
    *earlier, reference = (resolve_mask_overlaps(view.rectified()) for view in views)
    if not earlier:
        return reference, {}
    posed = [reference]
    for view in reversed(earlier):
        posed.append(registered(view, posed))
    posed = [
        without_contradicted_pixels(view, [other for other in posed if other is not view])
        for view in posed
    ]
    evidence: dict[int, list[Observation]] = {}
    for view in posed[1:]:
        for instance_id, shown in instance_views(view).items():
            evidence.setdefault(instance_id, []).append(shown)
    reference = posed[0]
    missing = {}
    for view in earlier:
        for i, label, score in zip(view.instance_ids, view.labels, view.scores, strict=True):
            if i not in reference.instance_ids:
                missing[i] = (label, score)
    if missing:
        empty = np.zeros((len(missing), *reference.depth.shape), bool)
        labels, scores = zip(*missing.values(), strict=True)
        reference = replace(
            reference,
            masks=np.concatenate([reference.masks, empty]),
            labels=(*reference.labels, *labels),
            scores=(*reference.scores, *scores),
            instance_ids=(*reference.instance_ids, *missing),
        )
    return reference, {i: tuple(v) for i, v in evidence.items()}


def check_sequence(views: Sequence[Observation]) -> None:
    """Check that several views show one scene in one frame.

    Raises:
        InputError: see `reference_and_evidence`.
    """
    if not views:
        raise InputError("views: none, expected at least one observation")
    labels: dict[int, str] = {}
    for number, view in enumerate(views, 1):
        if len(views) > 1 and view.world_from_camera is None:
            raise InputError(
                f"view {number} of {len(views)}: no world_from_camera; several views are combined "
                "by their poses: give each one, in the same world frame"
            )
        for instance_id, label in zip(view.instance_ids, view.labels, strict=True):
            if label != UNKNOWN_LABEL and labels.setdefault(instance_id, label) != label:
                raise InputError(
                    f"view {number} of {len(views)}: instance {instance_id} is {label!r}, in an "
                    f"earlier view {labels[instance_id]!r}; the same id must be the same object"
                )


def check_evidence(observation: Observation, evidence: Mapping[int, Sequence[Observation]]) -> None:
    """Check the further views of an observation's instances.

    Raises:
        InputError: no pose, an id that is not in the observation or not in its view.
    """
    for instance_id, views in evidence.items():
        if instance_id not in observation.instance_ids:
            raise InputError(
                f"evidence: instance {instance_id} is not in the observation, which has "
                f"{', '.join(map(str, observation.instance_ids)) or 'none'}"
            )
        if any(instance_id not in view.instance_ids for view in views):
            raise InputError(f"evidence: a view of instance {instance_id} does not have its id")
        if any(view.world_from_camera is None for view in (*views, observation)):
            raise InputError(
                f"evidence: no world_from_camera in the observation or in a view of instance "
                f"{instance_id}; views are combined by their poses"
            )
