"""A small published package with random weights through the command line and a session."""

import json
from pathlib import Path

import frame_files
import numpy as np
import pytest
from session_driver import TABLE, Driver
from tiny_release import TinyPackage

from iscene_ros.cli.main import main
from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.io.frame_io import FrameFiles
from iscene_ros.io.scene_io import read_scene
from iscene_ros.models.iscene import shape_model as release_shapes
from iscene_ros.models.iscene.generation import CubeSurface
from iscene_ros.models.model_config import CompletionOptions
from iscene_ros.session.out_of_memory import OutOfMemoryFallback


@pytest.fixture
def package(written: TinyPackage) -> str:
    return str(written.release)


@pytest.fixture
def files(tmp_path: Path) -> FrameFiles:
    return frame_files.write_frame(tmp_path / "frame")


def complete(files: FrameFiles, out: Path, package: str, *options: str) -> int:
    argv = ["complete", "--rgb", str(files.rgb), "--masks", str(files.masks)]
    argv += ["--camera", str(files.camera), "--out", str(out), "--model", package]
    return main([*argv, "--device", "cpu", "--steps", "1", *options])


@pytest.mark.parametrize("preset", ["fast", "structure-only"])
def test_the_command_line_completes_files(files, tmp_path, package, preset, capsys):
    options = ("--depth", str(files.depth), "--preset", preset, "--faces", "300")
    assert complete(files, tmp_path / "out", package, *options) == 0
    scene = read_scene(tmp_path / "out")
    assert scene.model_name == "IScene" and scene.is_metric
    assert len(scene.objects) + len(scene.skipped) == 2
    # Random shapes fit no image; each says so.
    assert all("does not fit" in s.reason for s in scene.skipped)
    assert "written to" in capsys.readouterr().out


def test_what_only_iscene_mini_has_is_rejected_and_not_ignored(files, tmp_path, package, capsys):
    argv = ("--depth", str(files.depth), "--precision", "bfloat16")
    assert complete(files, tmp_path / "out", package, *argv) == 2
    assert "iscene-mini alone" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_depth_the_result_says_that_lengths_are_no_metres(files, tmp_path, package, capsys):
    assert complete(files, tmp_path / "out", package, "--preset", "structure-only") == 0
    assert json.loads((tmp_path / "out/scene.json").read_text())["is_metric"] is False
    assert "warning: registration: no depth" in capsys.readouterr().err


def test_a_partial_package_is_one_line(files, tmp_path, package, capsys):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "iscene_config.json").write_text((Path(package) / "iscene_config.json").read_text())
    assert complete(files, tmp_path / "out", str(broken)) == 2
    error = capsys.readouterr().err
    assert error.count("iscene: error:") == 1 and "config.yml" in error
    assert not (tmp_path / "out").exists()


def cup_in_cube(thing) -> CubeSurface:
    """In the cube of 0.5 m around the table's middle, in axes of view space (here the world's)."""
    pose = thing.world_from_object()
    vertices = thing.mesh.vertices @ pose[:3, :3].T + pose[:3, 3]
    return CubeSurface((vertices / 0.5).astype(np.float32), thing.mesh.faces.astype(int), None)


def test_a_session_keeps_what_the_model_generates(package, monkeypatch):
    monkeypatch.setattr(
        release_shapes, "generate", lambda *_: [cup_in_cube(thing) for thing in TABLE]
    )
    driver = Driver(completer(package))
    first, second = driver.step(0), driver.step(100)
    assert [known.id for known in first.objects] == [known.id for known in second.objects] == [1, 2]
    for known, thing in zip(second.objects, TABLE, strict=True):
        found = known.item.frame_from_object[:3, 3]
        np.testing.assert_allclose(found, thing.world_from_object()[:3, 3], atol=0.01)
    assert driver.rejected == {}


def test_a_session_with_random_weights_goes_on(package):
    driver = Driver(completer(package), steps=1)
    update = driver.step(0)
    assert update is not None and len(update.objects) <= 2 and driver.rejected == {}
    assert driver.status(0).level in ("ok", "warn")


def completer(package: str) -> OutOfMemoryFallback:
    options = CompletionOptions(relations=False, preset="structure-only", objects_at_once=4)

    def load(device: str) -> SceneCompleter:
        return SceneCompleter.from_pretrained(package, device, options)

    return OutOfMemoryFallback(load, "cpu", print)
