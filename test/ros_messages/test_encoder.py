import json
from dataclasses import replace

import pytest
import scene_updates

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.ros import topics
from iscene_ros.ros.encoder import Encoder
from iscene_ros.ros.messages import RclpyTypes, RosbagsTypes
from iscene_ros.session.settings import Settings

ENCODED = [topic.name for topic in topics.OUTPUTS if topic.name != topics.DIAGNOSTICS]


@pytest.fixture(params=["small", "real", "empty"])
def update(request: pytest.FixtureRequest) -> SceneUpdate:
    if request.param == "real":
        return scene_updates.arc2017_update()
    small = scene_updates.small_update()
    return small if request.param == "small" else replace(small, objects=(), relations=())


@pytest.mark.parametrize("topic", ENCODED)
def test_what_is_read_is_written_again(update: SceneUpdate, topic: str) -> None:
    types, name = RosbagsTypes(), topics.output_topic(topic).type_name
    data = Encoder(types, Settings()).encode_cdr(topic, update)
    assert types.serialize(name, types.deserialize(name, data)) == data


@pytest.mark.parametrize("topic", ENCODED)
def test_ros_and_rosbags_write_what_ros_reads_as_the_same(update: SceneUpdate, topic: str) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")
    of_ros = Encoder(RclpyTypes(), Settings()).encode_cdr(topic, update)
    of_rosbags = Encoder(RosbagsTypes(), Settings()).encode_cdr(topic, update)
    types, name = RclpyTypes(), topics.output_topic(topic).type_name
    assert types.deserialize(name, of_ros) == types.deserialize(name, of_rosbags)


def test_settings_take_effect_when_replaced() -> None:
    update = scene_updates.small_update()
    encoder = Encoder(RosbagsTypes(), Settings(cloud_points=10), "/lab/scene/meshes")
    assert encoder.encode(topics.CLOUD, update).width == 20
    before = encoder.encode(topics.MESHES, update)
    encoder.settings = Settings(cloud_points=30, marker_alpha=0.5, inline_meshes=True)
    assert encoder.encode(topics.CLOUD, update).width == 60
    assert encoder.encode(topics.MESHES, update) != before
    entry = json.loads(encoder.encode(topics.SCENE_GRAPH, update).data)["objects"][0]
    assert entry["mesh"] == "topic:/lab/scene/meshes#mug_1" and "mesh_data" in entry


def test_outputs_of_the_map_are_latched() -> None:
    latched = {topic.name for topic in topics.OUTPUTS if topic.latched}
    assert latched == set(ENCODED) - {topics.TF, topics.OVERLAY, topics.PLANNING_SCENE}


def test_names_are_unique_and_found() -> None:
    names = [topic.name for topic in topics.OUTPUTS]
    assert len(set(names)) == len(names) == 15
    assert topics.output_topic("/diagnostics").type_name == "diagnostic_msgs/msg/DiagnosticArray"
    with pytest.raises(KeyError):
        topics.output_topic("~/nothing")
