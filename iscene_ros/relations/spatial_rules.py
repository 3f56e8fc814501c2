"""Where objects are with respect to each other: inside, near, above, and in the way of lifting."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.geometry.clearances import Overhang
from iscene_ros.relations.consistency import above_without_contact, one_way
from iscene_ros.relations.contact_rules import MIN_CONTAINED
from iscene_ros.relations.rule import (
    Edge,
    Measurements,
    Rule,
    in_sigmas,
    strongest_by_pair,
)

# What rests on an object less likely than this is in its way only where it lies over it.
MIN_RESTING = 0.2


def inside_candidates(measurements: Measurements) -> list[Edge]:
    """Find objects of which a part lies in another one's cavity."""
    geometry, resting = measurements.geometry, measurements.resting
    found = []
    for (one, other), share in _contained(measurements).items():
        body, container = geometry.bodies[one], geometry.bodies[other]
        height = body.center_of_mass[2] - container.low[2]
        features = (
            share,
            measurements.containment[other, one],
            float(np.clip(height / max(container.size[2], 1e-6), -1.0, 2.0)),
            float(resting[one, other]),
            float(resting[other, one]),
        )
        evidence = RelationEvidence(share=share)
        found.append(measurements.candidate(one, Predicate.INSIDE, other, features, evidence))
    return found


def near_candidates(measurements: Measurements) -> list[Edge]:
    """Find objects with a small gap between them; each pair once."""
    geometry = measurements.geometry
    found = []
    for gap in measurements.gaps:
        sigma = float(np.hypot(geometry.sigmas[gap.one], geometry.sigmas[gap.other]))
        features = (in_sigmas(gap.limit - gap.length, sigma + 0.5 * geometry.spacing),)
        point = tuple(float(v) for v in gap.point)
        evidence = RelationEvidence(gap_m=gap.length, contact_point=point)
        found.append(measurements.candidate(gap.one, Predicate.NEAR, gap.other, features, evidence))
    return found


def above_candidates(measurements: Measurements) -> list[Edge]:
    """Find objects that lie over another one, perhaps without touching it."""
    geometry = measurements.geometry
    touching = strongest_by_pair(measurements.of(Predicate.TOUCHING))
    found = []
    for hang in measurements.overhangs:
        upper, lower = hang.upper, hang.lower
        if geometry.environment in (upper, lower):
            continue
        features = (
            _reach(measurements, hang),
            min(hang.share, 1.0),
            in_sigmas(hang.gap, hang.sigma),
            touching.get(frozenset((upper, lower)), 0.0),
            float(measurements.resting[upper, lower]),
        )
        evidence = RelationEvidence(gap_m=max(0.0, hang.gap), area_m2=hang.area)
        found.append(measurements.candidate(upper, Predicate.ABOVE, lower, features, evidence))
    return found


def blocking_candidates(measurements: Measurements) -> list[Edge]:
    """Find what is in the way when an object is lifted straight up: over it, in it, or on it."""
    geometry, contained = measurements.geometry, _contained(measurements)
    overhangs = {(hang.upper, hang.lower): hang for hang in measurements.overhangs}
    resting = {(int(i), int(j)) for i, j in np.argwhere(measurements.resting >= MIN_RESTING)}
    found = []
    for upper, lower in sorted(overhangs.keys() | contained.keys() | resting):
        hang = overhangs.get((upper, lower))
        evidence = RelationEvidence(share=contained.get((upper, lower)))
        above = (0.0, 0.0, 0.0)
        if hang is not None:
            evidence = RelationEvidence(
                gap_m=max(hang.gap, 0.0), area_m2=hang.area, share=hang.share
            )
            overlap = max(in_sigmas(-hang.gap, hang.sigma), 0.0)
            above = _reach(measurements, hang), min(hang.share, 1.0), overlap
        is_environment = geometry.environment in (upper, lower)
        features = (
            *above,
            float(upper == geometry.environment),
            contained.get((upper, lower), 0.0),
            contained.get((lower, upper), 0.0),
            0.0 if is_environment else float(measurements.resting[upper, lower]),
            0.0 if is_environment else float(measurements.resting[lower, upper]),
        )
        found.append(
            measurements.candidate(upper, Predicate.BLOCKS_FROM_ABOVE, lower, features, evidence)
        )
    return found


def _contained(measurements: Measurements) -> dict[tuple[int, int], float]:
    """Return the shares in cavities that are large enough, and larger than the other way round."""
    shares = measurements.containment
    return {
        pair: share
        for pair, share in shares.items()
        if share >= MIN_CONTAINED and share > shares[pair[::-1]]
    }


def _reach(measurements: Measurements, hang: Overhang) -> float:
    return max(in_sigmas(hang.reach, hang.sigma + measurements.geometry.spacing), 0.0)


SPATIAL_RULES = (
    Rule(
        Predicate.INSIDE,
        (
            "share of its volume in the other's cavity",
            "share of the other's volume in its cavity",
            "relative height",
            "probability that it rests on it",
            "probability that the other rests on it",
        ),
        inside_candidates,
        one_way,
        needs_gravity=False,
    ),
    Rule(Predicate.NEAR, ("room to the limit [sigma]",), near_candidates, needs_gravity=False),
    Rule(
        Predicate.ABOVE,
        (
            "reach [sigma]",
            "share of the outline",
            "gap [sigma]",
            "probability of contact",
            "probability that it rests on it",
        ),
        above_candidates,
        above_without_contact,
    ),
)

BLOCKING_RULE = Rule(
    Predicate.BLOCKS_FROM_ABOVE,
    (
        "reach [sigma]",
        "share of the outline",
        "overlap [sigma]",
        "is the environment",
        "share of its volume in the other's cavity",
        "share of the other's volume in its cavity",
        "probability that it rests on it",
        "probability that the other rests on it",
    ),
    blocking_candidates,
)
