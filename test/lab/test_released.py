"""Work, time and memory of the released model's presets, with tiny networks."""

import csv

import pytest
import torch

from iscene_ros.cli.main import main
from iscene_ros.lab.benchmarks import command, released
from iscene_ros.lab.benchmarks.released import shell_cells
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages import parts


def run(monkeypatch, *arguments):
    """Run the command with the small networks even smaller."""
    monkeypatch.setattr(released, "small_release", ReleaseConfig.tiny)
    argv = ["benchmark", "released", "--size", "small", "--device", "cpu", "--cells", "40"]
    return main([*argv, *arguments])


def test_each_preset_is_measured_and_compared_with_exact(monkeypatch, tmp_path):
    argv = ["--objects", "1", "2", "--out", str(tmp_path)]
    assert run(monkeypatch, *argv) == 0
    with (tmp_path / "released.csv").open() as file:
        rows = list(csv.DictReader(file))
    presets = ["exact", "balanced", "fast", "structure-only"]
    assert [row["preset"] for row in rows] == 2 * presets
    assert [row["objects"] for row in rows] == ["1"] * 4 + ["2"] * 4
    assert [row["SLAT cells"] for row in rows] == ["40", "40", "40", "0"] + ["80", "80", "80", "0"]
    exact, fast = rows[4], rows[6]
    assert float(exact["total [s]"]) > 0 and exact["GPU peak [GB]"] == "-"
    assert float(exact["structure differs"]) == 0 < float(fast["structure differs"])
    assert float(fast["less work"].split()[0]) > 1
    assert "torch" in (tmp_path / "released.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objects", "0"], "--objects"),
        (["--cells", "0"], "--cells"),
        (["--cells", "9999"], "do not fit into a grid of 16"),
    ],
)
def test_numbers_that_mean_nothing_are_rejected(monkeypatch, capsys, arguments, message):
    assert run(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err


def test_names_of_types_agree_with_the_model():
    assert set(command.DTYPES) == set(parts.DTYPES)


def test_the_small_networks_are_the_published_ones_at_other_sizes():
    small, published = released.small_release(), ReleaseConfig()
    assert small.structure_sampler == published.structure_sampler
    assert small.slat_sampler == published.slat_sampler


def test_cells_are_sorted_shells_of_growing_radius():
    shells = shell_cells(objects=3, cells=200, resolution=16)
    for shell in shells:
        keys = shell @ torch.tensor([256, 16, 1])
        assert len(shell) == 200 and (keys.diff() > 0).all()
        assert shell.min() >= 0 and shell.max() < 16
    reach = [shell.float().std() for shell in shells]
    assert reach == sorted(reach)
