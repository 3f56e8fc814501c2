"""Scores of relations by predicate: precision, recall, F1 and calibration error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from iscene_ros.core.predicate import SYMMETRIC, Predicate
from iscene_ros.core.scene import Relation
from iscene_ros.lab.evaluation.relation_truth import Edge
from iscene_ros.lab.evaluation.reports import csv_text, markdown_table
from iscene_ros.lab.evaluation.results import expected_calibration_error

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
        """Add the relations of one scene and compare them with its true edges.

        Args:
            kind: Kind of the meshes.
            scene: Number of the scene.
            found: Relations of the scene graph.
            truth: All true edges of the scored predicates.
            known: Ids of the objects that take part; edges of others are left out.
        """
        confidence = {
            _edge(r.subject, Predicate(r.predicate), r.object): r.confidence for r in found
        }
        confidence = {e: c for e, c in confidence.items() if e[1] in SCORED}
        expected = {_edge(*edge) for edge in truth if edge[0] in known and edge[2] in known}
        scored = self.edges.setdefault(kind, [])
        scored += [ScoredEdge(scene, e, c, e in expected) for e, c in confidence.items()]
        scored += [ScoredEdge(scene, e, None, True) for e in expected - confidence.keys()]

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
