"""How certain a completion is: its confidence, the uncertainty of its surface, its envelopes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import tiny_network

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import Cube
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.io.scene_io import read_scene, write_scene
from iscene_ros.lab.evaluation.bodies import Grid, ScoredBody
from iscene_ros.lab.evaluation.calibration import fit_confidence, fit_uncertainty
from iscene_ros.models.mini.checkpoint import save_weights
from iscene_ros.models.mini.confidence import (
    Calibration,
    ConfidenceModel,
    Evidence,
    SurfaceEvidence,
    UncertaintyModel,
)
from iscene_ros.models.mini.envelope import bodies_around, moved_surface
from iscene_ros.models.mini.predicted_shape import DistanceShape
from iscene_ros.models.mini.shape_model import load_shape_model
from iscene_ros.models.model_config import CompletionOptions, Envelope, ModelConfig
from iscene_ros.preprocess.crops import InstanceCrop

SIDE, TRUNCATION = 24, 4.0
MODEL = UncertaintyModel(offset=-0.5, spread=0.3, flatness=0.5, hidden=0.9, bounds_overlap=-0.5)


def coordinates() -> np.ndarray:
    """(R, R, R, 3) voxel indices from the middle of the cube."""
    return np.stack(np.indices((SIDE,) * 3), -1) - 0.5 * (SIDE - 1)


def ball_shape(radius=6.0, envelope=Envelope.MEAN, flat=1.0) -> DistanceShape:
    """A ball [voxels] of which the half with y < 0 was seen; its cube is 0.24 m long."""
    at = coordinates()
    distance = np.linalg.norm(at, axis=-1) - radius
    distance = np.clip(flat * distance / TRUNCATION, -1, 1).astype(np.float32)
    cube = Cube(np.array([0.1, 0.8, 0.3]), 0.24)
    angles = np.random.default_rng(0).normal(size=(600, 3))
    points = radius * angles / np.linalg.norm(angles, axis=1, keepdims=True)
    points = cube.to_aligned(points[points[:, 1] < 0] / SIDE)
    crop = InstanceCrop(0, cube, points, 0.2)
    error = np.where(at[..., 1] > 0, 0.05, 0.0).astype(np.float32)
    calibration = Calibration(ConfidenceModel(), 0.0, MODEL)
    return DistanceShape(crop, distance, error, 0.9, TRUNCATION, calibration, 2000, envelope)


def occupancy(shape: DistanceShape) -> np.ndarray:
    cube = shape.crop.cube
    grid = Grid.around(cube.center_aligned - cube.size / 2, cube.center_aligned + cube.size / 2, 64)
    return ScoredBody(shape.mesh().mesh_aligned).inside(grid)


def test_the_hidden_side_is_less_certain_than_the_observed_one():
    made = ball_shape().mesh()
    behind = made.mesh_aligned.vertices[:, 1] > 0.83
    before = made.mesh_aligned.vertices[:, 1] < 0.77
    assert made.vertex_sigma.dtype == np.float32
    assert made.vertex_sigma.shape == (len(made.mesh_aligned.vertices),)
    assert made.vertex_sigma[behind].min() > 2 * made.vertex_sigma[before].max()


@pytest.mark.parametrize("flat", [1.0, 0.5])
def test_the_inner_body_lies_in_the_mean_one_and_that_in_the_outer_one(flat):
    inner, mean, outer = (occupancy(ball_shape(flat=flat, envelope=e)) for e in Envelope)
    assert not np.any(inner & ~mean) and not np.any(mean & ~outer)
    assert 0 < inner.sum() < 0.9 * mean.sum() and outer.sum() > 1.1 * mean.sum()


def test_an_envelope_moves_the_hidden_side_and_hardly_the_observed_one():
    mean = ball_shape().mesh().mesh_aligned.vertices[:, 1]
    outer = ball_shape(envelope=Envelope.OUTER).mesh().mesh_aligned.vertices[:, 1]
    moved_behind, moved_before = outer.max() - mean.max(), mean.min() - outer.min()
    assert moved_behind > 0.01 and moved_before < 0.4 * moved_behind


def test_a_crumb_does_not_become_the_body_however_it_grows():
    large = np.linalg.norm(coordinates() + 5.0, axis=-1) - 5.0
    crumb = np.linalg.norm(coordinates() - 6.0, axis=-1)
    kept = bodies_around(np.minimum(large, crumb - 6.0), np.minimum(large, crumb - 1.0))
    assert np.array_equal(kept < 0, large < 0)


def test_a_thin_body_keeps_an_inner_one():
    plate = np.abs(coordinates()[..., 2]) / TRUNCATION - 0.15
    plate = np.clip(plate, -1, 1).astype(np.float32)
    moved = moved_surface(plate, np.ones_like(plate), np.ones_like(plate), Envelope.INNER)
    assert np.any(moved < 0) and np.all(moved >= plate)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), size=st.floats(0, 3))
def test_surfaces_are_moved_to_their_side_alone(seed, size):
    rng = np.random.default_rng(seed)
    distance = rng.normal(size=(8, 8, 8)).astype(np.float32)
    slope, sigma = np.abs(rng.normal(size=(2, 8, 8, 8)))
    inner, mean, outer = (moved_surface(distance, slope, size * sigma, e) for e in Envelope)
    assert np.all(inner >= mean) and np.all(mean >= outer) and np.array_equal(mean, distance)
    kept = bodies_around(outer, distance) < 0
    assert kept.any() and not np.any(kept & ~(outer < 0))


def test_confidence_is_fitted_to_true_overlaps():
    rng = np.random.default_rng(0)
    evidence = [Evidence(*row) for row in rng.random((2000, 9))]
    overlaps = np.array([0.2 + 0.5 * e.bounds_overlap - 0.2 * e.crumbs for e in evidence])
    model = fit_confidence(evidence, overlaps)
    middle = Evidence(*[0.5] * 9)
    assert model(middle) == pytest.approx(0.35, abs=0.01)
    assert model(replace(middle, bounds_overlap=0.9)) == pytest.approx(0.55, abs=0.01)
    assert model(replace(middle, bounds_overlap=50.0)) == 1.0


def test_fitted_sigma_holds_as_many_errors_as_it_should():
    rng = np.random.default_rng(0)
    surfaces, errors = [], []
    for overlap in rng.random(20):
        spread, slope, hidden = rng.random((3, 300)) * [[0.3], [1], [8]]
        surfaces.append(SurfaceEvidence(spread, slope, hidden, overlap))
        errors.append(np.abs(rng.normal(size=300) * MODEL.sigma(surfaces[-1])))
    fitted = fit_uncertainty(surfaces, errors)
    ratio = np.concatenate([e / fitted.sigma(s) for s, e in zip(surfaces, errors, strict=True)])
    assert np.mean(ratio < 1) == pytest.approx(0.683, abs=0.03)
    assert np.mean(ratio < 2) == pytest.approx(0.954, abs=0.02)
    assert fitted.hidden == pytest.approx(MODEL.hidden, abs=0.15)


def test_a_model_that_was_never_calibrated_has_the_mean_surface_alone(tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_weights(tiny_network(), path)
    load_shape_model(ModelConfig(str(path)), "cpu")
    outer = ModelConfig(str(path), options=CompletionOptions(envelope=Envelope.OUTER))
    with pytest.raises(InputError, match="envelope: outer.*use mean"):
        load_shape_model(outer, "cpu")


@pytest.fixture(scope="module")
def few_objects():
    observation = arc2017_observation()
    return replace(
        observation,
        masks=observation.masks[:2],
        labels=observation.labels[:2],
        instance_ids=observation.instance_ids[:2],
        scores=observation.scores[:2],
    )


def test_the_shipped_model_says_how_certain_real_objects_are(few_objects, tmp_path):
    options = CompletionOptions(relations=False)
    scene = SceneCompleter.from_pretrained("iscene-mini", "cpu", options).complete(few_objects)
    for item in scene.objects:
        assert item.vertex_sigma.shape == (len(item.mesh.vertices),)
        assert 0 < item.vertex_sigma.min() and item.uncertainty < item.size.max()
        seen, hidden = (item.vertex_sigma[k] for k in (item.vertex_observed, ~item.vertex_observed))
        assert np.median(seen) < np.median(hidden) == pytest.approx(item.uncertainty)
    write_scene(scene, tmp_path / "out")
    read = read_scene(tmp_path / "out")
    assert [o.uncertainty for o in read.objects] == [o.uncertainty for o in scene.objects]
    assert all(b"property float sigma" in p.read_bytes() for p in tmp_path.rglob("*.ply"))
