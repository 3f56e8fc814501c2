"""The published model from images to objects in metres, with random weights and known shapes."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_release import STEMS, write_tiny_package

from iscene_ros.cli.main import main
from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.models.base import CompletionRequest
from iscene_ros.models.iscene import shape_model as release_shapes
from iscene_ros.models.iscene.generation import CubeOccupancy, CubeSurface, generate
from iscene_ros.models.iscene.packages.loading import load_release
from iscene_ros.models.iscene.shape_model import ReleaseShapes
from iscene_ros.models.model_config import PRESETS, CompletionOptions, ModelConfig
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

DOWN = np.array([0.0, 0.2, 1.0])
FEWER_CELLS = 0.6
CUBE_EDGE, CUBE_CENTER = 0.7, np.array([0.03, 0.1, -0.9])


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    package = write_tiny_package(tmp_path_factory.mktemp("package"))
    # Random weights fill half of the cube; real objects do not.
    path = (package.base / STEMS["sparse_structure_decoder"]).with_suffix(".safetensors")
    weights = load_file(path)
    weights["out_layer.2.bias"] -= FEWER_CELLS
    save_file(weights, path)
    return str(package.release)


@pytest.fixture(scope="module")
def frame() -> Observation:
    frame = resolve_mask_overlaps(replace(arc2017_observation(), gravity_camera=DOWN))
    kept = slice(0, 3)
    return replace(
        frame,
        masks=frame.masks[kept],
        labels=frame.labels[kept],
        scores=frame.scores[kept],
        instance_ids=frame.instance_ids[kept],
    )


@pytest.fixture(scope="module")
def truth(frame: Observation) -> Scene:
    """What iscene-mini makes of the frame serves as the true shapes."""
    unrelated = CompletionOptions(relations=False)
    return SceneCompleter.from_pretrained("iscene-mini", "cpu", unrelated).complete(frame)


def completer(package: str, preset: str = "fast", **options) -> SceneCompleter:
    shapes = ReleaseShapes(
        load_release(package, "cpu"), CompletionOptions(preset=preset, **options)
    )
    return SceneCompleter(shapes, relations=False)


@pytest.fixture
def knowing(package: str, truth: Scene, frame: Observation, monkeypatch) -> SceneCompleter:
    """A published model that generates the true shapes, red, in a cube."""
    aligned_from_camera = GravityAlignedFrame.from_gravity(DOWN).aligned_from_camera

    def known(model, images, *_):
        assert images.shape[0] == 1 + len(truth.objects)
        return [in_cube(o.mesh.transformed(o.frame_from_object)) for o in truth.objects]

    def in_cube(mesh_camera):
        points = mesh_camera.vertices @ aligned_from_camera.T
        vertices = ((points - CUBE_CENTER) / CUBE_EDGE).astype(np.float32)
        red = np.tile(np.float32([1, 0, 0]), (len(vertices), 1))
        return CubeSurface(vertices, mesh_camera.faces.astype(np.int64), red)

    monkeypatch.setattr(release_shapes, "generate", known)
    return completer(package)


def centers(scene: Scene) -> np.ndarray:
    return np.stack([o.frame_from_object[:3, 3] for o in scene.objects])


def test_known_shapes_come_back_in_metres(knowing, frame, truth):
    scene = knowing.complete(frame)
    assert [o.id for o in scene.objects] == [o.id for o in truth.objects]
    assert scene.is_metric and scene.skipped == ()
    np.testing.assert_allclose(centers(scene), centers(truth), atol=0.012)
    for found, true in zip(scene.objects, truth.objects, strict=True):
        np.testing.assert_allclose(found.size, true.size, rtol=0.1)
        assert found.depth_residual < true.depth_residual + 0.003
        assert 0.4 < found.confidence <= 1 and found.observed_fraction > 0.05
        assert (found.vertex_colors == (255, 0, 0)).all()
        assert len(found.vertex_colors) == len(found.mesh.vertices) == len(found.vertex_observed)


def test_without_depth_the_scale_is_unknown_and_said_to_be(knowing, frame):
    scene = knowing.complete(replace(frame, depth=None, gravity_camera=DOWN))
    assert len(scene.objects) == 3 and not scene.is_metric
    assert any("scale" in warning for warning in scene.warnings)
    assert all(np.isnan(o.depth_residual) and o.observed_fraction == 0 for o in scene.objects)


def test_a_stated_camera_height_gives_the_scale(package, knowing, frame, truth):
    up = -DOWN / np.linalg.norm(DOWN)
    lowest = min(
        (o.mesh.transformed(o.frame_from_object).vertices @ up).min() for o in truth.objects
    )
    choice = ModelConfig(
        package, "cpu", options=CompletionOptions(preset="fast", camera_height=float(-lowest))
    )
    scene = SceneCompleter.from_config(choice).complete(replace(frame, depth=None))
    assert scene.is_metric
    np.testing.assert_allclose(centers(scene), centers(truth), atol=0.1)


def test_a_stated_support_height_gives_the_scale_of_a_view_with_a_pose(
    package, knowing, frame, truth
):
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = GravityAlignedFrame.from_gravity(DOWN).aligned_from_camera
    world_from_camera[2, 3] = 1.0
    lowest = min(
        (o.mesh.transformed(world_from_camera @ o.frame_from_object).vertices[:, 2]).min()
        for o in truth.objects
    )
    choice = ModelConfig(
        package, "cpu", options=CompletionOptions(preset="fast", support_height=float(lowest))
    )
    view = replace(frame, depth=None, world_from_camera=world_from_camera)
    scene = SceneCompleter.from_config(choice).complete(view)
    assert scene.is_metric and scene.frame_id == "world"
    expected = centers(truth) @ world_from_camera[:3, :3].T + world_from_camera[:3, 3]
    np.testing.assert_allclose(centers(scene), expected, atol=0.1)


def test_random_weights_run_through_and_what_fits_nothing_is_rejected(package, frame):
    seen = []
    scene = completer(package).complete(
        frame, CompletionRequest(steps=1), lambda done, total, what: seen.append((done, total))
    )
    assert len(scene.objects) + len(scene.skipped) == 3 and scene.steps == 1
    assert all("fit" in s.reason or "nothing" in s.reason for s in scene.skipped)
    assert scene.model_name == "IScene" and len(scene.model_checksum) == 64
    assert seen[-1][0] == seen[-1][1] and len({total for _, total in seen}) == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_generates_a_shape_or_nothing_for_every_instance(package, preset):
    made = completer(package, preset)
    sampling = made.shapes.sampling(steps=1)
    images = np.random.default_rng(0).random((2, 3, 56, 56), np.float32)
    first, again = (generate(made.shapes.model, images, sampling, seed=3) for _ in range(2))
    assert len(first) == 1
    if preset == "structure-only":
        assert isinstance(first[0], CubeOccupancy) and first[0].logits.shape == (16, 16, 16)
        np.testing.assert_array_equal(first[0].logits, again[0].logits)
    else:
        assert isinstance(first[0], CubeSurface) and first[0].colors.shape[1] == 3
        np.testing.assert_array_equal(first[0].vertices, again[0].vertices)
        np.testing.assert_array_equal(first[0].faces, again[0].faces)


def test_fewer_objects_at_once_give_the_same_structure(package):
    images = np.random.default_rng(0).random((4, 3, 56, 56), np.float32)
    shapes = [
        generate(c.shapes.model, images, c.shapes.sampling(2))
        for c in (completer(package, "structure-only", objects_at_once=n) for n in (1, 8))
    ]
    for one, many in zip(*shapes, strict=True):
        scale = np.abs(many.logits).max()
        np.testing.assert_allclose(one.logits, many.logits, atol=1e-4 * scale)


def test_the_batch_is_halved_when_memory_is_short(package):
    smaller = completer(package, objects_at_once=8).with_objects_at_once(4)
    assert smaller.objects_at_once == 4
    assert smaller.shapes.sampling().structure.max_slots == 8


@pytest.mark.parametrize(
    "options, message",
    [
        ({"envelope": "inner"}, "envelope: inner.*use mean"),
        ({"precision": "bfloat16"}, "precision: for iscene-mini alone"),
        ({"camera_height": -1.0}, "camera_height: -1.0, expected a positive number"),
    ],
)
def test_options_that_it_does_not_have_are_rejected(options, message):
    config = ModelConfig("LuLing/IScene", options=CompletionOptions(**options))
    with pytest.raises(InputError, match=message):
        release_shapes.load_shape_model(config, "cpu")


def test_without_colours_the_published_model_says_what_to_do(package, frame):
    with pytest.raises(InputError, match="rgb: none.*use_rgb"):
        completer(package).complete(replace(frame, rgb=None))


def test_an_instance_without_pixels_is_skipped(knowing, frame):
    masks = np.concatenate([frame.masks, np.zeros_like(frame.masks[:1])])
    more = replace(frame, masks=masks, labels=(*frame.labels, "ghost"), scores=(), instance_ids=())
    scene = knowing.complete(more)
    assert [s.label for s in scene.skipped] == ["ghost"] and len(scene.objects) == 3


def test_numbers_that_are_none_are_an_error(package, frame):
    made = completer(package, "structure-only")
    with torch.no_grad():
        next(made.shapes.model.structure_flow.parameters()).fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        made.complete(frame, CompletionRequest(steps=1))


def test_presets_of_a_package_are_compared_with_exact(package, tmp_path, capsys):
    argv = ["benchmark", "released", "--model", package, "--device", "cpu", "--objects", "2"]
    assert main([*argv, "--presets", "fast", "structure-only", "--out", str(tmp_path)]) == 0
    with (tmp_path / "released.csv").open() as file:
        exact, fast, structure_only = csv.DictReader(file)
    assert [exact["preset"], fast["preset"]] == ["exact", "fast"]
    assert float(exact["structure differs"]) == 0 and float(exact["same cells [%]"]) == 100
    assert float(fast["structure differs"]) > 1e-3 and float(fast["same cells [%]"]) < 100
    assert float(fast["work [TFLOP]"]) < float(exact["work [TFLOP]"])
    assert structure_only["SLAT cells"] == "0" and int(exact["SLAT cells"]) > 0
    assert "model IScene" in (tmp_path / "released.md").read_text()
    assert "exact" in capsys.readouterr().out
