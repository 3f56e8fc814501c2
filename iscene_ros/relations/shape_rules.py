"""Which objects have the same shape, or mirror images of each other's."""

from __future__ import annotations

from functools import partial

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.geometry.shape_alignment import ShapeMatch
from iscene_ros.relations.rule import EdgeCandidate, Measurements, Rule

# Alignments that are worse than so many tolerances are all alike.
MAX_TOLERANCES = 8.0


def shape_candidate(match: ShapeMatch, is_exact: bool) -> EdgeCandidate:
    """Return the candidate of two similar shapes: they are the same or mirrored, never both."""
    predicate = Predicate.MIRRORED if match.is_mirrored else Predicate.SAME_SHAPE
    features = (min(match.error_m / match.tolerance_m, MAX_TOLERANCES),)
    evidence = RelationEvidence(error_m=match.error_m)
    return EdgeCandidate(match.one, predicate, match.other, features, evidence, is_exact)


def _shape_candidates(measurements: Measurements, predicate: Predicate) -> list[EdgeCandidate]:
    geometry = measurements.geometry
    candidates = (
        shape_candidate(m, geometry.is_exact(m.one) and geometry.is_exact(m.other))
        for m in measurements.shape_matches
    )
    return [candidate for candidate in candidates if candidate.predicate is predicate]


SHAPE_RULES = tuple(
    Rule(
        predicate,
        ("error [tolerances]",),
        partial(_shape_candidates, predicate=predicate),
        needs_gravity=False,
    )
    for predicate in (Predicate.SAME_SHAPE, Predicate.MIRRORED)
)
