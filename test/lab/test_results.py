"""What an evaluation reports."""

from dataclasses import replace

import numpy as np
import pytest

from iscene_ros.lab.evaluation.metrics import Score
from iscene_ros.lab.evaluation.reports import print_report
from iscene_ros.lab.evaluation.results import Results, expected_calibration_error, score_table
from iscene_ros.lab.evaluation.scenes import MODEL, ScoredObject, ScoredScene

GOOD = Score(0.8, 0.9, 0.002, 0.9, 1.0, 0.003)
BAD = Score(0.6, 0.7, 0.004, 0.7, 0.8, 0.005)


def scene(number: int) -> ScoredScene:
    objects = (
        ScoredObject(number, 1, "mug", "clutter", MODEL, GOOD, 0.7, 0.5, 0.001, 0.002),
        ScoredObject(number, 1, "mug", "clutter", "extruded", BAD),
        ScoredObject(number, 2, "bulb", "clutter", MODEL, BAD, 0.6, 0.4, 0.003, 0.004),
        ScoredObject(number, 2, "bulb", "clutter", "extruded", Score()),
    )
    return ScoredScene(objects, {MODEL: GOOD, "extruded": BAD})


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_results_are_tables_and_one_line_an_object():
    results = Results.collect([scene(0), None, scene(1)])
    report = results.report()
    for heading in ("Objects", "Scenes as a whole", "By layout", "By family"):
        assert heading in report
    assert "Observed points to the mesh: median 2.00 mm" in report
    assert "mean error 4.00 mm, rank correlation with the confidence -1.00" in report
    assert "with the reported uncertainty 1.00" in report
    lines = results.csv().splitlines()
    assert len(lines) == 1 + 8
    assert lines[1] == "0,1,mug,clutter,iscene-mini,0.8,0.9,0.002,0.9,1.0,0.003,0.7,0.5,0.001,0.002"


def test_uncertainties_that_few_objects_have_are_not_ranked(recwarn):
    one = scene(0)
    objects = tuple(replace(o, uncertainty=float("nan")) for o in one.objects[:1])
    report = Results.collect([replace(one, objects=objects + one.objects[1:])]).report()
    assert "with the reported uncertainty nan" in report and not recwarn.list


def test_a_table_has_the_means_of_each_method_in_the_order_of_their_first_score():
    table = score_table(["method"], [((o.method,), o.score) for o in scene(0).objects])
    lines = table.splitlines()
    assert cells(lines[0])[:3] == ["method", "IoU [%]", "Box IoU [%]"]
    assert cells(lines[2]) == ["iscene-mini", "70.0", "80.0", "3.00", "80.0", "90.0", "2", "0"]
    assert cells(lines[3]) == ["extruded", "30.0", "35.0", "4.00", "35.0", "40.0", "2", "1"]
    assert len({len(line) for line in lines}) == 1


def test_the_rows_of_groups_are_sorted_by_group():
    scores = [((o.family, o.method), o.score) for o in scene(0).objects]
    lines = score_table(["family", "method"], scores).splitlines()
    assert [cells(line)[:2] for line in lines[2:]] == [
        ["bulb", MODEL],
        ["bulb", "extruded"],
        ["mug", MODEL],
        ["mug", "extruded"],
    ]


def test_calibration_error_is_zero_for_honest_confidence_and_the_gap_otherwise():
    overlaps = np.array([0.1, 0.1, 0.9, 0.9])
    assert expected_calibration_error(overlaps, overlaps) == 0
    assert expected_calibration_error(np.full(4, 0.75), overlaps) == pytest.approx(0.25)


def test_a_report_names_the_machine_and_is_written_and_printed(tmp_path, capsys):
    print_report(tmp_path / "new" / "report.md", "a table")
    written = (tmp_path / "new" / "report.md").read_text()
    assert written.startswith("a table\nMachine: ") and " cores, " in written
    assert written in capsys.readouterr().out
