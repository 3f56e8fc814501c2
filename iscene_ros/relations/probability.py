"""How likely an edge holds: logistic models of what speaks for and against it.

The coefficients are fitted on scenes of the training families that a physics engine put to rest,
once for true meshes and once for meshes that iscene-mini completed; `iscene evaluate --relations`
measures on other families what they are worth.
"""

from __future__ import annotations

import math

from iscene_ros.core.predicate import Predicate
from iscene_ros.relations.candidates import EdgeCandidate
from iscene_ros.relations.coefficients import COEFFICIENTS

# What the features of a candidate are; each coefficient belongs to one, the first one is constant.
FEATURES = {
    Predicate.SUPPORTED_BY: (
        "steepness of the contact",
        "gap [sigma]",
        "overlap [sigma]",
        "gap beyond the best supporter's [sigma]",
        "share of the outline that faces it",
        "height of its bottom over the other's, relative",
        "is the environment",
        "no patch found",
        "share of its volume in the other's hollow",
        "share of its volume in any hollow",
    ),
    Predicate.LEANING_ON: (
        "gap [sigma]",
        "overlap [sigma]",
        "gap beyond the closest contact's [sigma]",
        "centre of mass outside of the support, relative",
        "centre of mass inside of the support, relative",
        "how much the contact pushes back to the support",
        "is the environment",
    ),
    Predicate.TOUCHING: (
        "gap [sigma]",
        "overlap [sigma]",
        "probability of support",
        "share of the faces that are close",
        "is the environment",
    ),
    Predicate.INSIDE: (
        "share of its volume in the other's hollow",
        "share of the other's volume in its hollow",
        "relative height",
        "probability that it rests on it",
        "probability that the other rests on it",
    ),
    Predicate.NEAR: ("room to the limit [sigma]",),
    Predicate.LEFT_OF: ("clearance [sigma]",),
    Predicate.IN_FRONT_OF: ("clearance [sigma]",),
    Predicate.SAME_SHAPE: ("error [tolerances]",),
    Predicate.MIRRORED: ("error [tolerances]",),
    Predicate.OCCLUDES: ("share", "logarithm of the rays"),
    Predicate.ABOVE: (
        "reach [sigma]",
        "share of the outline",
        "gap [sigma]",
        "probability of contact",
        "probability that it rests on it",
    ),
    Predicate.BLOCKS_FROM_ABOVE: (
        "reach [sigma]",
        "share of the outline",
        "overlap [sigma]",
        "is the environment",
        "share of its volume in the other's hollow",
        "share of the other's volume in its hollow",
        "probability that it rests on it",
        "probability that the other rests on it",
    ),
}

KNOWN, COMPLETED = "known", "completed"


def probability(candidate: EdgeCandidate) -> float:
    """Probability in (0, 1) that a candidate holds."""
    kind = KNOWN if candidate.is_known else COMPLETED
    return logistic(COEFFICIENTS[kind][candidate.predicate.value], candidate.features)


def logistic(coefficients: tuple[float, ...], features: tuple[float, ...]) -> float:
    """The logistic function of a linear combination; the first coefficient is constant."""
    pairs = zip(coefficients[1:], features, strict=True)
    total = coefficients[0] + sum(c * f for c, f in pairs)
    return 1.0 / (1.0 + math.exp(-max(min(total, 30.0), -30.0)))
