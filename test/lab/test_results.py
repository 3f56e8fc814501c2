"""What an evaluation reports."""

import numpy as np
import pytest

from iscene_ros.cli.main import main
from iscene_ros.lab.evaluation.metrics import Score
from iscene_ros.lab.evaluation.rendered_scenes import MODEL, ScoredObject, ScoredScene
from iscene_ros.lab.evaluation.results import Results, expected_calibration_error

GOOD, BAD = Score(0.8, 0.9, 0.002, 0.9, 1.0), Score(0.6, 0.7, 0.004, 0.7, 0.8)


def scene(number: int) -> ScoredScene:
    objects = (
        ScoredObject(number, 1, "mug", "clutter", MODEL, GOOD, 0.7, 0.5, 0.001),
        ScoredObject(number, 1, "mug", "clutter", "extruded", BAD),
        ScoredObject(number, 2, "bulb", "clutter", MODEL, BAD, 0.6, 0.4, 0.003),
        ScoredObject(number, 2, "bulb", "clutter", "extruded", Score()),
    )
    return ScoredScene(objects, {MODEL: GOOD, "extruded": BAD})


def test_results_are_tables_and_one_line_an_object(tmp_path):
    results = Results.collect([scene(0), None, scene(1)])
    report = results.report()
    for heading in ("Objects", "Scenes as a whole", "By layout", "By family", "Machine"):
        assert heading in report
    assert "Observed points to the mesh: median 2.00 mm" in report
    results.write(tmp_path)
    lines = (tmp_path / "objects.csv").read_text().splitlines()
    assert len(lines) == 1 + 8
    assert lines[1] == "0,1,mug,clutter,iscene-mini,0.8,0.9,0.002,0.9,1.0,0.7,0.5,0.001"
    assert (tmp_path / "report.md").read_text().startswith("Objects")


def test_the_means_are_over_objects():
    row = next(r for r in Results.collect([scene(0)]).object_rows() if r.method == "extruded")
    assert row.summary.missing == 1
    assert row.summary.mean.iou == pytest.approx(0.3)


def test_calibration_error_is_zero_for_honest_confidence_and_the_gap_otherwise():
    overlaps = np.array([0.1, 0.1, 0.9, 0.9])
    assert expected_calibration_error(overlaps, overlaps) == 0
    assert expected_calibration_error(np.full(4, 0.75), overlaps) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ceiling", "0"], "at least 8"),
        (["--ceiling", "32", "--gallery"], "--ceiling and --gallery: one at a time"),
        (["--relations", "--calibrate"], "--relations and --calibrate: one at a time"),
        (["--placement", "--envelopes"], "--placement and --envelopes: one at a time"),
        (["--precision", "int8", "--calibrate"], "not together with --calibrate"),
    ],
)
def test_questions_that_one_evaluation_cannot_answer_are_refused(arguments, message, capsys):
    assert main(["evaluate", *arguments]) == 2
    assert message in capsys.readouterr().err
