"""Scores of the inner, mean and outer surface, and coverage of the vertex uncertainty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.completion.object_assembly import OBSERVED_CELLS
from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.geometry.surface_distance import observed_vertices
from iscene_ros.lab.evaluation.bodies import Grid, ScoredBody
from iscene_ros.lab.evaluation.calibration import CompletedShape, completed_shapes
from iscene_ros.lab.evaluation.reports import markdown_table
from iscene_ros.lab.evaluation.scenes import EvaluationOptions
from iscene_ros.lab.synthetic.scene_views import draw_view
from iscene_ros.models.model_config import Envelope

RESOLUTION = 64
# An object counts as contained from this share of its volume on.
CONTAINED = 0.95


@dataclass(frozen=True)
class EnvelopeScore:
    """Overlap of one body with the true one.

    Attributes:
        recall: Share of the true volume that lies in the body.
        precision: Share of the body's volume that lies in the true one.
        volume: Ratio of the body's volume to the true one.
    """

    recall: float
    precision: float
    volume: float

    @property
    def iou(self) -> float:
        """Intersection over union."""
        return self.recall / max(1.0 + self.volume - self.recall, 1e-9)


@dataclass(frozen=True)
class ShapeScore:
    """Scores of the surfaces of one object.

    Attributes:
        envelopes: Score of each surface.
        ratios: (V,) distance of the mean mesh's vertices to the true surface over their sigma.
        sigma: (V,) standard deviation of the vertices [m].
        observed: (V,) bool, whether the camera observed a vertex.
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
        scored = (_scored(c) for c in completed_shapes(completer, view))
        yield [score for score in scored if score is not None]


def envelope_report(scores: list[ShapeScore]) -> str:
    """Return the tables of surfaces and of vertex coverage as Markdown."""
    surfaces = [
        [
            *("surface", "true volume inside [%]", "objects inside [%]"),
            *("its volume that is true [%]", "volume / true (median)", "IoU [%]"),
        ]
    ]
    for envelope in Envelope:
        own = [score.envelopes[envelope] for score in scores]
        shares = [(s.recall, s.recall >= CONTAINED, s.precision, s.iou) for s in own]
        *text, iou = (f"{100 * share:.1f}" for share in np.mean(shares, axis=0))
        surfaces.append([envelope.value, *text, f"{np.median([s.volume for s in own]):.2f}", iou])
    coverage = [
        [
            *("vertices of the mean mesh", "n", "within 1 sigma [%]", "within 2 sigma [%]"),
            "median sigma [mm]",
        ]
    ]
    ratios, sigma, observed = (
        np.concatenate([getattr(score, name) for score in scores])
        for name in ("ratios", "sigma", "observed")
    )
    for name, chosen in (("observed", observed), ("completed", ~observed)):
        if chosen.any():
            one, two = (100 * np.mean(ratios[chosen] < n) for n in (1, 2))
            middle = 1000 * np.median(sigma[chosen])
            cells = (f"{value:.1f}" for value in (one, two, middle))
            coverage.append([name, str(chosen.sum()), *cells])
    return f"{markdown_table(surfaces)}\n{markdown_table(coverage)}"


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
        shared, own = int((inside & true).sum()), int(inside.sum())
        scores[envelope] = EnvelopeScore(shared / volume, shared / max(1, own), own / volume)
    return scores
