"""What demo.launch.py starts, without launch: two processes, a namespace, the real model."""

import json
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

import rclpy
from lifecycle_msgs.srv import GetState
from node_processes import running, start
from service_calls import call
from std_srvs.srv import Trigger

from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.publishers import TF_DEPTH, reliable_qos
from iscene_ros.ros.topics import OUTPUTS

PATIENCE = 90.0
NAMESPACE = "/arm"
CONFIG = Path(__file__).parents[2] / "config"
IN_NAMESPACE = ("-r", f"__ns:={NAMESPACE}")
REMAPPED = ("-r", f"depth:={NAMESPACE}/depth/registered")


class Listener:
    """Keeps every output of a node in the namespace."""

    def __init__(self) -> None:
        self.node, types = rclpy.create_node("listener"), RclpyTypes()
        self.received: dict[str, list] = {topic.name: [] for topic in OUTPUTS}
        for topic in OUTPUTS:
            self.node.create_subscription(
                types.message_class(topic.type_name),
                topic.name.replace("~", f"{NAMESPACE}/iscene"),
                self.received[topic.name].append,
                reliable_qos(topic.latched, TF_DEPTH),
            )

    def until(self, condition):
        """Receive until a condition holds; return its value."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < end, {k: len(v) for k, v in self.received.items()}
            rclpy.spin_once(self.node, timeout_sec=0.1)
        return value

    def call(self, name: str, kind: type):
        """Return the answer of a service of the node."""
        return call(self.node, f"{NAMESPACE}/iscene/{name}", kind, PATIENCE)


@pytest.fixture
def listener():
    rclpy.init()
    made = Listener()
    yield made
    made.node.destroy_node()
    rclpy.try_shutdown()


def test_a_scene_comes_out_under_the_same_names_everywhere(listener: Listener) -> None:
    parameters = ("--params-file", str(CONFIG / "scene.yaml"))
    parameters += ("--params-file", str(CONFIG / "demo.yaml"), "-p", "autostart:=true")
    scene = start(*parameters, "-p", "collision_shape:=hull", *IN_NAMESPACE, *REMAPPED)
    replay = start("-p", "rate:=1.0", *IN_NAMESPACE, *REMAPPED, executable="replay_node")
    received = listener.received
    with running(scene, replay):
        listener.until(lambda: all(received.values()))
        names = {d.id for d in received["~/objects"][-1].detections}
        assert len(names) == 8 and all(name.startswith("arm/") for name in names)
        assert received["~/objects"][-1].header.frame_id == "map"
        assert {m.ns for m in received["~/meshes"][-1].markers if m.points} == names
        document = json.loads(received["~/scene_graph"][-1].data)
        assert {o["name"] for o in document["objects"]} == names
        assert received["~/cloud"][-1].width > 1000
        listener.until(
            lambda: names in [{t.child_frame_id for t in m.transforms} for m in received["/tf"]]
        )
        objects = {o.id for o in received["~/planning_scene"][0].world.collision_objects}
        assert objects - {"arm/support", "arm/environment"} == names
        listener.until(
            lambda: "arm/iscene: scene" in {m.status[0].name for m in received["/diagnostics"]}
        )
        assert listener.call("get_state", GetState).current_state.label == "active"
        answer = listener.call("complete", Trigger)
        assert answer.success, answer.message
