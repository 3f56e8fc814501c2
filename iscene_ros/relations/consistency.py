"""Edges that contradict each other: the less certain one goes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import networkx as nx

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.relations.candidates import EdgeCandidate

# An edge is kept from this probability on.
LIKELY = 0.5

# Everything at rest stands on something: without a likely supporter the most probable one counts
# from this probability on.
LEAST_SUPPORT = 0.2


@dataclass(frozen=True)
class Edge:
    """An edge between bodies by index, with its probability."""

    subject: int
    predicate: Predicate
    object: int
    probability: float
    evidence: RelationEvidence

    @classmethod
    def of(cls, candidate: EdgeCandidate, probability: float) -> Edge:
        """The candidate as an edge."""
        return cls(
            candidate.subject,
            candidate.predicate,
            candidate.object,
            probability,
            candidate.evidence,
        )


def supports_without_cycles(
    scored: list[tuple[EdgeCandidate, float]], inside: list[Edge]
) -> list[Edge]:
    """Likely supporters: nothing carries, however indirectly, what carries or contains it.

    Args:
        scored: candidates for support and their probabilities.
        inside: likely containments.
    """
    contained = {(edge.subject, edge.object) for edge in inside}
    best: dict[int, float] = {}
    for candidate, p in scored:
        best[candidate.subject] = max(best.get(candidate.subject, 0.0), p)
    kept: list[Edge] = []
    graph = nx.DiGraph()
    for candidate, p in sorted(scored, key=lambda pair: -pair[1]):
        needed = p == best[candidate.subject] and p >= LEAST_SUPPORT
        one, other = candidate.subject, candidate.object
        if (p < LIKELY and not needed) or (other, one) in contained:
            continue
        if graph.has_node(one) and graph.has_node(other) and nx.has_path(graph, other, one):
            continue
        graph.add_edge(one, other)
        kept.append(Edge.of(candidate, p))
    return kept


def likely(scored: list[tuple[EdgeCandidate, float]]) -> list[Edge]:
    """Edges that are more probable than not."""
    return [Edge.of(candidate, p) for candidate, p in scored if p >= LIKELY]


def one_way(edges: list[Edge]) -> list[Edge]:
    """Edges without those whose opposite is more probable."""
    strength = {(e.subject, e.predicate, e.object): e.probability for e in edges}
    return [
        e
        for e in edges
        if e.probability > strength.get((e.object, e.predicate, e.subject), -1.0)
        or (
            e.probability == strength.get((e.object, e.predicate, e.subject))
            and e.subject < e.object
        )
    ]


def touching_with_support(
    scored: list[tuple[EdgeCandidate, float]], carried: list[Edge]
) -> list[Edge]:
    """Contacts, no less certain than what follows from them."""
    least: dict[frozenset[int], float] = {}
    for edge in carried:
        pair = frozenset((edge.subject, edge.object))
        least[pair] = max(least.get(pair, 0.0), edge.probability)
    edges = [Edge.of(candidate, p) for candidate, p in scored]
    edges = [
        replace(e, probability=max(e.probability, least.get(frozenset((e.subject, e.object)), 0.0)))
        for e in edges
    ]
    pairs = {frozenset((e.subject, e.object)) for e in carried}
    return [
        e for e in edges if e.probability >= LIKELY or frozenset((e.subject, e.object)) in pairs
    ]


def apart(edges: list[Edge], touching: list[Edge]) -> list[Edge]:
    """Edges between bodies that do not touch each other."""
    contact = {frozenset((edge.subject, edge.object)) for edge in touching}
    return [edge for edge in edges if frozenset((edge.subject, edge.object)) not in contact]
