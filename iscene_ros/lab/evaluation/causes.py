"""Why a completion is wrong, decided by what was measured against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from iscene_ros.lab.evaluation.shape_measures import ShapeMeasures
from iscene_ros.lab.evaluation.view_measures import (
    ContactMeasures,
    CropMeasures,
    MaskMeasures,
)


class Cause(str, Enum):
    """What can make an object hard; one object may have several causes, or none."""

    THIN = "thin parts"
    HOLLOW = "hollow form"
    OCCLUSION = "heavy occlusion"
    HOLES = "depth holes"
    CUT_OFF = "crop too small"
    TOO_LARGE = "crop too large"
    BLEEDING = "bleeding mask"
    CONTACT = "contact"
    SIZE = "size"


@dataclass(frozen=True)
class Measures:
    """All that is measured of one object."""

    shape: ShapeMeasures
    mask: MaskMeasures
    crop: CropMeasures
    contact: ContactMeasures


@dataclass(frozen=True)
class Onset:
    """A value from which on something counts as a cause, and one at which it counts fully."""

    starts: float
    full: float

    def severity(self, value: float) -> float | None:
        """0 at the start to 1, whichever way it grows; None on the near side of the start."""
        share = (value - self.starts) / (self.full - self.starts)
        return min(share, 1.0) if share >= 0 else None


@dataclass(frozen=True)
class CauseLimits:
    """From where on a measure is a cause.

    Attributes:
        thin: share of the surface under two voxels of the cube, below which a grid of samples
            cannot hold both sides of a wall. A quarter: less is a handle on a body that carries
            most of the volume.
        hollow: cavity's share. At a third there is half as much cavity as body: a vessel. Handles
            and the room between the arms of a clamp stay below.
        visible: share of the silhouette in the mask; under half of it, most of the outline is
            another object's edge rather than its own.
        unread: share of the mask without depth. Edges and stray dropouts alone cost up to a tenth;
            at 0.3 there is a hole that a shape could go on through.
        outside: share of the volume that the cube cuts off and nothing can bring back.
        cube_ratio: a fitted cube is 1.2 to 1.7 times the object; at 2 the object gets less than an
            eighth of the voxels.
        foreign: share of the mask that shows another thing. A mask that is two pixels too wide
            reaches 0.15 on small objects without harm to the shape.
        gap: objects closer than this touch, as far as a depth image can tell [m].
        intrusion: of those that touch, share of the prediction inside the neighbours.
        small, large: longest edge; where there are few pixels for it and few examples [m].
    """

    thin: Onset = field(default=Onset(0.25, 0.9))
    hollow: Onset = field(default=Onset(0.33, 0.8))
    visible: Onset = field(default=Onset(0.5, 0.1))
    unread: Onset = field(default=Onset(0.3, 0.8))
    outside: Onset = field(default=Onset(0.02, 0.3))
    cube_ratio: Onset = field(default=Onset(2.0, 4.0))
    foreign: Onset = field(default=Onset(0.15, 0.5))
    gap: float = 0.002
    intrusion: Onset = field(default=Onset(0.02, 0.2))
    small: Onset = field(default=Onset(0.04, 0.02))
    large: Onset = field(default=Onset(0.4, 0.6))


def causes_of(measures: Measures, limits: CauseLimits | None = None) -> dict[Cause, float]:
    """The causes that apply, each with its severity in [0, 1], the most severe one first."""
    limits = limits or CauseLimits()
    shape, mask, crop, contact = measures.shape, measures.mask, measures.crop, measures.contact
    touches = contact.gap < limits.gap
    found = {
        Cause.THIN: limits.thin.severity(shape.thin_share),
        Cause.HOLLOW: limits.hollow.severity(shape.cavity_share),
        Cause.OCCLUSION: limits.visible.severity(mask.visible_share),
        Cause.HOLES: limits.unread.severity(mask.unread_share),
        Cause.CUT_OFF: limits.outside.severity(crop.outside_share),
        Cause.TOO_LARGE: limits.cube_ratio.severity(crop.cube_ratio),
        Cause.BLEEDING: limits.foreign.severity(mask.foreign_share),
        Cause.CONTACT: limits.intrusion.severity(contact.intrusion_share) if touches else None,
        Cause.SIZE: _either(
            limits.small.severity(shape.extent), limits.large.severity(shape.extent)
        ),
    }
    present = {cause: value for cause, value in found.items() if value is not None}
    return dict(sorted(present.items(), key=lambda item: -item[1]))


def main_cause(causes: Mapping[Cause, float]) -> Cause | None:
    """The most severe one; None where there is none."""
    return max(causes, key=causes.__getitem__, default=None)


def evidence(cause: Cause, measures: Measures) -> str:
    """What a cause was read from, in a few words."""
    shape, mask, crop, contact = measures.shape, measures.mask, measures.crop, measures.contact
    return {
        Cause.THIN: f"{100 * shape.thin_share:.0f} % under 2 voxels",
        Cause.HOLLOW: f"{100 * shape.cavity_share:.0f} % cavity",
        Cause.OCCLUSION: f"{100 * mask.visible_share:.0f} % visible",
        Cause.HOLES: f"{100 * mask.unread_share:.0f} % unread",
        Cause.CUT_OFF: f"{100 * crop.outside_share:.0f} % cut off",
        Cause.TOO_LARGE: f"{crop.cube_ratio:.1f} x the object",
        Cause.BLEEDING: f"{100 * mask.foreign_share:.0f} % of others",
        Cause.CONTACT: f"{100 * contact.intrusion_share:.0f} % in others",
        Cause.SIZE: f"{100 * shape.extent:.1f} cm",
    }[cause]


def _either(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)
