"""How rules decide where edges could contradict each other: the less certain edge goes."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.relations.rule import (
    LIKELY,
    Edge,
    EdgesOf,
    Measurements,
    likely,
    strongest_by_pair,
)

# Everything at rest is supported: without a likely supporter the most probable one counts from
# this probability on.
MIN_SUPPORT = 0.2


def supported_without_cycles(
    found: list[Edge], measurements: Measurements, edges_of: EdgesOf
) -> list[Edge]:
    """Return the likely supporters: nothing carries, however indirectly, what carries it.

    What contains an object does not rest on it. Where the space below an object is hidden, as on
    a shelf whose boards have no depth, and it has no supporter or would fall off those that it
    has, it stands on surroundings that were not seen.
    """
    contained = {(edge.subject, edge.object) for edge in edges_of(Predicate.INSIDE)}
    best: dict[int, float] = {}
    for edge in found:
        best[edge.subject] = max(best.get(edge.subject, 0.0), edge.probability)
    kept: list[Edge] = []
    graph = nx.DiGraph()
    for edge in sorted(found, key=lambda edge: -edge.probability):
        one, other, p = edge.subject, edge.object, edge.probability
        is_needed = p == best[one] and p >= MIN_SUPPORT
        if (p < LIKELY and not is_needed) or (other, one) in contained:
            continue
        if graph.has_node(one) and graph.has_node(other) and nx.has_path(graph, other, one):
            continue
        graph.add_edge(one, other)
        kept.append(edge)
    geometry = measurements.geometry
    contacts = geometry.support_points((edge.subject, edge.object) for edge in kept)
    held = {body for body, points in contacts.items() if geometry.is_steady(body, points)}
    # In a container no contact may be found.
    held |= {edge.subject for edge in kept if edge.evidence.contact_point is None}
    standing = sorted(set(np.flatnonzero(geometry.hidden_below).tolist()) - held)
    unseen = Predicate.SUPPORTED_BY, geometry.environment, LIKELY, RelationEvidence()
    kept = [edge for edge in kept if edge.subject not in standing]
    return kept + [Edge(body, *unseen) for body in standing]


def one_way(found: list[Edge], measurements: Measurements, edges_of: EdgesOf) -> list[Edge]:
    """Return the likely edges without those whose opposite is more probable."""
    edges = likely(found, measurements, edges_of)
    strength = {(e.subject, e.object): e.probability for e in edges}

    def is_stronger(edge: Edge) -> bool:
        opposite = strength.get((edge.object, edge.subject), -1.0)
        is_first = edge.subject < edge.object
        return edge.probability > opposite or (edge.probability == opposite and is_first)

    return [edge for edge in edges if is_stronger(edge)]


def touching_with_support(
    found: list[Edge], measurements: Measurements, edges_of: EdgesOf
) -> list[Edge]:
    """Return the contacts, no less certain than the support and leaning that need them."""
    held = (*edges_of(Predicate.SUPPORTED_BY), *edges_of(Predicate.LEANING_ON))
    least = strongest_by_pair(held)
    edges = [
        replace(edge, probability=max(edge.probability, least.get(edge.pair, 0.0)))
        for edge in found
    ]
    return [edge for edge in edges if edge.probability >= LIKELY or edge.pair in least]


def above_without_contact(
    found: list[Edge], measurements: Measurements, edges_of: EdgesOf
) -> list[Edge]:
    """Return the likely edges, in one direction, between bodies that do not touch."""
    touching = {edge.pair for edge in edges_of(Predicate.TOUCHING)}
    edges = one_way(found, measurements, edges_of)
    return [edge for edge in edges if edge.pair not in touching]
