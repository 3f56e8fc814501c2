"""The benchmark of the published model's sizes: its tables, with tiny networks."""

import argparse
import csv
import subprocess
import sys

import pytest
import torch

from iscene_ros.core.errors import InputError
from iscene_ros.lab.benchmarks import benchmark_command, release_benchmark
from iscene_ros.lab.benchmarks.benchmark_cells import benchmark_cells
from iscene_ros.lab.benchmarks.release_arguments import DTYPES, SHAPES
from iscene_ros.lab.benchmarks.release_benchmark import Shape
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages import parts


def run(monkeypatch, *arguments):
    """The command, where the tiny model is tinier still."""
    tiny = Shape(ReleaseConfig.tiny(), objects=(1, 2), cells=40)
    monkeypatch.setitem(release_benchmark.SHAPES, "tiny-release", tiny)
    parser = argparse.ArgumentParser()
    benchmark_command.add_arguments(parser)
    args = ["--model", "tiny-release", "--random-weights", "--device", "cpu", *arguments]
    return benchmark_command.run(parser.parse_args(args))


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_time_and_work_of_the_release_and_of_each_preset_are_written(monkeypatch, tmp_path):
    assert run(monkeypatch, "--out", str(tmp_path)) == 0
    work, times = rows_of(tmp_path / "release-work.csv"), rows_of(tmp_path / "release-time.csv")
    schedules = ["release", "exact", "balanced", "fast", "structure-only"]
    assert [r["schedule"] for r in work] == [r["schedule"] for r in times] == 2 * schedules
    assert [r["objects"] for r in times] == ["1"] * 5 + ["2"] * 5
    exact = times[6]
    assert float(exact["structure differs"]) < 1e-5 and float(exact["SLAT differs"]) < 1e-5
    assert float(times[8]["structure differs"]) > 1e-3
    assert float(exact["total [s]"]) > 0 and exact["GPU peak [GB]"] == "-"
    assert float(work[6]["less work"].split()[0]) > 1.3
    assert "torch" in (tmp_path / "release-time.md").read_text()


def test_counting_runs_nothing(monkeypatch, capsys):
    monkeypatch.setattr(release_benchmark, "random_release", None)
    assert run(monkeypatch, "--count-only", "--objects", "3", "--presets", "fast") == 0
    printed = capsys.readouterr().out.splitlines()
    assert len([line for line in printed if line.startswith("|")]) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objects", "0"], "--objects"),
        (["--cells", "0"], "--cells"),
        (["--cells", "9999"], "do not fit into a grid of 16"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(monkeypatch, arguments, message):
    with pytest.raises(InputError, match=message):
        run(monkeypatch, *arguments)


def test_shapes_without_weights_must_be_asked_for():
    parser = argparse.ArgumentParser()
    benchmark_command.add_arguments(parser)
    with pytest.raises(InputError, match="add --random-weights"):
        benchmark_command.run(parser.parse_args(["--model", "release-shape"]))


def test_names_agree_with_the_model():
    assert set(SHAPES) == set(release_benchmark.SHAPES)
    assert set(DTYPES) == set(parts.DTYPES)


def test_cells_of_the_benchmark_are_sorted_shells_and_the_scene_holds_as_many_as_all():
    cells = benchmark_cells(objects=3, cells=200, resolution=16)
    for shell in (*cells.objects, cells.scene):
        keys = shell @ torch.tensor([256, 16, 1])
        assert (keys.diff() > 0).all() and shell.min() >= 0 and shell.max() < 16
    assert [len(c) for c in cells.objects] == [200] * 3 and len(cells.scene) == 600


def test_it_runs_where_mesh_libraries_are_missing():
    code = """
import sys
for name in ("trimesh", "open3d", "fast_simplification", "cv2", "rclpy"):
    sys.modules[name] = None
from iscene_ros.cli.main import main
main(["benchmark", "--model", "tiny-release", "--random-weights", "--count-only",
      "--objects", "1", "--presets", "fast", "--cells", "50"])
import iscene_ros.lab.benchmarks.release_timing
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "fast" in result.stdout
