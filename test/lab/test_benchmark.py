"""Measurements of completions and of the message layer, with fake completers."""

import subprocess

import numpy as np
import pytest
from waiting_completer import BALLAST, DyingCompleter, WaitingCompleter

from iscene_ros.core.errors import ModelError
from iscene_ros.lab.benchmarks import busy, environment
from iscene_ros.lab.benchmarks.completion import measure_completions, measure_objects
from iscene_ros.lab.benchmarks.message_layer import STAGES, layer_table, measure_layer
from iscene_ros.lab.benchmarks.table_scene import table_scene
from iscene_ros.lab.evaluation.bodies import ScoredBody


@pytest.mark.parametrize("objects", [1, 7, 20])
def test_the_table_scene_shows_every_object_where_it_is(objects):
    scene = table_scene(objects)
    observation = scene.observation
    assert len(observation.masks) == len(scene.meshes_world) == objects
    assert observation.masks.sum(axis=0).max() == 1
    for mask, mesh in zip(observation.masks, scene.meshes_world, strict=True):
        rows, columns = np.nonzero(mask)
        assert len(rows) > 100
        points = observation.camera.unproject(
            np.column_stack([columns, rows]), observation.depth[rows, columns]
        )
        pose = observation.world_from_camera
        points_world = points @ pose[:3, :3].T + pose[:3, 3]
        assert ScoredBody(mesh).distance(points_world).max() < 1e-5


def test_more_objects_do_not_move_the_others():
    few, many = table_scene(3), table_scene(20)
    for first, second in zip(few.meshes_world, many.meshes_world, strict=False):
        np.testing.assert_array_equal(first.vertices, second.vertices)
    np.testing.assert_array_equal(few.observation.depth, table_scene(3).observation.depth)


def test_a_scene_has_between_1_and_20_objects():
    with pytest.raises(ValueError, match="expected 1 to 20"):
        table_scene(21)


def test_each_number_of_objects_has_its_own_peak_of_memory():
    large, small = measure_completions(WaitingCompleter, objects=(3, 1), repeats=1)
    assert (large.objects, large.completed) == (3, 3)
    assert large.peak_megabytes > small.peak_megabytes + 0.6 * BALLAST / 1e6
    assert small.peak_gpu_megabytes == 0


def test_seconds_grow_with_objects():
    one, eight = (measure_objects(WaitingCompleter, count, repeats=2) for count in (1, 8))
    assert one.seconds.total >= 0.001
    assert eight.seconds.network > one.seconds.network


def test_a_killed_process_is_named():
    with pytest.raises(ModelError, match="2 objects was killed"):
        list(measure_completions(DyingCompleter, objects=(2,), repeats=1))


def test_work_is_measured_idle_and_beside_busy_processes(monkeypatch):
    started, popen = [], subprocess.Popen

    def start(*args):
        started.append(popen(*args))
        return started[-1]

    def running(completer, objects):
        return (1.0, 1.0 + sum(process.poll() is None for process in started), 1.0, 1.0, 1.0)

    monkeypatch.setattr(busy.subprocess, "Popen", start)
    monkeypatch.setattr(busy, "_seconds", running)
    measured = list(busy.measure_busy(WaitingCompleter, [1, 2], repeats=3))
    headings, *rows = busy.busy_table(measured)
    assert [row[:2] for row in rows] == [["1", "0"], ["1", "2"], ["2", "0"], ["2", "2"]]
    assert [row[-1] for row in rows] == ["1.0", "3.0", "1.0", "3.0"]
    assert all(process.poll() is not None for process in started)


def test_every_stage_is_timed_for_every_frame():
    measured = measure_layer(objects=2, faces=200, frames=3, overlay=True)
    assert [stage for stage, _ in measured.seconds] == list(STAGES)
    assert all(times.shape == (3,) and (times > 0).all() for _, times in measured.seconds)
    in_, _, out, publishing = (times for _, times in measured.seconds)
    np.testing.assert_allclose(measured.layer, in_ + out + publishing)
    assert abs(measured.faces - 200) < 60


def test_table_has_a_row_a_quantile():
    headings, *rows = layer_table([measure_layer(objects=1, frames=2, faces=100)])
    assert [row[4] for row in rows] == ["p50", "p95"]
    assert all(len(row) == len(headings) for row in rows)


def test_fusing_the_surroundings_is_timed_and_its_memory_does_not_grow():
    pytest.importorskip("open3d", reason="needs open3d: pip install 'iscene_ros[fusion]'")
    cost = environment.measure_fusion(2 * environment.PLACES + 5)
    assert len(cost.seconds) == 25 and len(cost.mesh_seconds) == 2
    assert cost.blocks > 500 and 1000 < cost.triangles <= 5000 and cost.growth_mb < 30
    headings, row = environment.fusion_table(cost)
    assert len(headings) == len(row)
