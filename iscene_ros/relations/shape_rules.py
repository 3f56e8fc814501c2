"""Which objects have the same shape, or mirror images of each other's."""

from __future__ import annotations

from functools import partial

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.relations.rule import Edge, Measurements, Rule

# Alignments that are worse than so many tolerances are all alike.
MAX_TOLERANCES = 8.0


def _shape_candidates(measurements: Measurements, predicate: Predicate) -> list[Edge]:
    """Find pairs of similar shapes: they are the same or mirrored, never both."""
    found = []
    for match in measurements.shape_matches:
        if match.is_mirrored == (predicate is Predicate.MIRRORED):
            features = (min(match.error_m / match.tolerance_m, MAX_TOLERANCES),)
            evidence = RelationEvidence(error_m=match.error_m)
            found.append(
                measurements.candidate(match.one, predicate, match.other, features, evidence)
            )
    return found


SHAPE_RULES = tuple(
    Rule(
        predicate,
        ("error [tolerances]",),
        partial(_shape_candidates, predicate=predicate),
        needs_gravity=False,
    )
    for predicate in (Predicate.SAME_SHAPE, Predicate.MIRRORED)
)
