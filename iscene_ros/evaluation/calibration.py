"""Fitting what a finished checkpoint needs beside its weights, on rendered scenes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from iscene_ros.completion import SceneCompleter, checkpoint_path
from iscene_ros.confidence import Calibration, ConfidenceModel, Evidence
from iscene_ros.evaluation.rendered_scenes import EvaluationOptions
from iscene_ros.evaluation.results import Results
from iscene_ros.model.checkpoint import load_model, save_weights
from iscene_ros.slots import plan_slots
from iscene_ros.training.samples import draw_view, sample_slots
from iscene_ros.view_space import ViewSpace
from iscene_ros.visible_masks import with_visible_masks

LEVELS = np.linspace(-0.1, 0.2, 13)


def with_calibration(completer: SceneCompleter, calibration: Calibration) -> SceneCompleter:
    """The same network, calibrated otherwise."""
    return SceneCompleter(replace(completer.model, calibration=calibration), completer.options)


def fit_level(completer: SceneCompleter, options: EvaluationOptions) -> float:
    """The level of the predicted distance with the largest mean voxel overlap.

    Uses other scenes than an evaluation with the same options does.
    """
    overlaps: list[list[float]] = []
    config = completer.model.network.config
    for number in range(options.scenes):
        rng = np.random.default_rng([options.seed, number, 1])
        view = draw_view(rng, options.samples())
        view = replace(view, observation=with_visible_masks(view.observation))
        sample = sample_slots(view, options.samples(), config.resolution, config.truncation)
        if sample is None:
            continue
        space = ViewSpace.from_gravity(view.observation.gravity_camera)
        plan = plan_slots(view.observation, space, options.samples().fit)
        predicted = torch.from_numpy(completer.shapes.distances(view.observation, plan))
        truth = sample.target[1:] < 0
        overlaps += [_overlaps(p, t) for p, t in zip(predicted, truth, strict=True)]
    return float(LEVELS[int(np.argmax(np.mean(overlaps, axis=0)))])


def fit_confidence(results: Results) -> ConfidenceModel:
    """Fit to results whose confidence is the bare sharpness (an unfitted `ConfidenceModel`)."""
    own = results.of_model()
    evidence = [Evidence(o.confidence, o.observed_fraction) for o in own]
    return ConfidenceModel.fit(evidence, np.array([o.score.iou for o in own]))


def write_calibration(model: str, calibration: Calibration) -> Path:
    """Write it into the model's file, whose weights stay as they are."""
    path = checkpoint_path(model)
    save_weights(load_model(path).network, path, calibration)
    return path


def _overlaps(predicted: torch.Tensor, truth: torch.Tensor) -> list[float]:
    inside = [predicted < level for level in LEVELS]
    return [float((i & truth).sum() / (i | truth).sum().clamp_min(1)) for i in inside]
