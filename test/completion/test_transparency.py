"""Objects through which the sensor reads the table are suspects of being transparent."""

from dataclasses import replace

import numpy as np
import pytest
from orbit_views import BOXES, orbit_view

from iscene_ros.completion.scene_completer import SUSPECT_CONFIDENCE
from iscene_ros.core.observation import Observation
from iscene_ros.geometry.planes import find_planes
from iscene_ros.io.scene_io import read_scene, write_scene
from iscene_ros.preprocess.transparency import drop_readings_behind


def glass_view(share: float) -> Observation:
    """Return a view of two boxes; in a share of the first one's columns the table shows through."""
    view = orbit_view(-90)
    rows, columns = np.nonzero(view.masks[0])
    threshold = np.quantile(columns, share)
    through = columns <= threshold
    rays = view.camera.unproject(
        np.column_stack([columns, rows])[through].astype(float), np.ones(through.sum())
    )
    down = rays @ view.world_from_camera[2, :3]
    depth = view.depth.copy()
    depth[rows[through], columns[through]] = -view.world_from_camera[2, 3] / down
    return replace(view, depth=depth)


@pytest.mark.parametrize(("share", "suspects"), [(0.0, set()), (0.6, {1})])
def test_readings_on_the_table_make_a_suspect_and_are_dropped(share, suspects):
    view = glass_view(share)
    cleaned, found = drop_readings_behind(view, find_planes(view))
    assert found == suspects
    dropped = (view.depth > 0) & (cleaned.depth == 0)
    assert not dropped[~view.masks[0]].any()
    if suspects:
        assert dropped.sum() > 0.5 * view.masks[0].sum()
    else:
        assert cleaned is view


def test_a_flat_thing_on_the_table_is_no_suspect():
    view = glass_view(1.0)
    assert drop_readings_behind(view, find_planes(view))[1] == frozenset()


def test_a_suspect_is_flagged_told_and_kept_in_files(completer, tmp_path):
    scene = completer.complete(glass_view(0.6))
    assert scene[1].transparent_suspect and not scene[2].transparent_suspect
    assert scene[1].confidence <= SUSPECT_CONFIDENCE < scene[2].confidence
    assert any("box 1 1: much of its depth" in warning for warning in scene.warnings)
    assert scene[1].size[2] > 0.5 * BOXES[1][0][2]
    write_scene(scene, tmp_path / "scene")
    assert read_scene(tmp_path / "scene")[1].transparent_suspect
