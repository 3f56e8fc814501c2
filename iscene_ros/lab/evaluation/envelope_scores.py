"""What the inner, the mean and the outer surface hold of the true object, and of its surface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.completion.object_assembly import OBSERVED_CELLS
from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.geometry.surface_distance import observed_vertices
from iscene_ros.lab.evaluation.calibration import CompletedShape, completed_shapes
from iscene_ros.lab.evaluation.metrics import ScoredBody
from iscene_ros.lab.evaluation.occupancy import Grid
from iscene_ros.lab.evaluation.rendered_scenes import EvaluationOptions
from iscene_ros.lab.training.samples import draw_view
from iscene_ros.models.model_config import Envelope

RESOLUTION = 64
# An object counts as contained from this share of its volume on.
CONTAINED = 0.95


@dataclass(frozen=True)
class EnvelopeScore:
    """One body against the true one.

    Attributes:
        recall: share of the true volume that lies in it.
        precision: share of its volume that lies in the true one.
        volume: its volume over the true one.
    """

    recall: float
    precision: float
    volume: float

    @property
    def iou(self) -> float:
        """Shared over joint volume."""
        shared = self.recall
        return shared / max(1.0 + self.volume - shared, 1e-9)


@dataclass(frozen=True)
class ShapeScore:
    """One object.

    Attributes:
        envelopes: score of each of its surfaces.
        ratios: (V,) distance of the mean mesh's vertices to the true surface, over their sigma.
        sigma: (V,) their standard deviation [m].
        observed: (V,) bool, which of them the camera saw.
    """

    envelopes: dict[Envelope, EnvelopeScore]
    ratios: np.ndarray
    sigma: np.ndarray
    observed: np.ndarray


def envelope_scores(
    completer: SceneCompleter, options: EvaluationOptions
) -> Iterator[list[ShapeScore]]:
    """Score the objects of scene after scene; the model's uncertainty has to be fitted."""
    for number in range(options.scenes):
        view = draw_view(np.random.default_rng([options.seed, number]), options.samples())
        scored = (_scored(c) for c in completed_shapes(completer, view, options))
        yield [score for score in scored if score is not None]


def envelope_report(scores: list[ShapeScore]) -> str:
    """Two Markdown tables."""
    lines = [
        "| surface | true volume inside [%] | objects inside [%] | its volume that is true [%] "
        "| volume / true (median) | IoU [%] |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for envelope in Envelope:
        own = [score.envelopes[envelope] for score in scores]
        cells = [
            100 * np.mean([s.recall for s in own]),
            100 * np.mean([s.recall >= CONTAINED for s in own]),
            100 * np.mean([s.precision for s in own]),
        ]
        text = [f"{c:.1f}" for c in cells] + [f"{np.median([s.volume for s in own]):.2f}"]
        text.append(f"{100 * np.mean([s.iou for s in own]):.1f}")
        lines.append(f"| {envelope.value} | {' | '.join(text)} |")
    lines += [
        "",
        "| vertices of the mean mesh | n | within 1 sigma [%] | within 2 sigma [%] "
        "| median sigma [mm] |",
        "|---|---:|---:|---:|---:|",
    ]
    return "\n".join([*lines, *_coverage_lines(scores)]) + "\n"


def _coverage_lines(scores: list[ShapeScore]) -> Iterable[str]:
    ratios, sigma, observed = (
        np.concatenate([getattr(score, name) for score in scores])
        for name in ("ratios", "sigma", "observed")
    )
    for name, chosen in (("observed", observed), ("completed", ~observed)):
        if chosen.any():
            one, two = (100 * np.mean(ratios[chosen] < n) for n in (1, 2))
            middle = 1000 * np.median(sigma[chosen])
            yield f"| {name} | {chosen.sum()} | {one:.1f} | {two:.1f} | {middle:.1f} |"


def _scored(completed: CompletedShape) -> ShapeScore | None:
    shape, truth = completed.shape, completed.true_body()
    made = {e: replace(shape, envelope=e).mesh() for e in Envelope}
    if truth is None or any(mesh is None for mesh in made.values()):
        return None
    bodies = {e: completed.body(mesh.mesh_aligned) for e, mesh in made.items()}
    mean = made[Envelope.MEAN]
    vertices = mean.mesh_aligned.vertices
    return ShapeScore(
        envelopes=_shares(bodies, truth),
        ratios=completed.distance_to_truth(vertices) / mean.vertex_sigma,
        sigma=mean.vertex_sigma,
        observed=observed_vertices(
            mean.mesh_aligned, shape.points_aligned, OBSERVED_CELLS * shape.cell
        ),
    )


def _shares(bodies: dict[Envelope, ScoredBody], truth: ScoredBody) -> dict[Envelope, EnvelopeScore]:
    everything = [*bodies.values(), truth]
    lower = np.min([body.lower for body in everything], axis=0)
    upper = np.max([body.upper for body in everything], axis=0)
    grid = Grid.around(lower, upper, RESOLUTION)
    true = truth.inside(grid)
    volume = max(1, int(true.sum()))
    scores = {}
    for envelope, body in bodies.items():
        inside = body.inside(grid)
        shared = int((inside & true).sum())
        scores[envelope] = EnvelopeScore(
            recall=shared / volume,
            precision=shared / max(1, int(inside.sum())),
            volume=float(inside.sum()) / volume,
        )
    return scores
