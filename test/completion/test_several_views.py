"""Further views complete an object: its hidden side comes out where it is."""

from dataclasses import replace

import numpy as np
from made_objects import scene_bytes
from orbit_views import BOXES, orbit_view

from iscene_ros.models.base import CompletionRequest
from iscene_ros.preprocess.instance_views import instance_views

FRONT, SIDE, BACK = orbit_view(-90), orbit_view(-10), orbit_view(100)


def size_error(scene, instance_id: int = 1) -> float:
    """Return the largest error of the edges of a box's bounds in the world [m]."""
    item = scene[instance_id]
    mesh = item.mesh.transformed(item.frame_from_object)
    edges, center = (np.array(values) for values in BOXES[instance_id])
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    return float(
        max(np.abs(low - center + edges / 2).max(), np.abs(high - center - edges / 2).max())
    )


def test_further_views_complete_the_hidden_side(completer):
    one, three = completer.complete(FRONT), completer.complete([BACK, SIDE, FRONT])
    assert size_error(three) < min(0.005, size_error(one))
    assert three[1].observed_fraction > one[1].observed_fraction + 0.15
    assert three.frame_id == "world" and len(three.graph.ids) == 2


def test_evidence_is_what_a_sequence_amounts_to(completer):
    evidence = {i: [view] for i, view in instance_views(BACK).items()}
    scene = completer.complete(FRONT, CompletionRequest(evidence=evidence))
    assert size_error(scene) < size_error(completer.complete(FRONT))


def test_a_sequence_of_one_view_is_that_view(completer):
    assert scene_bytes(completer.complete([FRONT])) == scene_bytes(completer.complete(FRONT))


def test_an_object_that_only_an_earlier_view_shows_is_completed(completer):
    scene = completer.complete([BACK, orbit_view(-90, ids=(1,))])
    assert {item.id for item in scene.objects} == {1, 2}
    assert scene.skipped == () and size_error(scene, 2) < 0.03


def test_a_view_without_objects_adds_nothing(completer):
    nothing = np.zeros((0, *BACK.depth.shape), bool)
    empty = replace(BACK, masks=nothing, labels=(), scores=(), instance_ids=())
    assert [item.id for item in completer.complete([empty, FRONT]).objects] == [1, 2]
