"""The benchmark, its scene and its tables, with a completer that only waits."""

import argparse
import csv

import numpy as np
import pytest
from waiting_completer import BALLAST, DyingCompleter, WaitingCompleter

from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.lab.benchmarks import benchmark_command
from iscene_ros.lab.benchmarks.benchmark import benchmark, measure
from iscene_ros.lab.benchmarks.table_scene import table_scene
from iscene_ros.lab.evaluation.machine import this_machine
from iscene_ros.lab.evaluation.metrics import Score
from iscene_ros.lab.evaluation.report import csv_of, group_rows, markdown, method_rows, write_text


def arguments(**changes):
    parser = argparse.ArgumentParser()
    benchmark_command.add_arguments(parser)
    args = parser.parse_args([])
    vars(args).update(changes)
    return args


@pytest.mark.parametrize("objects", [1, 7, 20])
def test_the_table_scene_shows_every_object_where_it_is(objects):
    scene = table_scene(objects)
    observation = scene.observation
    assert len(observation.masks) == len(scene.bodies) == objects
    assert observation.masks.sum(axis=0).max() == 1
    for mask, body in zip(observation.masks, scene.bodies, strict=True):
        rows, columns = np.nonzero(mask)
        assert len(rows) > 100
        points = observation.camera.unproject(
            np.column_stack([columns, rows]), observation.depth[rows, columns]
        )
        pose = observation.world_from_camera
        points_world = points @ pose[:3, :3].T + pose[:3, 3]
        assert np.abs(body.distance(points_world)).max() < 1e-5


def test_more_objects_do_not_move_the_others():
    few, many = table_scene(3), table_scene(20)
    for first, second in zip(few.bodies, many.bodies, strict=False):
        np.testing.assert_array_equal(first.center, second.center)
    np.testing.assert_array_equal(few.observation.depth, table_scene(3).observation.depth)


def test_a_scene_has_between_1_and_20_objects():
    with pytest.raises(ValueError, match="expected 1 to 20"):
        table_scene(21)


def test_each_number_of_objects_has_its_own_peak_of_memory():
    large, small = benchmark(WaitingCompleter, objects=(3, 1), steps=(2,), repeats=1)
    assert (large.objects, large.steps, large.completed) == (3, 2, 3)
    assert large.peak_megabytes > small.peak_megabytes + 0.6 * BALLAST / 1e6
    assert small.peak_gpu_megabytes == 0


def test_seconds_grow_with_steps():
    one, four = measure(WaitingCompleter, 2, (1, 4), repeats=2)
    assert one.seconds.total >= 0.002
    assert four.seconds.network > one.seconds.network


def test_a_killed_process_is_named():
    with pytest.raises(ModelError, match="2 objects was killed"):
        list(benchmark(DyingCompleter, objects=(2,), steps=(1,), repeats=1))


def test_the_command_prints_and_writes_the_table(tmp_path, capsys):
    args = arguments(objects=[1], steps=[1, 2], repeats=1, out=tmp_path / "new")
    assert benchmark_command.run(args, load=WaitingCompleter) == 0
    printed = capsys.readouterr().out
    assert "total [s]" in printed and printed.count("\n") == 5
    text = (tmp_path / "new" / "benchmark.md").read_text()
    assert printed.strip() in text and "torch" in text
    with (tmp_path / "new" / "benchmark.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["steps"] for row in rows] == ["1", "2"]
    assert float(rows[0]["x 1 object"]) == 1.0
    assert not list((tmp_path / "new").glob(".*"))


@pytest.mark.parametrize(
    "changes, field",
    [({"objects": [0]}, "--objects"), ({"steps": [0]}, "--steps"), ({"repeats": 0}, "--repeats")],
)
def test_bad_arguments_are_named(changes, field):
    with pytest.raises(InputError, match=field):
        benchmark_command.run(arguments(**changes), load=WaitingCompleter)


def test_the_machine_has_a_name():
    machine = this_machine()
    assert machine.cores >= 1 and machine.torch in str(machine)


class Scored:
    def __init__(self, method, family, score):
        self.method, self.family, self.score = method, family, score


SCORES = [
    Scored("iscene-mini", "mug", Score(0.8, 0.9, 0.002, 0.9, 1.0)),
    Scored("extruded", "mug", Score(0.6, 0.7, 0.004, 0.7, 0.8)),
    Scored("iscene-mini", "bowl", Score(0.6, 0.7, 0.004, 0.7, 0.8)),
    Scored("extruded", "bowl", Score()),
]


def test_a_table_has_a_row_a_method():
    lines = markdown(method_rows(SCORES)).splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[1:-1]][:3] == [
        "method",
        "IoU [%]",
        "Box IoU [%]",
    ]
    cells = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    assert cells == ["iscene-mini", "70.0", "80.0", "3.00", "80.0", "90.0", "2", "0"]
    assert lines[3].split("|")[1].strip() == "extruded" and lines[3].split("|")[-2].strip() == "1"
    assert len({len(line) for line in lines}) == 1


def test_group_rows_are_sorted_by_group():
    rows = group_rows(SCORES, lambda scored: scored.family)
    assert [(row.group, row.method) for row in rows] == [
        ("bowl", "iscene-mini"),
        ("bowl", "extruded"),
        ("mug", "iscene-mini"),
        ("mug", "extruded"),
    ]
    assert markdown(rows).startswith("| family | method")


def test_cells_survive_comma_separated_values():
    text = csv_of([["a", "b"], ["1,5", float("nan")]])
    assert list(csv.reader(text.splitlines())) == [["a", "b"], ["1,5", "nan"]]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/table.md"):
        write_text(tmp_path / "file" / "table.md", "text")
