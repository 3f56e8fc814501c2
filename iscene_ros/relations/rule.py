"""What a rule of the scene graph is: from measurements to candidates, and from these to edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from iscene_ros.core.predicate import INVERSE, Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.geometry.clearances import Gap, Overhang, near_gaps, overhangs
from iscene_ros.geometry.containment import containment_shares
from iscene_ros.geometry.scene_geometry import SceneGeometry
from iscene_ros.geometry.shape_alignment import ShapeMatch, ShapeSample, shape_matches
from iscene_ros.relations.coefficients import COEFFICIENTS

# Distances of more standard deviations than this count as this many.
MAX_SIGMAS = 8.0

# An edge is given from this probability on.
LIKELY = 0.5

# Keys of the coefficients: between exact meshes, and where a completed mesh takes part.
EXACT, COMPLETED = "exact", "completed"


@dataclass(frozen=True)
class Edge:
    """An edge between two bodies that may hold.

    Attributes:
        subject, object: indices of bodies; the environment's is the last one.
        predicate: what may hold.
        probability: that it holds.
        evidence: in the upright frame.
        features: what the probability was computed from, as named by the rule.
        is_exact: whether both surfaces are exact, not completed.
    """

    subject: int
    predicate: Predicate
    object: int
    probability: float
    evidence: RelationEvidence
    features: tuple[float, ...] = ()
    is_exact: bool = False

    @property
    def pair(self) -> frozenset[int]:
        """The two bodies, whichever is the subject."""
        return frozenset((self.subject, self.object))


@dataclass(frozen=True)
class Measurements:
    """What rules read candidates from.

    Attributes:
        geometry: of the scene.
        upright_from_camera: (4, 4) rigid transform; None where the camera is unknown.
        compare_shapes: whether shapes are compared.
        found: candidates of the rules before.
    """

    geometry: SceneGeometry
    upright_from_camera: np.ndarray | None = None
    compare_shapes: bool = False
    found: dict[Predicate, list[Edge]] = field(default_factory=dict)

    @cached_property
    def containment(self) -> dict[tuple[int, int], float]:
        """Share of a body in the cavity of another one, by (contained, container)."""
        return containment_shares(self.geometry)

    @cached_property
    def gaps(self) -> list[Gap]:
        """Gaps of near pairs."""
        return near_gaps(self.geometry)

    @cached_property
    def overhangs(self) -> list[Overhang]:
        """What lies over what."""
        return overhangs(self.geometry)

    @cached_property
    def resting(self) -> np.ndarray:
        """(N, N) probability that the first object rests on the second one, directly or not."""
        count = len(self.geometry.bodies)
        chain = np.zeros((count, count))
        for edge in self.of(Predicate.SUPPORTED_BY):
            if edge.object < count:
                chain[edge.subject, edge.object] = edge.probability
        for middle in range(count):
            chain = np.maximum(chain, np.outer(chain[:, middle], chain[middle]))
        np.fill_diagonal(chain, 0.0)
        return chain

    @cached_property
    def shape_matches(self) -> list[ShapeMatch]:
        """Pairs of objects of similar extents, laid over each other; none unless compared."""
        bodies = self.geometry.bodies if self.compare_shapes else ()
        return shape_matches([ShapeSample.of(body) for body in bodies])

    def of(self, predicate: Predicate) -> list[Edge]:
        """Return the candidates of a rule before."""
        return self.found.get(predicate, [])

    def candidate(
        self,
        subject: int,
        predicate: Predicate,
        obj: int,
        features: tuple[float, ...],
        evidence: RelationEvidence | None = None,
    ) -> Edge:
        """Return an edge between two bodies, its probability by logistic regression.

        The coefficients are fitted to scenes of the training families that a physics engine put to
        rest, once for true meshes and once for completed ones.
        """
        is_exact = self.geometry.is_exact(subject) and self.geometry.is_exact(obj)
        coefficients = COEFFICIENTS[EXACT if is_exact else COMPLETED][predicate.value]
        p = logistic(coefficients, features)
        evidence = evidence or RelationEvidence()
        return Edge(subject, predicate, obj, p, evidence, features, is_exact)


# The edges that were decided for another predicate.
EdgesOf = Callable[[Predicate], list[Edge]]


def likely(found: list[Edge], measurements: Measurements, edges_of: EdgesOf) -> list[Edge]:
    """Return the edges that are more probable than not: how most rules decide."""
    return [edge for edge in found if edge.probability >= LIKELY]


@dataclass(frozen=True)
class Rule:
    """One predicate of the scene graph.

    Attributes:
        predicate: its name.
        features: what the features of a candidate are; the rule's coefficients belong to a constant
            and to these.
        candidates: finds edges that may hold, from measurements and the candidates of the rules
            before it in the list.
        decide: chooses the edges among the candidates, without contradictions.
        needs_gravity: whether it means nothing where gravity is unknown.
    """

    predicate: Predicate
    features: tuple[str, ...]
    candidates: Callable[[Measurements], list[Edge]]
    decide: Callable[[list[Edge], Measurements, EdgesOf], list[Edge]] = likely
    needs_gravity: bool = True

    @property
    def inverse(self) -> Predicate | None:
        """The predicate of the opposite edge, if that is given, too."""
        return INVERSE.get(self.predicate)


def logistic(coefficients: tuple[float, ...], features: tuple[float, ...]) -> float:
    """Return the logistic function of a linear combination; the first coefficient is constant."""
    pairs = zip(coefficients[1:], features, strict=True)
    total = coefficients[0] + sum(c * f for c, f in pairs)
    return 1.0 / (1.0 + math.exp(-max(min(total, 30.0), -30.0)))


def in_sigmas(length: float, sigma: float) -> float:
    """Return a length in standard deviations, from -MAX_SIGMAS to MAX_SIGMAS."""
    return float(np.clip(length / sigma, -MAX_SIGMAS, MAX_SIGMAS))


def strongest_by_pair(edges: Iterable[Edge]) -> dict[frozenset[int], float]:
    """Return the largest probability of the edges of each pair of bodies."""
    strongest: dict[frozenset[int], float] = {}
    for edge in edges:
        strongest[edge.pair] = max(strongest.get(edge.pair, 0.0), edge.probability)
    return strongest
