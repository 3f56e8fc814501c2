import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import frame_files
import numpy as np
import pytest
from command_run import no_completer, run_with
from fake_completer import FakeCompleter
from PIL import Image

from iscene_ros import __version__
from iscene_ros.cli import complete as complete_command
from iscene_ros.cli import demo as demo_command
from iscene_ros.cli.main import COMMANDS, main
from iscene_ros.core.errors import ModelError
from iscene_ros.core.scene import Relation, RelationEvidence
from iscene_ros.io.frame_io import FrameFiles
from iscene_ros.io.scene_io import read_scene
from iscene_ros.models.model_config import CompletionOptions, ModelConfig

ROOT = Path(__file__).parents[2]


def arguments(files: FrameFiles, out: Path) -> list[str]:
    return [
        *("--rgb", str(files.rgb), "--depth", str(files.depth), "--masks", str(files.masks)),
        *("--camera", str(files.camera), "--labels", str(files.labels), "--out", str(out)),
    ]


@pytest.fixture
def files(tmp_path: Path) -> FrameFiles:
    return frame_files.write_frame(tmp_path / "frame")


def test_complete_writes_a_scene_and_prints_a_table(files, tmp_path, capsys):
    called = []

    def load(choice: ModelConfig) -> FakeCompleter:
        called.append(choice)
        return FakeCompleter()

    options = ["--steps", "4", "--seed", "9", "--model", "me/mine", "--device", "cpu"]
    options += ["--preset", "fast", "--twins"]
    argv = arguments(files, tmp_path / "out") + options
    assert run_with(complete_command, argv, load) == 0
    chosen = CompletionOptions(preset="fast", twins=True)
    assert called == [ModelConfig("me/mine", "cpu", options=chosen)]
    scene = read_scene(tmp_path / "out")
    assert (scene.seed, scene.steps, scene.frame_id) == (9, 4, "camera")
    assert [o.label for o in scene.objects] == ["mug", "bowl"]
    assert (tmp_path / "out/overview.png").is_file()
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split() == "id label size [cm] observed confidence seconds".split()
    assert lines[1].split()[:2] == ["1", "mug"] and "40 %" in lines[1] and "0.80" in lines[1]
    assert "2 objects" in lines[3]
    assert "iscene: warning: gravity: guessed" in printed.err


class RelatingCompleter(FakeCompleter):
    """As the real one: with relations."""

    def complete(self, *args, **kwargs):
        evidence = RelationEvidence(gap_m=0.001, contact_point=(0.1, 0.2, 0.3), is_stable=True)
        edges = (
            Relation(1, "supported_by", 7, 0.9, evidence),
            Relation(7, "supports", 1, 0.9, evidence),
            Relation(7, "supported_by", 0, 0.8),
        )
        return replace(super().complete(*args, **kwargs), relations=edges)


def test_pictures_may_be_left_out(files, tmp_path, capsys):
    argv = [*arguments(files, tmp_path / "out"), "--no-pictures"]
    assert run_with(complete_command, argv, lambda *_: RelatingCompleter()) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        *("meshes", "scene.glb", "scene.json")
    ]
    assert "meshes, scene.glb, scene.json" in capsys.readouterr().out


def test_grasps_are_planned_where_they_are_asked_for(files, tmp_path, capsys):
    argv = arguments(files, tmp_path / "out")
    assert run_with(complete_command, argv, lambda *_: FakeCompleter()) == 0
    assert "mug 1:" not in capsys.readouterr().out
    argv += ["--grasps", "robotiq_2f_85"]
    assert run_with(complete_command, argv, lambda *_: FakeCompleter()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("mug 1: ")] != []
    assert (tmp_path / "out/overview.png").exists()


def test_a_picture_that_cannot_be_drawn_costs_nothing_else(files, tmp_path, capsys, monkeypatch):
    def fails(*_: object) -> None:
        raise ValueError("can't measure length of multiline text")

    monkeypatch.setattr("iscene_ros.io.scene_io.draw_overview", fails)
    argv = arguments(files, tmp_path / "out")
    assert run_with(complete_command, argv, lambda *_: RelatingCompleter()) == 0
    assert "overview.png: could not be drawn" in capsys.readouterr().err
    assert len(read_scene(tmp_path / "out").objects) == 2
    assert (tmp_path / "out/graph.png").exists() and not (tmp_path / "out/overview.png").exists()


def test_a_label_with_a_line_break_is_one_line_everywhere(files, tmp_path, capsys):
    files.labels.write_text('{"1": "red\\ncup\\n", "7": "\\n"}')
    argv = arguments(files, tmp_path / "out")
    assert run_with(complete_command, argv, lambda *_: RelatingCompleter()) == 0
    assert [o.label for o in read_scene(tmp_path / "out").objects] == ["red cup", "object"]
    assert "could not be drawn" not in capsys.readouterr().err
    assert (tmp_path / "out/overview.png").exists() and (tmp_path / "out/graph.png").exists()


def test_colour_is_optional_and_steps_of_depth_may_be_of_any_unit(files, tmp_path):
    argv = arguments(files, tmp_path / "out")[2:]
    Image.fromarray(frame_files.depth_mm() * 10).save(files.depth)
    assert (
        run_with(complete_command, [*argv, "--depth-unit", "1e-4"], lambda *_: FakeCompleter()) == 0
    )
    sizes = [o.size for o in read_scene(tmp_path / "out").objects]
    Image.fromarray(frame_files.depth_mm()).save(files.depth)
    assert run_with(complete_command, argv, lambda *_: FakeCompleter()) == 0
    np.testing.assert_allclose([o.size for o in read_scene(tmp_path / "out").objects], sizes)
    assert run_with(complete_command, [*argv, "--depth-unit", "-1"], no_completer) == 2


def test_the_graph_and_a_planning_problem_are_written(files, tmp_path, capsys):
    pddl = pytest.importorskip("pddl")
    paths = tmp_path / "domain.pddl", tmp_path / "problem.pddl"
    argv = [*arguments(files, tmp_path / "out"), "--pddl", *map(str, paths), "--pddl-goal", "7"]
    assert run_with(complete_command, argv, lambda *_: RelatingCompleter()) == 0
    assert (tmp_path / "out/graph.png").is_file()
    assert "graph.png" in capsys.readouterr().out
    scene = read_scene(tmp_path / "out")
    assert scene.relations[0].evidence.contact_point == (0.1, 0.2, 0.3)
    assert scene.graph.on_top_of(7) == (1,) and scene.relations[2].evidence is None
    domain, problem = pddl.parse_domain(paths[0]), pddl.parse_problem(paths[1])
    assert problem.domain_name == domain.name and {str(o) for o in domain.constants} == {
        "environment",
        "mug_1",
        "bowl_7",
    }
    assert "(holding bowl_7)" in str(problem.goal)
    # An earlier result is replaced, its drawing of the graph, too.
    assert run_with(complete_command, argv, lambda *_: FakeCompleter()) == 0
    assert not (tmp_path / "out/graph.png").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--steps", "4"], "--steps: iscene-mini has no sampler; only a released I-Scene takes it"),
        (["--seed", "0"], "--seed: iscene-mini has no sampler"),
        (["--seed", "0", "--model", "mine"], "model mine: no such file"),
        (["--pddl", "p.pddl", "p.pddl"], "twice"),
        (["--pddl", "d.pddl", "out/p.pddl"], "lies in --out"),
        (["--pddl", "d.pddl", "nowhere/p.pddl"], "no such folder"),
        (["--pddl", "d.pddl", "frame"], "is a folder"),
        (["--pddl-goal", "7"], "--pddl DOMAIN PROBLEM"),
    ],
)
def test_options_that_cannot_be_are_rejected_before_the_work(
    files, tmp_path, options, complaint, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    argv = arguments(files, Path("out")) + options
    assert run_with(complete_command, argv, no_completer) == 2
    assert complaint in capsys.readouterr().err


def test_an_unknown_goal_writes_nothing(files, tmp_path):
    paths = [str(tmp_path / "domain.pddl"), str(tmp_path / "problem.pddl")]
    argv = [*arguments(files, tmp_path / "out"), "--pddl", *paths, "--pddl-goal", "99"]
    assert run_with(complete_command, argv, lambda *_: RelatingCompleter()) == 2
    assert not (tmp_path / "out").exists() and not Path(paths[0]).exists()


def test_depth_is_optional_for_models_that_do_without(files, tmp_path):
    argv = arguments(files, tmp_path / "out")
    at = argv.index("--depth")
    assert run_with(complete_command, argv[:at] + argv[at + 2 :], lambda *_: FakeCompleter()) == 0
    skipped = read_scene(tmp_path / "out").skipped
    assert [o.reason for o in skipped] == ["no depth inside its mask"] * 2


def test_gravity_is_passed_on(files, tmp_path):
    argv = [*arguments(files, tmp_path / "out"), "--gravity", "0", "-2.5", "0"]
    assert run_with(complete_command, argv, lambda *_: FakeCompleter()) == 0
    np.testing.assert_allclose(read_scene(tmp_path / "out").gravity_camera, [0, -1, 0], atol=1e-9)


def test_skipped_objects_are_listed(files, tmp_path, capsys):
    depth = frame_files.depth_mm()
    depth[frame_files.id_image() == 7] = 0
    Image.fromarray(depth).save(files.depth)
    argv = arguments(files, tmp_path / "out")
    assert run_with(complete_command, argv, lambda *_: FakeCompleter()) == 0
    assert "skipped 7 bowl: no depth inside its mask" in capsys.readouterr().out
    assert read_scene(tmp_path / "out").skipped[0].id == 7


def test_demo(tmp_path, capsys):
    argv = ["--out", str(tmp_path / "demo")]
    assert run_with(demo_command, argv, lambda *_: FakeCompleter()) == 0
    assert len(read_scene(tmp_path / "demo").objects) == 8
    assert "8 objects" in capsys.readouterr().out


def test_demo_of_views_draws_one_picture(tmp_path):
    counts = []

    class LooksCompleter(FakeCompleter):
        def complete(self, observation, *args):
            counts.append(len(observation))
            return super().complete(observation, *args)

    out = tmp_path / "new" / "views.png"
    assert run_with(demo_command, ["--views", str(out)], lambda *_: LooksCompleter()) == 0
    assert counts == [1, 2, 3] and os.listdir(out.parent) == ["views.png"]
    assert Image.open(out).width == 1600 and out.stat().st_size < 300_000


# What the complaint names: the damage, and the output folder.
BAD_INPUTS = {
    "rgb.png": (lambda files: files.rgb.unlink(), "out"),
    "depth.png": (lambda files: files.depth.write_bytes(b"\x89PNG\r\n"), "out"),
    "masks.png": (lambda f: Image.fromarray(np.zeros((48, 64), np.uint8)).save(f.masks), "out"),
    "camera.json": (lambda files: files.camera.write_text('{"width": 64}'), "out"),
    "labels.json": (lambda files: files.labels.write_text('{"3": "fork"}'), "out"),
    "out": (lambda files: (files.rgb.parents[1] / "out").write_text("mine"), "out"),
    "rgb.png/out": (lambda files: None, "frame/rgb.png/out"),
    "camera.json, which is no earlier result": (lambda files: None, "frame"),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_is_one_line_and_leaves_nothing(files, tmp_path, capsys, name):
    damage, out = BAD_INPUTS[name]
    damage(files)
    out = tmp_path / out
    before = sorted(tmp_path.rglob("*"))
    assert run_with(complete_command, arguments(files, out), no_completer) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("iscene: error: ") and name in printed.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (ModelError("mine: no such model\nshipped: iscene-mini"), 2, "mine: no such model shipped"),
        (OSError(28, "No space left on device", "/x"), 2, "/x: No space left on device"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 2, "torch is not installed"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_failures_become_exit_codes(files, tmp_path, capsys, error, code, expected):
    def fail(*_: str) -> FakeCompleter:
        raise error

    assert run_with(complete_command, arguments(files, tmp_path / "out"), fail) == code
    printed = capsys.readouterr().err
    assert expected in printed and printed.count("\n") == 1
    assert os.listdir(tmp_path) == ["frame"]


def test_interrupted_completion_leaves_nothing(files, tmp_path):
    class Interrupted(FakeCompleter):
        def complete(self, observation, request, progress):
            progress(1, 2, "mug")
            raise KeyboardInterrupt

    argv = arguments(files, tmp_path / "new/out")
    assert run_with(complete_command, argv, lambda *_: Interrupted()) == 130
    assert os.listdir(tmp_path) == ["frame"]


@pytest.mark.parametrize(
    "argv",
    [[], ["nonsense"], ["complete"], ["demo", "--steps", "0"], ["demo", "--device", "tpu"]],
)
def test_wrong_usage_is_exit_2(argv):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2


def test_module_runs_and_help_needs_no_torch():
    script = "import sys; sys.argv = ['iscene', '--help']\n"
    script += "from iscene_ros.cli.main import main\n"
    script += "try: main()\nexcept SystemExit: pass\n"
    script += "assert not {'torch', 'numpy', 'scipy'} & set(sys.modules)"
    helped = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert all(command in helped.stdout for command in COMMANDS)
    version = subprocess.run(
        [sys.executable, "-m", "iscene_ros", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert version.returncode == 0 and version.stdout == f"iscene_ros {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"iscene {name}" in capsys.readouterr().out
