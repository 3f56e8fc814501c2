"""The scene graph: objects and the environment as nodes, relations as edges, and queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cached_property

import networkx as nx

from iscene_ros.core.predicate import DRAWN_PREDICATES, SYMMETRIC, Predicate
from iscene_ros.core.scene import Relation

ENVIRONMENT = 0
ENVIRONMENT_LABEL = "environment"
# The subject is in the way of lifting the object straight up.
BLOCKING = frozenset(
    predicate.value
    for predicate in (
        Predicate.BLOCKS_FROM_ABOVE,
        Predicate.SUPPORTED_BY,
        Predicate.INSIDE,
        Predicate.LEANING_ON,
    )
)


class SceneGraph:
    """Objects and their relations; object 0 is the environment.

    Attributes:
        nx: networkx.MultiDiGraph. Nodes are ids with `label` and `confidence`; the key of an edge
            is its predicate, its attributes are `confidence` and those of `RelationEvidence` that
            apply.
    """

    def __init__(self, objects: Iterable[tuple[int, str, float]], relations: Iterable[Relation]):
        self.nx = nx.MultiDiGraph()
        self.nx.add_node(ENVIRONMENT, label=ENVIRONMENT_LABEL, confidence=1.0)
        for object_id, label, confidence in objects:
            self.nx.add_node(int(object_id), label=label, confidence=float(confidence))
        for relation in relations:
            if not {relation.subject, relation.object} <= self.nx.nodes:
                continue
            evidence = {} if relation.evidence is None else asdict(relation.evidence)
            attributes = {name: value for name, value in evidence.items() if value is not None}
            self.nx.add_edge(
                relation.subject,
                relation.object,
                key=str(relation.predicate),
                confidence=float(relation.confidence),
                **attributes,
            )

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of the objects, without the environment."""
        return tuple(node for node in self.nx if node != ENVIRONMENT)

    def label(self, object_id: int) -> str:
        """Return the class name of an object.

        Raises:
            KeyError: there is no such object.
        """
        return self.nx.nodes[self._checked(object_id)]["label"]

    def edges(self, predicate: Predicate | str | None = None) -> Iterator[tuple[int, str, int]]:
        """Yield (subject, predicate, object) of all edges, or of those with one predicate."""
        wanted = None if predicate is None else Predicate(predicate).value
        for subject, obj, key in self.nx.edges(keys=True):
            if wanted is None or key == wanted:
                yield subject, key, obj

    def drawn_edges(self) -> Iterator[tuple[int, str, int]]:
        """Yield the edges that drawings show, symmetric ones in one direction only."""
        for subject, key, obj in self.edges():
            if key not in DRAWN_PREDICATES:
                continue
            if subject < obj or Predicate(key) not in SYMMETRIC:
                yield subject, key, obj

    def confidence(self, subject: int, predicate: Predicate | str, obj: int) -> float:
        """Return the confidence of an edge; 0 where there is none."""
        found = self.nx.get_edge_data(subject, obj, key=Predicate(predicate).value)
        return 0.0 if found is None else float(found["confidence"])

    def objects_of(self, subject: int, predicate: Predicate | str) -> tuple[int, ...]:
        """Return the ids that a subject has a relation to, the most certain first.

        Raises:
            KeyError: there is no such subject.
        """
        wanted = Predicate(predicate).value
        found = [
            (-data["confidence"], obj)
            for _, obj, key, data in self.nx.out_edges(self._checked(subject), keys=True, data=True)
            if key == wanted
        ]
        return tuple(obj for _, obj in sorted(found))

    def supporters(self, object_id: int) -> tuple[int, ...]:
        """Return the ids of the supports of an object; 0 is the environment."""
        return self.objects_of(object_id, Predicate.SUPPORTED_BY)

    def on_top_of(self, object_id: int) -> tuple[int, ...]:
        """Return the ids of the objects that rest directly on an object or the environment (0)."""
        return self.objects_of(object_id, Predicate.SUPPORTS)

    def contents(self, object_id: int) -> tuple[int, ...]:
        """Return the ids of the objects inside of an object."""
        return self.objects_of(object_id, Predicate.CONTAINS)

    def blockers(self, object_id: int) -> tuple[int, ...]:
        """Return the ids of the objects in the way of lifting an object straight up.

        These lie on it, in it or over it, or lean on it and would fall.
        """
        found = self._blocking(self._checked(object_id))
        return tuple(sorted(found, key=lambda other: (-found[other], other)))

    @cached_property
    def removal_graph(self) -> nx.DiGraph:
        """Edges from each object to those that it blocks, without cycles.

        Where objects block each other in a cycle, the least certain edges are left out.
        """
        order = nx.DiGraph()
        order.add_nodes_from(self.nx)
        for below in self.nx:
            for above, confidence in self._blocking(below).items():
                order.add_edge(above, below, weight=confidence)
        while not nx.is_directed_acyclic_graph(order):
            cycle = nx.find_cycle(order)
            order.remove_edge(*min(cycle, key=lambda edge: order.edges[edge]["weight"]))
        return order

    def removal_order(self, object_id: int) -> tuple[int, ...]:
        """Return the ids of all objects to remove before an object can be lifted, then its id.

        Raises:
            KeyError: there is no such object.
        """
        order = self.removal_graph
        needed = nx.ancestors(order, self._checked(object_id)) | {object_id}
        return tuple(nx.lexicographical_topological_sort(order.subgraph(needed)))

    def nearest(self, object_id: int, k: int = 1) -> tuple[tuple[int, float], ...]:
        """Return the k nearest of the near objects with their gaps [m], the closest first.

        Raises:
            KeyError: there is no such object.
        """
        found = [
            (float(data.get("gap_m", 0.0)), obj)
            for _, obj, key, data in self.nx.out_edges(
                self._checked(object_id), keys=True, data=True
            )
            if key == Predicate.NEAR.value and obj != ENVIRONMENT
        ]
        return tuple((obj, gap) for gap, obj in sorted(found)[:k])

    def shape_groups(self) -> tuple[tuple[int, ...], ...]:
        """Return the ids of objects of the same shape, two or more a group, the largest first."""
        alike = nx.Graph()
        alike.add_edges_from((s, o) for s, _, o in self.edges(Predicate.SAME_SHAPE))
        groups = (tuple(sorted(group)) for group in nx.connected_components(alike))
        return tuple(sorted(groups, key=lambda group: (-len(group), group)))

    def _blocking(self, below: int) -> dict[int, float]:
        """Return the objects in the way of lifting an object, with their confidences."""
        found: dict[int, float] = {}
        for above, _, key, data in self.nx.in_edges(below, keys=True, data=True):
            if key in BLOCKING and above not in (ENVIRONMENT, below):
                found[above] = max(found.get(above, 0.0), data["confidence"])
        return found

    def _checked(self, object_id: int) -> int:
        if object_id not in self.nx:
            known = ", ".join(str(node) for node in self.nx)
            raise KeyError(f"object {object_id}: not in the graph; its nodes are {known}")
        return object_id
