"""From completed objects to the edges of the scene graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.core.predicate import INVERSE, Predicate
from iscene_ros.core.scene import Relation, RelationEvidence, Scene
from iscene_ros.geometry.bodies import Body, bodies_of, up_in_frame, upright_from_frame
from iscene_ros.geometry.containment import Containment
from iscene_ros.geometry.environment import Environment, NoEnvironment, SeenPlanes
from iscene_ros.geometry.gaps import near_gaps
from iscene_ros.geometry.observed_points import seen_points
from iscene_ros.geometry.overlaps import overhangs
from iscene_ros.geometry.planes import find_planes
from iscene_ros.geometry.scene_geometry import SceneGeometry, measure
from iscene_ros.geometry.shape_samples import ShapeSample
from iscene_ros.relations.arrangement import (
    above_candidates,
    beside_candidates,
    blocking_candidates,
    inside_candidates,
    near_candidates,
    view_directions,
)
from iscene_ros.relations.candidates import EdgeCandidate
from iscene_ros.relations.consistency import (
    Edge,
    apart,
    likely,
    one_way,
    supports_without_cycles,
    touching_with_support,
)
from iscene_ros.relations.occlusion import occlusion_candidates
from iscene_ros.relations.probability import probability
from iscene_ros.relations.same_shape import same_shape_candidates
from iscene_ros.relations.support import (
    carrying,
    is_known,
    leaning_candidates,
    stability,
    support_candidates,
    support_points,
    touching_candidates,
)

Scored = list[tuple[EdgeCandidate, float]]

WITHOUT_GRAVITY = frozenset(
    {
        Predicate.NEAR,
        Predicate.TOUCHING,
        Predicate.INSIDE,
        Predicate.CONTAINS,
        Predicate.SAME_SHAPE,
        Predicate.MIRRORED,
    }
)


@dataclass(frozen=True)
class Candidates:
    """Everything that may hold in a scene, with its probability, by predicate."""

    geometry: SceneGeometry
    by_predicate: dict[Predicate, Scored]

    def of(self, predicate: Predicate) -> Scored:
        """Candidates for a predicate."""
        return self.by_predicate.get(predicate, [])


def with_relations(
    scene: Scene, observation: Observation | None = None, shapes: bool = True
) -> Scene:
    """The scene with the edges of its graph; see `relate`."""
    return replace(scene, relations=relate(scene, observation, shapes))


def relate(
    scene: Scene, observation: Observation | None = None, shapes: bool = True
) -> tuple[Relation, ...]:
    """The edges of a scene's graph, both directions of each; object 0 is the environment.

    Where gravity is unknown only relations that do not need it are given: near, touching, inside,
    same_shape, mirrored.

    Args:
        scene: completed.
        observation: what it was completed from; without it nothing is known of the environment.
        shapes: whether shapes are compared, too, which takes longer than everything else where
            many are alike.
    """
    up = up_in_frame(scene)
    bodies, environment, upright_from_camera = surveyed(scene, observation)
    upright = upright_from_camera[:3, :3] @ scene.frame_from_camera[:3, :3].T
    edges = relate_bodies(bodies, environment, upright_from_camera, shapes)
    if up is None:
        edges = tuple(edge for edge in edges if Predicate(edge.predicate) in WITHOUT_GRAVITY)
    return tuple(_in_frame(edge, upright.T) for edge in edges)


def surveyed(
    scene: Scene, observation: Observation | None
) -> tuple[tuple[Body, ...], Environment, np.ndarray]:
    """Bodies, surroundings and the camera's pose (4, 4), all in the upright frame."""
    up = up_in_frame(scene)
    upright_from_frame_ = np.eye(4)
    upright_from_frame_[:3, :3] = np.eye(3) if up is None else upright_from_frame(up)
    upright = upright_from_frame_[:3, :3]
    upright_from_camera = upright_from_frame_ @ scene.frame_from_camera
    if observation is None:
        return bodies_of(scene, upright), NoEnvironment(), upright_from_camera
    observation = observation.rectified()
    planes = find_planes(observation, upright_from_camera)
    environment: Environment = NoEnvironment()
    if planes:
        environment = SeenPlanes(planes, observation.depth, observation.camera, upright_from_camera)
    seen = seen_points(observation, upright_from_camera)
    return bodies_of(scene, upright, seen), environment, upright_from_camera


def relate_bodies(
    bodies: Sequence[Body],
    environment: Environment,
    upright_from_camera: np.ndarray | None = None,
    shapes: bool = False,
) -> tuple[Relation, ...]:
    """The edges between bodies, evidence in the upright frame.

    Args:
        bodies: in the upright frame.
        environment: what surrounds them.
        upright_from_camera: (4, 4); without it there are no relations of sight.
        shapes: whether shapes are compared, too.
    """
    if not bodies:
        return ()
    candidates = find_candidates(measure(bodies, environment), upright_from_camera, shapes)
    return named_edges(candidates, decide(candidates))


def named_edges(candidates: Candidates, edges: Iterable[Edge]) -> tuple[Relation, ...]:
    """Edges between bodies as relations between objects, evidence in the upright frame."""
    names = candidates.geometry.name
    return tuple(_named(edge, names(edge.subject), names(edge.object)) for edge in edges)


def find_candidates(
    geometry: SceneGeometry, upright_from_camera: np.ndarray | None = None, shapes: bool = False
) -> Candidates:
    """All edges that may hold, with their probabilities."""
    hollows = Containment(geometry)
    gaps = near_gaps(geometry)
    supported = _scored(support_candidates(geometry, hollows))
    near = _scored(near_candidates(geometry, gaps))
    carried = carrying(geometry, supported)
    pairs = [(gap.one, gap.other) for gap in gaps]
    over = overhangs(geometry)
    touching = _scored(touching_candidates(geometry, supported))
    found = [
        supported,
        _scored(leaning_candidates(geometry, supported)),
        touching,
        _scored(inside_candidates(geometry, hollows, carried)),
        _scored(blocking_candidates(geometry, over, hollows, carried)),
        _scored(above_candidates(geometry, over, touching, carried)),
        near,
    ]
    if upright_from_camera is not None:
        view = view_directions(upright_from_camera)
        found.append(_scored(beside_candidates(geometry, pairs, view)))
        found.append(_scored(occlusion_candidates(geometry, upright_from_camera)))
    if shapes:
        samples = [ShapeSample.of(body) for body in geometry.bodies]
        known = [is_known(geometry, index) for index in range(len(samples))]
        found.append(_scored(same_shape_candidates(samples, known)))
    by_predicate: dict[Predicate, Scored] = {}
    for candidate, p in (pair for part in found for pair in part):
        by_predicate.setdefault(candidate.predicate, []).append((candidate, p))
    return Candidates(geometry, by_predicate)


def decide(candidates: Candidates) -> tuple[Edge, ...]:
    """The edges that hold, without contradictions, in both directions."""
    inside = one_way(likely(candidates.of(Predicate.INSIDE)))
    supported = supports_without_cycles(candidates.of(Predicate.SUPPORTED_BY), inside)
    leaning = likely(candidates.of(Predicate.LEANING_ON))
    touching = touching_with_support(candidates.of(Predicate.TOUCHING), supported + leaning)
    blocking = likely(candidates.of(Predicate.BLOCKS_FROM_ABOVE))
    above = apart(one_way(likely(candidates.of(Predicate.ABOVE))), touching)
    edges = [*_with_stability(candidates.geometry, supported), *leaning, *touching, *inside]
    edges += likely(candidates.of(Predicate.NEAR)) + above
    edges += likely(candidates.of(Predicate.LEFT_OF)) + likely(candidates.of(Predicate.IN_FRONT_OF))
    edges += likely(candidates.of(Predicate.OCCLUDES)) + blocking
    edges += likely(candidates.of(Predicate.SAME_SHAPE)) + likely(candidates.of(Predicate.MIRRORED))
    return tuple(_both_ways(edges))


def _scored(candidates: Iterable[EdgeCandidate]) -> Scored:
    return [(candidate, probability(candidate)) for candidate in candidates]


def _with_stability(geometry: SceneGeometry, supported: list[Edge]) -> list[Edge]:
    """Supports, and whether the centre of mass is over them."""
    points = support_points(geometry, supported)
    stable = {
        edge.subject: stability(geometry, edge.subject, points)[0] >= -geometry.sigmas[edge.subject]
        for edge in supported
    }
    return [
        replace(e, evidence=replace(e.evidence, is_stable=bool(stable[e.subject])))
        for e in supported
    ]


def _both_ways(edges: Iterable[Edge]) -> Iterable[Edge]:
    for edge in edges:
        yield edge
        inverse = INVERSE.get(edge.predicate)
        if inverse is not None:
            evidence = edge.evidence
            if evidence.normal is not None:
                evidence = replace(evidence, normal=tuple(-v for v in evidence.normal))
            yield Edge(edge.object, inverse, edge.subject, edge.probability, evidence)


def _named(edge: Edge, subject: int, obj: int) -> Relation:
    evidence = None if edge.evidence == RelationEvidence() else edge.evidence
    return Relation(subject, edge.predicate.value, obj, float(edge.probability), evidence)


def _in_frame(relation: Relation, frame_from_upright: np.ndarray) -> Relation:
    evidence = relation.evidence
    if evidence is None or (evidence.contact_point is None and evidence.normal is None):
        return relation
    turned = {
        name: tuple(float(v) for v in frame_from_upright @ np.array(getattr(evidence, name)))
        for name in ("contact_point", "normal")
        if getattr(evidence, name) is not None
    }
    return replace(relation, evidence=replace(evidence, **turned))
