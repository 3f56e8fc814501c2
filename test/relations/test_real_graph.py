"""The scene graph of a real robot frame, from depth to a plan."""

import pytest
from task_planner import plan

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.relations.build import with_relations


@pytest.fixture(scope="module")
def graph():
    observation = arc2017_observation()
    scene = SceneCompleter.from_pretrained("iscene-mini", "cpu").complete(observation)
    return with_relations(scene, observation, shapes=False).graph


def test_everything_in_the_bin_rests_on_something(graph):
    assert len(graph.ids) == 8
    assert all(graph.supporters(object_id) for object_id in graph.ids)


def test_planner_clears_the_most_covered_object(graph, tmp_path):
    target = max(graph.ids, key=lambda i: len(graph.removal_order(i)))
    order = graph.removal_order(target)
    assert len(order) > 1
    steps = plan(graph, target, tmp_path)
    lifted = [int(name.rsplit("_", 1)[1]) for name, *_ in steps if name.startswith("lift_")]
    assert lifted[-1] == target and set(lifted) <= set(order)
