"""Our transforms are those of tf2."""

import numpy as np
import pytest

pytest.importorskip("tf2_ros", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

import tf2_ros
from geometry_msgs.msg import TransformStamped
from random_trees import Tree
from rclpy.time import Time
from scipy.spatial.transform import Rotation
from session_inputs import MS, START_NS


def test_lookup_equals_tf2_on_random_trees():
    rng = np.random.default_rng(0)
    for seed in range(30):
        size = int(rng.integers(2, 9))
        tree, buffer = Tree(seed, size), tf2_ros.Buffer()
        for parent, child, stamp, rotation, position, static in tree.samples():
            message = TransformStamped()
            message.header.stamp = Time(nanoseconds=stamp).to_msg()
            message.header.frame_id, message.child_frame_id = parent, child
            t, q = message.transform.translation, message.transform.rotation
            t.x, t.y, t.z = map(float, position)
            q.x, q.y, q.z, q.w = map(float, rotation.as_quat())
            (buffer.set_transform_static if static else buffer.set_transform)(message, "test")
        ours = tree.buffer()
        for ms in (0, 1, 65, 130, 399, 777, 1000):
            target, source = (f"f{i}" for i in rng.integers(size, size=2))
            stamp = START_NS + ms * MS
            found = buffer.lookup_transform_core(target, source, Time(nanoseconds=stamp)).transform
            q, t = found.rotation, found.translation
            expected = np.eye(4)
            expected[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
            expected[:3, 3] = t.x, t.y, t.z
            np.testing.assert_allclose(ours.lookup(target, source, stamp), expected, atol=1e-9)
