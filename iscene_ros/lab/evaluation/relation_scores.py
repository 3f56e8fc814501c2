"""Relations of settled scenes, from true and from completed meshes, scored by predicate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.observation import Observation
from iscene_ros.core.predicate import SYMMETRIC, Predicate
from iscene_ros.core.scene import Relation
from iscene_ros.geometry.environment import BoxEnvironment
from iscene_ros.geometry.scene_geometry import measure
from iscene_ros.lab.evaluation.relation_fit import DEFINED, Examples
from iscene_ros.lab.evaluation.relation_truth import Edge, true_bodies, true_relations
from iscene_ros.lab.evaluation.reports import csv_text, markdown_table
from iscene_ros.lab.evaluation.results import expected_calibration_error
from iscene_ros.lab.evaluation.settled_scenes import SettledOptions, settled_scenes
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene
from iscene_ros.lab.synthetic.physics_views import observe_physics
from iscene_ros.relations.build import decide, find_candidates, named_edges, scene_bodies

TRUE_MESHES, COMPLETED_MESHES = "true meshes", "completed meshes"
HEADINGS = ("predicate", "precision", "recall", "F1", "calibration error", "true", "found")

# Only one direction of each pair is scored.
SCORED = (
    Predicate.SUPPORTED_BY,
    Predicate.LEANING_ON,
    Predicate.TOUCHING,
    Predicate.INSIDE,
    Predicate.ABOVE,
    Predicate.BLOCKS_FROM_ABOVE,
    Predicate.NEAR,
    Predicate.LEFT_OF,
    Predicate.IN_FRONT_OF,
    Predicate.OCCLUDES,
    Predicate.SAME_SHAPE,
)


@dataclass(frozen=True)
class ScoredEdge:
    """An edge that was found, or one that was missed (confidence None)."""

    scene: int
    edge: Edge
    confidence: float | None
    holds: bool


@dataclass
class RelationScores:
    """Found and missed edges by kind of mesh ("true meshes", "completed meshes")."""

    edges: dict[str, list[ScoredEdge]] = field(default_factory=dict)

    def add(
        self, kind: str, scene: int, found: Iterable[Relation], truth: set[Edge], known: set[int]
    ) -> None:
        """Add what was found in one scene from a kind of meshes, beside its true edges.

        Edges of objects that are not known, by id, are left out.
        """
        confidence = {
            _edge(r.subject, Predicate(r.predicate), r.object): r.confidence for r in found
        }
        confidence = {e: c for e, c in confidence.items() if e[1] in SCORED}
        expected = {_edge(*edge) for edge in truth if edge[0] in known and edge[2] in known}
        scored = self.edges.setdefault(kind, [])
        scored += [ScoredEdge(scene, e, c, e in expected) for e, c in confidence.items()]
        missed = sorted(expected - confidence.keys())
        scored += [ScoredEdge(scene, e, None, True) for e in missed]

    def report(self) -> str:
        """Return one Markdown table a kind of mesh."""
        parts = []
        for kind, scored in self.edges.items():
            lines = [list(HEADINGS)]
            for predicate in SCORED:
                rows = [s for s in scored if s.edge[1] is predicate]
                if any(s.holds for s in rows):
                    lines.append([predicate.value, *_cells(rows)])
            scenes = len({s.scene for s in scored})
            parts.append(f"From {kind}, {scenes} scenes:\n\n{markdown_table(lines)}")
        return "\n".join(parts)

    def csv(self) -> str:
        """Return every found or missed edge as CSV."""
        lines: list[list[object]] = [
            ["meshes", "scene", "subject", "predicate", "object", "confidence", "holds"]
        ]
        for kind, scored in self.edges.items():
            for s in scored:
                subject, predicate, obj = s.edge
                shown = "" if s.confidence is None else f"{s.confidence:.4f}"
                lines.append([kind, s.scene, subject, predicate.value, obj, shown, int(s.holds)])
        return csv_text(lines)


def f_score(rows: Iterable[ScoredEdge]) -> tuple[float, float, float]:
    """Return precision, recall and F1."""
    rows = list(rows)
    right = sum(s.holds and s.confidence is not None for s in rows)
    found = sum(s.confidence is not None for s in rows)
    expected = sum(s.holds for s in rows)
    precision, recall = right / max(found, 1), right / max(expected, 1)
    return precision, recall, 2 * right / max(found + expected, 1)


def _cells(rows: list[ScoredEdge]) -> list[str]:
    found = [s for s in rows if s.confidence is not None]
    error = "-"
    if found:
        confidence = np.array([s.confidence for s in found])
        holds = np.array([s.holds for s in found], float)
        error = f"{expected_calibration_error(confidence, holds):.3f}"
    scores = [f"{100 * value:.1f}" for value in f_score(rows)]
    return [*scores, error, str(sum(s.holds for s in rows)), str(len(found))]


def _edge(subject: int, predicate: Predicate, obj: int) -> Edge:
    if predicate in SYMMETRIC and subject > obj:
        subject, obj = obj, subject
    return subject, predicate, obj


class RelationEvaluation:
    """Relations from true and from completed meshes, compared with the truth.

    Attributes:
        scores: Scores over all scenes so far.
        examples: Candidates of all scenes so far, for a fit of the coefficients.
    """

    def __init__(self, completer: SceneCompleter, options: SettledOptions) -> None:
        self.completer, self.options = completer, options
        self.scores, self.examples = RelationScores(), Examples()

    def run(self) -> None:
        """Evaluate scene after scene.

        Raises:
            InputError: Mujoco or coacd is not installed.
        """
        for number, scene in enumerate(settled_scenes(self.options)):
            truth = true_relations(scene) | _copies(scene)
            rng = np.random.default_rng([self.options.seed, number, 1])
            observation = observe_physics(rng, scene)
            pose = None if observation is None else observation.world_from_camera
            geometry = measure(true_bodies(scene), BoxEnvironment(scene.boxes))
            candidates = find_candidates(geometry, pose, shapes=True)
            relations = named_edges(candidates, decide(candidates))
            defined = [r for r in relations if Predicate(r.predicate) in DEFINED]
            others = [r for r in relations if Predicate(r.predicate) not in DEFINED]
            known = set(range(len(scene.shapes) + 1))
            self.scores.add(TRUE_MESHES, number, others, truth, known)
            self.examples.add(candidates, truth)
            if observation is not None:
                truth |= {(r.subject, Predicate(r.predicate), r.object) for r in defined}
                self._evaluate_completed(number, observation, truth)

    def _evaluate_completed(self, number: int, observation: Observation, truth: set[Edge]) -> None:
        completed = self.completer.complete(observation)
        bodies, environment, pose = scene_bodies(completed, observation)
        if not bodies:
            return
        candidates = find_candidates(measure(bodies, environment), pose, shapes=True)
        known = {body.id for body in bodies} | {0}
        relations = named_edges(candidates, decide(candidates))
        self.scores.add(COMPLETED_MESHES, number, relations, truth, known)
        self.examples.add(candidates, {e for e in truth if e[0] in known and e[2] in known})


def _copies(scene: PhysicsScene) -> set[Edge]:
    return {
        (one + 1, Predicate.SAME_SHAPE, other + 1)
        for one, other in combinations(range(len(scene.shape_ids)), 2)
        if scene.shape_ids[one] == scene.shape_ids[other]
    }
