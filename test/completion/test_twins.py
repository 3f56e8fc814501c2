"""Twins in a completion: a half hidden object gets what the other one shows, all else stays."""

from dataclasses import replace

import numpy as np
import pytest
from made_objects import scene_bytes
from orbit_views import orbit_view, table_view

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.errors import InputError
from iscene_ros.lab.synthetic.primitives import box, pose
from iscene_ros.lab.synthetic.shapes import Solid
from iscene_ros.models.model_config import CompletionOptions

PACK = np.array([0.10, 0.07, 0.08])
HIDDEN_AT = np.array([-0.07, 0.0, 0.04])


@pytest.fixture(scope="module")
def completers(completer) -> tuple[SceneCompleter, SceneCompleter]:
    return completer, SceneCompleter(completer.shapes, twins=True)


def packs_view():
    pack, screen = Solid((box(PACK),)), Solid((box((0.08, 0.03, 0.13)),))
    placed = [(pack, pose((0.07, 0.0, 0.04))), (pack, pose(HIDDEN_AT))]
    placed.append((screen, pose((-0.10, -0.08, 0.065))))
    return table_view(placed, -90, {1: "pack", 2: "pack"})


def hidden_error(scene) -> float:
    """Return how far the end of the hidden pack is from where it should be [m]."""
    mesh = scene[2].mesh.transformed(scene[2].frame_from_object)
    return float(abs(mesh.vertices[:, 0].min() - HIDDEN_AT[0] + PACK[0] / 2))


def test_a_half_hidden_pack_gets_the_shape_of_the_other_one(completers):
    alone, twins = (completer.complete(packs_view()) for completer in completers)
    assert hidden_error(twins) < min(0.01, 0.5 * hidden_error(alone))
    assert twins[2].observed_fraction > alone[2].observed_fraction
    np.testing.assert_allclose(twins[1].size, alone[1].size, atol=0.002)


def test_different_objects_are_completed_as_without_twins(completers):
    alone, twins = (completer.complete(orbit_view(-90)) for completer in completers)
    assert scene_bytes(twins) == scene_bytes(alone)


def test_twins_add_to_further_views(completers):
    scene = completers[1].complete([replace(packs_view(), stamp=1.0), packs_view()])
    assert hidden_error(scene) < 0.01


def test_without_a_pose_a_warning_says_that_twins_are_not_used(completers):
    blind = replace(packs_view(), world_from_camera=None)
    alone, twins = (completer.complete(blind) for completer in completers)
    assert scene_bytes(twins) == scene_bytes(alone)
    assert "twins: no world_from_camera" in twins.warnings[0] and not alone.warnings


def test_a_smaller_bound_of_memory_keeps_the_option(completers):
    assert completers[1].with_objects_at_once(1).twins
    assert not completers[0].with_objects_at_once(1).twins
    assert not CompletionOptions().twins


def test_a_model_of_single_views_has_no_twins(completers):
    class SingleViews:
        name, uses_evidence = "LuLing/IScene", False

    with pytest.raises(InputError, match="twins: LuLing/IScene completes a single view"):
        SceneCompleter(SingleViews(), twins=True)
