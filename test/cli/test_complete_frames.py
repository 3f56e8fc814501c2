"""`iscene complete` of several frames, each in a folder."""

import json
import shutil
from pathlib import Path

import frame_files
import numpy as np
import pytest
from command_run import no_completer, run_with
from fake_completer import FakeCompleter
from PIL import Image

from iscene_ros.cli import complete as complete_command
from iscene_ros.io.scene_io import read_scene

POSE = np.reshape(frame_files.WORLD_FROM_CAMERA, (4, 4))


def write_frame(folder: Path, shift: float = 0.0, **camera: object) -> Path:
    """A frame whose camera is moved along x of the world [m]."""
    pose = POSE.copy()
    pose[0, 3] += shift
    frame_files.write_frame(folder)
    document = frame_files.camera_document() | {"world_from_camera": pose.ravel().tolist()} | camera
    (folder / "camera.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def frames(tmp_path: Path) -> tuple[Path, Path]:
    return write_frame(tmp_path / "first", 0.02), write_frame(tmp_path / "last")


def argv(frames, out: Path, *options: str) -> list[str]:
    named = [word for folder in frames for word in ("--frame", str(folder))]
    return [*named, "--out", str(out), *options]


class RecordingCompleter(FakeCompleter):
    """Keeps what it completes."""

    def complete(self, observation, *args, **kwargs):
        self.completed = observation
        return super().complete(observation, *args, **kwargs)


def test_frames_are_completed_in_their_order_and_the_last_is_drawn(frames, tmp_path, capsys):
    completer = RecordingCompleter()
    out = tmp_path / "out"
    assert run_with(complete_command, argv(frames, out), lambda *_: completer) == 0
    first, last = completer.completed
    np.testing.assert_allclose(first.world_from_camera[0, 3] - last.world_from_camera[0, 3], 0.02)
    scene = read_scene(out)
    np.testing.assert_allclose(scene.frame_from_camera, POSE)
    assert [o.label for o in scene.objects] == ["mug", "bowl"]
    assert (out / "overview.png").is_file() and "2 objects" in capsys.readouterr().out


def test_one_frame_needs_no_pose(frames, tmp_path):
    frame_files.write_frame(frames[0])
    (frames[0] / "labels.json").unlink()
    (frames[0] / "depth.png").rename(tmp_path / "elsewhere.png")
    np.save(frames[0] / "depth.npy", frame_files.depth_mm().astype(np.float32) / 1000)
    completer = RecordingCompleter()
    assert run_with(complete_command, argv(frames[:1], tmp_path / "out"), lambda *_: completer) == 0
    assert completer.completed.labels == ("object", "object") and completer.completed.has_depth


def test_frames_are_associated(frames, tmp_path):
    ids = frame_files.id_image()
    swapped = np.where(ids == 1, 7, np.where(ids == 7, 1, 0)).astype(np.uint8)
    Image.fromarray(swapped).save(frames[0] / "masks.png")
    (frames[0] / "labels.json").unlink()
    completer = RecordingCompleter()
    argv_ = argv(frames, tmp_path / "out", "--associate")
    assert run_with(complete_command, argv_, lambda *_: completer) == 0
    first, last = completer.completed
    assert first.instance_ids == (7, 1) and first.labels == ("bowl", "mug")
    assert last.instance_ids == (1, 7)


def test_a_frame_without_labels_or_depth_contradicts_none(frames, tmp_path):
    (frames[0] / "labels.json").unlink()
    (frames[0] / "depth.png").unlink()
    argv_ = argv(frames, tmp_path / "out")
    assert run_with(complete_command, argv_, lambda *_: FakeCompleter()) == 0
    assert [o.label for o in read_scene(tmp_path / "out").objects] == ["mug", "bowl"]


def _no_pose(first: Path) -> None:
    frame_files.write_frame(first)


def _other_labels(first: Path) -> None:
    (first / "labels.json").write_text('{"1": "bowl", "7": "mug"}')


def _other_ids(first: Path) -> None:
    ids = frame_files.id_image()
    Image.fromarray(np.where(ids > 0, ids + 1, 0).astype(np.uint8)).save(first / "masks.png")
    (first / "labels.json").unlink()


def _other_place(first: Path) -> None:
    write_frame(first, 3.0)


def _no_masks(first: Path) -> None:
    (first / "masks.png").unlink()


def _two_depths(first: Path) -> None:
    np.save(first / "depth.npy", frame_files.depth_mm().astype(np.float32) / 1000)


BAD_FRAMES = {
    "first: no world_from_camera": _no_pose,
    "instance 1 is 'mug', in an earlier view 'bowl'": _other_labels,
    "first: none of its instance ids is in another frame": _other_ids,
    "instance 1 is 2.": _other_place,
    "first: no masks; expected masks.png or masks.npz": _no_masks,
    "first: depth.png and depth.npy": _two_depths,
    "first: no such folder": shutil.rmtree,
}


@pytest.mark.parametrize("complaint", BAD_FRAMES)
def test_bad_frames_are_one_line(frames, tmp_path, capsys, complaint):
    BAD_FRAMES[complaint](frames[0])
    assert run_with(complete_command, argv(frames, tmp_path / "out"), no_completer) == 2
    printed = capsys.readouterr().err
    assert complaint in printed and printed.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--frame", "first", "--masks", "first/masks.png"], "--masks: the folder of --frame"),
        (["--frame", "first", "--associate"], "--associate: links several frames"),
        (["--frame", "first", "--frame", "last", "--gravity", "0", "1", "0"], "--gravity"),
        (["--rgb", "first/rgb.png"], "--masks, --camera missing; or give --frame"),
        ([], "--masks, --camera missing"),
    ],
)
def test_contradictory_arguments_are_one_line(
    frames, tmp_path, capsys, monkeypatch, options, complaint
):
    monkeypatch.chdir(tmp_path)
    assert run_with(complete_command, [*options, "--out", "out"], no_completer) == 2
    assert complaint in capsys.readouterr().err
