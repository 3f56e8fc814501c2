import numpy as np

from iscene_ros.lab.benchmarks.layer_benchmark import STAGES, layer_table, measure_layer


def test_every_stage_is_timed_for_every_frame() -> None:
    measured = measure_layer(objects=2, faces=200, frames=3, overlay=True)
    assert [stage for stage, _ in measured.seconds] == list(STAGES)
    assert all(times.shape == (3,) and (times > 0).all() for _, times in measured.seconds)
    in_, _, out, publishing = (times for _, times in measured.seconds)
    np.testing.assert_allclose(measured.layer, in_ + out + publishing)
    assert abs(measured.faces - 200) < 60


def test_table_has_a_row_a_quantile() -> None:
    headings, *rows = layer_table([measure_layer(objects=1, faces=100, frames=2)])
    assert [row[4] for row in rows] == ["p50", "p95"]
    assert all(len(row) == len(headings) for row in rows)
