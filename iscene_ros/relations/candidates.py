"""Edges that may hold, each with what speaks for and against it."""

from __future__ import annotations

from dataclasses import dataclass, field

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence


@dataclass(frozen=True)
class EdgeCandidate:
    """An edge between two bodies that may hold.

    Attributes:
        subject, object: indices of bodies, the environment's is the last one.
        predicate: what may hold.
        features: what its probability is computed from, see `certainty.FEATURES`.
        evidence: in the upright frame.
        is_known: both surfaces are known, not completed.
    """

    subject: int
    predicate: Predicate
    object: int
    features: tuple[float, ...]
    evidence: RelationEvidence = field(default_factory=RelationEvidence)
    is_known: bool = False
