"""What an evaluation reports."""

import csv

import numpy as np
import pytest

from iscene_ros.core.errors import InputError
from iscene_ros.lab.evaluation.metrics import Score
from iscene_ros.lab.evaluation.reports import csv_text, this_machine, write_text
from iscene_ros.lab.evaluation.results import (
    Results,
    expected_calibration_error,
    group_rows,
    method_rows,
    score_table,
)
from iscene_ros.lab.evaluation.scenes import MODEL, ScoredObject, ScoredScene

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
    lines = score_table(method_rows(SCORES)).splitlines()
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
    assert score_table(rows).startswith("| family | method")


def test_cells_survive_comma_separated_values():
    text = csv_text([["a", "b"], ["1,5", float("nan")]])
    assert list(csv.reader(text.splitlines())) == [["a", "b"], ["1,5", "nan"]]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/table.md"):
        write_text(tmp_path / "file" / "table.md", "text")
