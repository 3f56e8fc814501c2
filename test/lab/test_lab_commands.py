"""Every documented form of `iscene evaluate` and `iscene benchmark`, on very little."""

import csv
import shutil
import sys
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from unittest.mock import MagicMock

import numpy as np
import pytest
from PIL import Image
from waiting_completer import WaitingCompleter

from iscene_ros.cli.main import main
from iscene_ros.lab.benchmarks import command as benchmark_command
from iscene_ros.lab.benchmarks import node
from iscene_ros.lab.benchmarks.stub_completers import Ellipsoids
from iscene_ros.lab.benchmarks.table_scene import table_scene
from iscene_ros.lab.evaluation import relation_fit
from iscene_ros.models.mini.checkpoint import load_model
from iscene_ros.models.model_config import ModelConfig
from iscene_ros.models.registry import checkpoint_path
from iscene_ros.session.out_of_memory import OutOfMemoryFallback

# A scene in which several objects have depth.
SCENE = ("--scenes", "1", "--seed", "1003")


def evaluated(tmp_path, *arguments):
    assert main(["evaluate", *arguments, "--out", str(tmp_path)]) == 0
    return {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "arguments",
    [
        ("shapes",),
        ("shapes", "--no-baselines", "--families", "training", "--precision", "bfloat16"),
        ("oracle", "--resolution", "16"),
    ],
)
def test_evaluate_shapes_and_oracle(tmp_path, capsys, arguments):
    assert evaluated(tmp_path, *arguments, *SCENE) == {"report.md", "objects.csv"}
    assert "Objects (means over instances)" in capsys.readouterr().out
    with (tmp_path / "objects.csv").open() as file:
        methods = {row["method"] for row in csv.DictReader(file)}
    has_baselines = arguments == ("shapes",)
    assert len(methods) == (4 if has_baselines else 1)


def test_evaluate_gallery(tmp_path):
    assert evaluated(tmp_path, "gallery", "--objects", "2", *SCENE) == {"gallery.png"}
    assert Image.open(tmp_path / "gallery.png").width > 1000


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (("envelopes", *SCENE), ("| outer",)),
        (("cartons", "--scenes", "1"), ("| ideal depth ", "| block matching ")),
        (("registration", "--scenes", "1", "--seed", "5"), ("half a voxel off",)),
        (
            ("twins", "--scenes", "1", "--seed", "10"),
            (
                "rows of equal packs: twins of 1 of 2 objects, 0 false",
                "other scenes: twins of 0 of 1 objects, 0 false",
            ),
        ),
    ],
)
def test_evaluations_print_and_write_a_table(tmp_path, capsys, arguments, lines):
    assert evaluated(tmp_path, *arguments) == {f"{arguments[0]}.md"}
    printed = capsys.readouterr().out
    assert all(line in printed for line in lines)


def test_evaluate_views(tmp_path, capsys):
    options = ("--views", "2", "1", "--pose-noise", "--rows")
    assert evaluated(tmp_path, "views", *options, *SCENE) == {"views.md", "views.csv"}
    assert "| depth fusion | 2 " in capsys.readouterr().out
    with (tmp_path / "views.csv").open() as file:
        rows = [(row["method"], row["views"]) for row in csv.DictReader(file)]
    counts = {row: rows.count(row) for row in rows}
    assert len(counts) == 4 and len(set(counts.values())) == 1


def test_evaluate_relations_and_their_calibration(tmp_path, capsys, monkeypatch):
    pytest.importorskip("mujoco")
    pytest.importorskip("coacd")
    written = []
    monkeypatch.setattr(relation_fit, "write_table", lambda table: written.append(table) or "file")
    names = evaluated(tmp_path, "relations", "--scenes", "1", "--shapes", "2", "--calibrate")
    assert {"relations.md", "relations.csv"} <= names
    assert "From true meshes, 1 scenes" in capsys.readouterr().out
    assert len(written) == 1


@pytest.mark.parametrize("keep", [[], ["--keep-level"]])
def test_evaluate_calibrate(tmp_path, capsys, keep):
    model = shutil.copy(checkpoint_path("iscene-mini"), tmp_path / "copy.safetensors")
    before = load_model(model).calibration
    argv = ["evaluate", "calibrate", "--model", str(model), "--scenes", "3"]
    assert main([*argv, *keep]) == 0
    assert "written into" in capsys.readouterr().out
    after = load_model(model).calibration
    assert after.confidence != before.confidence and after.uncertainty != before.uncertainty
    assert not keep or after.level == before.level


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("oracle", "--resolution", "0"), "at least 8"),
        (("gallery", "--scenes", "0"), "take more"),
        (("envelopes", "--scenes", "0"), "take more"),
        (("views", "--scenes", "0"), "take more"),
        (("shapes", "--scenes", "0"), "take more"),
        (("twins", "--scenes", "0"), "take more"),
        (("cartons", "--scenes", "0"), "take more"),
        (("calibrate", "--scenes", "0"), "take more"),
        (("calibrate", "--scenes", "0", "--keep-level"), "take more"),
    ],
)
def test_evaluations_of_nothing_are_rejected(capsys, arguments, message):
    assert main(["evaluate", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_evaluation_without_open3d_says_what_to_install(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "open3d", None)
    argv = ["evaluate", "oracle", *SCENE, "--resolution", "8", "--out", str(tmp_path)]
    assert main(argv) == 2
    assert "pip install 'iscene_ros[evaluate]'" in capsys.readouterr().err


def test_benchmark_completion(tmp_path, capsys, monkeypatch):
    fake = partial(benchmark_command.run_completion, load=WaitingCompleter)
    describe, _, summary = benchmark_command.BENCHMARKS["completion"]
    monkeypatch.setitem(benchmark_command.BENCHMARKS, "completion", (describe, fake, summary))
    argv = ["benchmark", "completion", "--objects", "1", "2", "--repeats", "1"]
    assert main([*argv, "--out", str(tmp_path / "new")]) == 0
    printed = capsys.readouterr().out
    assert "total [s]" in printed and printed.count("\n") == 5
    text = (tmp_path / "new" / "benchmark.md").read_text()
    assert printed.strip() in text and "torch" in text
    with (tmp_path / "new" / "benchmark.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["objects"] for row in rows] == ["1", "2"]
    assert float(rows[0]["x 1 object"]) == 1.0
    assert not list((tmp_path / "new").glob(".*"))


def test_benchmark_completion_of_the_shipped_model(capsys):
    argv = ["benchmark", "completion", "--objects", "1", "--repeats", "1"]
    assert main(argv) == 0
    assert capsys.readouterr().out.count("\n") == 4


@pytest.mark.parametrize(
    ("name", "column", "file"),
    [("layer", "publishing [ms]", "messages"), ("evidence", "views [MB]", "evidence")],
)
def test_benchmarks_of_the_layer_and_of_the_evidence(tmp_path, capsys, name, column, file):
    argv = ["benchmark", name, "--objects", "1", "--frames", "2", "--out", str(tmp_path)]
    assert main(argv) == 0
    assert column in capsys.readouterr().out
    assert (tmp_path / f"{file}.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("completion", "--objects", "0"), "--objects"),
        (("completion", "--objects", "21"), "--objects"),
        (("completion", "--repeats", "0"), "--repeats"),
        (("layer", "--frames", "0"), "--frames"),
        (("node", "--frames", "0"), "--frames"),
    ],
)
def test_bad_numbers_are_named(capsys, arguments, field):
    assert main(["benchmark", *arguments]) == 2
    assert field in capsys.readouterr().err


@pytest.mark.skipif(find_spec("rclpy") is not None, reason="ROS is here")
def test_benchmark_node_without_ros_says_so(capsys):
    assert main(["benchmark", "node"]) == 2
    assert "needs ROS 2" in capsys.readouterr().err


def test_benchmark_node(tmp_path):
    pytest.importorskip("rclpy")
    argv = ["benchmark", "node", "--frames", "60", "--out", str(tmp_path)]
    assert main(argv) == 0
    with (tmp_path / "node.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert int(row["published"]) > 0 and row["refused"] == "0"


class FakeNode:
    """Loads and completes as the node does, in place of a node of rclpy."""

    def __init__(self, load, parameter_overrides):
        config = ModelConfig("known")
        self.completer = OutOfMemoryFallback(lambda device: load(config), "cpu", print)
        self.transitions = []

    def trigger_configure(self):
        self.transitions.append("configure")

    def trigger_activate(self):
        self.scene = self.completer.complete(table_scene(2).observation)

    def trigger_shutdown(self):
        self.transitions.append("shutdown")

    def destroy_node(self):
        self.transitions.append("destroy")


def test_the_benchmarked_node_completes_with_the_slow_completer(monkeypatch):
    monkeypatch.setitem(sys.modules, "rclpy", MagicMock())
    for name, attribute, fake in (
        ("rclpy.executors", "SingleThreadedExecutor", MagicMock()),
        ("rclpy.parameter", "Parameter", MagicMock()),
        ("iscene_ros.ros.node", "SceneNode", FakeNode),
    ):
        module = ModuleType(name)
        setattr(module, attribute, fake)
        monkeypatch.setitem(sys.modules, name, module)
    completer = Ellipsoids(pause=0.01)
    with node._running_node(completer) as running:
        assert len(running.scene.objects) == 2
    assert running.transitions == ["configure", "shutdown", "destroy"]
    assert len(completer.seconds) == 1 and completer.seconds[0][0] >= 0.01


def test_the_table_of_the_node_has_a_row():
    ones = np.ones(20)
    run = node.NodeTimes(
        frames=60,
        model_seconds=ones,
        ages=2 * ones,
        received=57,
        untransformed=0,
        rejected=5,
        summary="OK",
        megabytes=100 * ones,
    )
    headings, row = node.node_table(run)
    assert len(headings) == len(row) and row[:3] == ["30", "60", "95.0"]
