"""demo.launch.py as a user starts it: processes of their own, the real model, a namespace."""

import json
import unittest

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")
pytest.importorskip("launch_testing", reason="needs launch_testing of ROS 2")

import launch_testing
import launch_testing.actions
import launch_testing.asserts
import rclpy
from ament_index_python.packages import PackageNotFoundError, get_package_share_path
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from lifecycle_msgs.srv import GetState
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

NAMESPACE = "launched"
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# Loading torch and the model takes a while on a small machine.
PATIENCE = 90.0

try:
    SHARE = get_package_share_path("iscene_ros")
except PackageNotFoundError:
    SHARE = None
# launch_testing imports this file before pytest does: a skip of the whole module would end both.
where_installed = unittest.skipUnless(SHARE, "needs iscene_ros built by colcon and sourced")


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    ready = launch_testing.actions.ReadyToTest()
    if SHARE is None:
        return LaunchDescription([ready])
    source = PythonLaunchDescriptionSource(str(SHARE / "launch/demo.launch.py"))
    arguments = {"namespace": NAMESPACE, "rate": "1.0"}
    demo = IncludeLaunchDescription(source, launch_arguments=arguments.items())
    return LaunchDescription([demo, ready])


@where_installed
class TestDemo(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        rclpy.init()
        cls.node = rclpy.create_node("listener")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.node.destroy_node()
        rclpy.try_shutdown()

    def newest(self, topic: str, kind: type, qos: QoSProfile = LATCHED, accept=bool) -> object:
        """The first accepted message of a topic."""
        received = []
        subscription = self.node.create_subscription(kind, topic, received.append, qos)
        end = self.node.get_clock().now().nanoseconds + PATIENCE * 1e9
        try:
            while self.node.get_clock().now().nanoseconds < end:
                rclpy.spin_once(self.node, timeout_sec=0.2)
                for message in received:
                    if accept(message):
                        return message
        finally:
            self.node.destroy_subscription(subscription)
        self.fail(f"nothing on {topic}")

    def call(self, name: str, kind: type) -> object:
        """The answer of a service."""
        client = self.node.create_client(kind, f"/{NAMESPACE}/iscene/{name}")
        self.assertTrue(client.wait_for_service(PATIENCE))
        future = client.call_async(kind.Request())
        rclpy.spin_until_future_complete(self.node, future, timeout_sec=PATIENCE)
        return future.result()

    def test_scene_comes_out_under_the_same_names_everywhere(self) -> None:
        base = f"/{NAMESPACE}/iscene"
        objects = self.newest(f"{base}/objects", Detection3DArray)
        names = {d.id for d in objects.detections}
        self.assertEqual(len(names), 8)
        self.assertEqual(objects.header.frame_id, "map")
        markers = self.newest(f"{base}/meshes", MarkerArray)
        self.assertEqual({m.ns for m in markers.markers if m.points}, names)
        document = json.loads(self.newest(f"{base}/scene_graph", String).data)
        self.assertEqual({o["name"] for o in document["objects"]}, names)
        self.assertGreater(self.newest(f"{base}/cloud", PointCloud2).width, 1000)
        self.newest(
            "/tf",
            TFMessage,
            QoSProfile(depth=100),
            lambda m: {t.child_frame_id for t in m.transforms} == names,
        )

    def test_node_was_activated_and_answers(self) -> None:
        self.newest(f"/{NAMESPACE}/iscene/objects", Detection3DArray)
        self.assertEqual(self.call("get_state", GetState).current_state.label, "active")
        answer = self.call("complete", Trigger)
        self.assertTrue(answer.success, answer.message)


@launch_testing.post_shutdown_test()
@where_installed
class TestExit(unittest.TestCase):
    def test_processes_end_cleanly(self, proc_info) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
