"""From completed objects to the edges of the scene graph.

Geometry is measured once; each rule finds candidates with features, from which their probabilities
follow; the rules decide which edges hold without contradictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import Relation, RelationEvidence, Scene
from iscene_ros.geometry.bodies import (
    Body,
    bodies_of,
    observed_points,
    up_in_frame,
)
from iscene_ros.geometry.environment import Environment, PlaneEnvironment
from iscene_ros.geometry.object_frame import upright_axes
from iscene_ros.geometry.planes import scene_planes
from iscene_ros.geometry.scene_geometry import SceneGeometry, measure
from iscene_ros.models.base import Progress
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps
from iscene_ros.relations.camera_rules import CAMERA_RULES
from iscene_ros.relations.contact_rules import CONTACT_RULES
from iscene_ros.relations.rule import Edge, Measurements, Rule
from iscene_ros.relations.shape_rules import SHAPE_RULES
from iscene_ros.relations.spatial_rules import BLOCKING_RULE, SPATIAL_RULES

# In the order in which candidates are found: a rule may use the candidates of those before it.
RULES: tuple[Rule, ...] = (
    *CONTACT_RULES,
    *SPATIAL_RULES,
    *CAMERA_RULES,
    BLOCKING_RULE,
    *SHAPE_RULES,
)


def with_relations(
    scene: Scene,
    observation: Observation | None = None,
    shapes: bool = True,
    progress: Progress | None = None,
) -> Scene:
    """Return the scene with the edges of its graph; see `relate`."""
    return replace(scene, relations=relate(scene, observation, shapes, progress))


def relate(
    scene: Scene,
    observation: Observation | None = None,
    shapes: bool = True,
    progress: Progress | None = None,
) -> tuple[Relation, ...]:
    """Return the edges of a scene's graph, both directions of each; object 0 is the environment.

    Where gravity is unknown only predicates that do not need it are given.

    Args:
        scene: completed.
        observation: what it was completed from; without it nothing is known of the environment.
        shapes: whether shapes are compared, too, which takes longer than everything else where
            many are alike.
        progress: is called before every rule, by which its report may cancel the work.
    """
    bodies, environment, upright_from_camera = scene_bodies(scene, observation)
    edges = relate_bodies(bodies, environment, upright_from_camera, shapes, progress)
    if up_in_frame(scene) is None:
        rules = [rule for rule in RULES if not rule.needs_gravity]
        names = {predicate for rule in rules for predicate in (rule.predicate, rule.inverse)}
        edges = tuple(edge for edge in edges if Predicate(edge.predicate) in names)
    upright_from_frame = upright_from_camera[:3, :3] @ scene.frame_from_camera[:3, :3].T
    return tuple(_in_frame(edge, upright_from_frame.T) for edge in edges)


def scene_bodies(
    scene: Scene, observation: Observation | None
) -> tuple[tuple[Body, ...], Environment | None, np.ndarray]:
    """Return bodies, surroundings and the camera's pose (4, 4), all in the upright frame."""
    up = up_in_frame(scene)
    upright = np.eye(3) if up is None else upright_axes(up).T
    upright_from_frame = np.eye(4)
    upright_from_frame[:3, :3] = upright
    upright_from_camera = upright_from_frame @ scene.frame_from_camera
    if observation is None:
        return bodies_of(scene, upright), None, upright_from_camera
    observation = resolve_mask_overlaps(observation.rectified())
    planes = tuple(p.transformed(upright_from_frame) for p in scene_planes(scene, observation))
    environment = PlaneEnvironment(
        planes, observation.depth, observation.camera, upright_from_camera
    )
    observed = observed_points(observation, upright_from_camera)
    return bodies_of(scene, upright, observed), environment, upright_from_camera


def relate_bodies(
    bodies: Sequence[Body],
    environment: Environment | None,
    upright_from_camera: np.ndarray | None = None,
    shapes: bool = False,
    progress: Progress | None = None,
) -> tuple[Relation, ...]:
    """Return the edges between bodies, their evidence in the upright frame.

    Args:
        bodies: in the upright frame.
        environment: what surrounds them; None where nothing is known of it.
        upright_from_camera: (4, 4); without it there are no relations of sight.
        shapes: whether shapes are compared, too.
        progress: see `relate`.
    """
    if not bodies:
        return ()
    geometry = measure(bodies, environment)
    candidates = find_candidates(geometry, upright_from_camera, shapes, progress)
    return named_edges(candidates, decide(candidates))


def find_candidates(
    geometry: SceneGeometry,
    upright_from_camera: np.ndarray | None = None,
    shapes: bool = False,
    progress: Progress | None = None,
) -> Measurements:
    """Find all edges that may hold, in `found`."""
    measurements = Measurements(geometry, upright_from_camera, shapes)
    progress = progress or Progress(None)
    for rule in RULES:
        progress.advance(0, "relate")
        measurements.found[rule.predicate] = rule.candidates(measurements)
    return measurements


def decide(measurements: Measurements) -> tuple[Edge, ...]:
    """Return the edges that hold, without contradictions, in both directions."""
    rules = {rule.predicate: rule for rule in RULES}
    decided: dict[Predicate, list[Edge]] = {}

    def edges_of(predicate: Predicate) -> list[Edge]:
        if predicate not in decided:
            candidates = measurements.of(predicate)
            decided[predicate] = rules[predicate].decide(candidates, measurements, edges_of)
        return decided[predicate]

    edges = []
    for predicate, rule in rules.items():
        found = edges_of(predicate)
        if predicate is Predicate.SUPPORTED_BY:
            found = _with_stability(measurements.geometry, found)
        for edge in found:
            edges.append(edge)
            if rule.inverse is not None:
                edges.append(_inverse(edge, rule.inverse))
    return tuple(edges)


def named_edges(measurements: Measurements, edges: Iterable[Edge]) -> tuple[Relation, ...]:
    """Return edges between bodies as relations between objects, evidence in the upright frame."""
    object_id = measurements.geometry.object_id
    return tuple(
        Relation(
            object_id(edge.subject),
            edge.predicate.value,
            object_id(edge.object),
            float(edge.probability),
            None if edge.evidence == RelationEvidence() else edge.evidence,
        )
        for edge in edges
    )


def _with_stability(geometry: SceneGeometry, supported: list[Edge]) -> list[Edge]:
    """Return the supports with the evidence whether the centre of mass is over them."""
    points = geometry.support_points((edge.subject, edge.object) for edge in supported)
    is_stable = {body: geometry.is_steady(body, found) for body, found in points.items()}
    return [
        replace(edge, evidence=replace(edge.evidence, is_stable=is_stable[edge.subject]))
        for edge in supported
    ]


def _inverse(edge: Edge, predicate: Predicate) -> Edge:
    evidence = edge.evidence
    if evidence.normal is not None:
        evidence = replace(evidence, normal=tuple(-v for v in evidence.normal))
    return Edge(edge.object, predicate, edge.subject, edge.probability, evidence)


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
