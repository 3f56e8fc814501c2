"""Fitting the confidence of a checkpoint to what it reaches on rendered scenes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from iscene_ros.completion import SceneCompleter, checkpoint_path
from iscene_ros.confidence import ConfidenceModel, Evidence
from iscene_ros.evaluation.results import Results
from iscene_ros.model.checkpoint import load_model, save_weights


def without_calibration(completer: SceneCompleter) -> SceneCompleter:
    """A completer whose confidence is the bare sharpness, as `fit_confidence` needs it."""
    model = replace(completer.model, confidence=ConfidenceModel())
    return SceneCompleter(model, completer.options)


def fit_confidence(model: str, results: Results) -> Path:
    """Fit to results obtained `without_calibration` and write the fit into the model's file."""
    own = results.of_model()
    evidence = [Evidence(o.confidence, o.observed_fraction) for o in own]
    fitted = ConfidenceModel.fit(evidence, np.array([o.score.iou for o in own]))
    path = checkpoint_path(model)
    save_weights(load_model(path).network, path, fitted)
    return path
