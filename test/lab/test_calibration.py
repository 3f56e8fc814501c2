"""Fitting a checkpoint's surface level to rendered scenes."""

from dataclasses import dataclass

import numpy as np
import pytest

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.lab.evaluation import calibration
from iscene_ros.lab.evaluation.calibration import CompletedShape
from iscene_ros.lab.evaluation.scenes import EvaluationOptions
from iscene_ros.models.mini.confidence import Calibration
from iscene_ros.models.model_config import CompletionOptions
from iscene_ros.preprocess.crops import InstanceCrop


@dataclass(frozen=True)
class KnownDistance:
    """A shape whose distance is the truth and a constant."""

    row: int
    crop: InstanceCrop
    distance: np.ndarray
    calibration: Calibration = Calibration()
    separated: None = None

    @property
    def inside(self) -> np.ndarray:
        return self.distance < self.calibration.level


@pytest.mark.parametrize("bias", [-0.05, 0.1])
def test_a_network_that_is_off_by_a_constant_gets_it_as_its_level(bias, monkeypatch):
    def known(completer, view):
        for completed in predicted(completer, view):
            crop, side = completed.shape.crop, 16
            centers = crop.cube.voxel_centers_aligned(side).reshape(-1, 3)
            distance = completed.distance_to_truth(centers)
            distance = distance.reshape((side,) * 3) / crop.cube.size + bias
            shape = KnownDistance(completed.shape.row, crop, distance)
            yield CompletedShape(shape, view, completed.aligned_frame)

    predicted = calibration.completed_shapes
    monkeypatch.setattr(calibration, "completed_shapes", known)
    completer = SceneCompleter.from_pretrained(
        "iscene-mini", "cpu", CompletionOptions(relations=False)
    )
    options = EvaluationOptions(scenes=2, seed=5, held_out=False)
    assert calibration.fit_level(completer, options) == pytest.approx(bias)


def test_the_truth_on_a_shapes_grid_is_the_true_object():
    completer = SceneCompleter.from_pretrained(
        "iscene-mini", "cpu", CompletionOptions(relations=False)
    )
    options = EvaluationOptions(scenes=1, seed=5, held_out=False)
    for completed in calibration.calibration_shapes(completer, options):
        inside, shape = completed.true_inside(), completed.shape
        assert inside.shape == shape.distance.shape
        overlap = (inside & completed.inside(0.05)).sum() / (inside | completed.inside(0.05)).sum()
        assert overlap > 0.05  # the prediction is no more than one; the grids are the same
        assert (completed.inside(0.2) & ~completed.inside(0.0)).any()  # a higher level, more solid
