"""Inputs in other transports and under other names, on a real ROS."""

import struct
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

from input_messages import image_file
from robot import Robot, robot, wait_until

from iscene_ros.io.demo_frame import demo_frame

COMPRESSED = "sensor_msgs/msg/CompressedImage"
TF = "tf2_msgs/msg/TFMessage"


def compressed(r: Robot, header: Any, pixels: np.ndarray, kind: str, head: bytes = b"") -> Any:
    data = np.frombuffer(head + image_file(pixels, "png"), np.uint8)
    return r.types.make(COMPRESSED, header=header, format=kind, data=r.types.byte_array(data))


def test_compressed_depth_and_masks_are_read() -> None:
    frame = demo_frame()
    depth = (frame.observation.depth * 1000).astype(np.uint16)
    parameters = {
        "depth_transport": "compressedDepth",
        "topics.instances": "instances/compressed",
    }
    with robot(**parameters) as r:

        def change(topic: str, message: Any) -> Any:
            if topic == "depth":
                head, kind = struct.pack("<iff", 0, 0, 0), "16UC1; compressedDepth png"
                made = compressed(r, message.header, depth, kind, head)
                r._publisher("depth/compressedDepth", COMPRESSED, False).publish(made)
            elif topic == "instances":
                made = compressed(r, message.header, frame.labels_image, "mono8; png compressed ")
                r._publisher("instances/compressed", COMPRESSED, False).publish(made)
            else:
                return message
            return None

        r.listen("~/objects")
        assert len(r.until("~/objects", change=change)[-1].detections) == 8


def test_tf_below_a_namespace_is_read_and_written() -> None:
    names = {"/tf": "/robot1/tf", "/tf_static": "/robot1/tf_static"}
    with robot(**{"topics.tf": names["/tf"], "topics.tf_static": names["/tf_static"]}) as r:
        heard = []
        kind = r.types.message_class(TF)
        r.probe.create_subscription(kind, names["/tf"], heard.append, 10)

        def change(topic: str, message: Any) -> Any:
            if topic not in names:
                return message
            r._publisher(names[topic], TF, topic == "/tf_static").publish(message)
            return None

        r.listen("~/objects")
        ids = {d.id for d in r.until("~/objects", change=change)[-1].detections}
        wait_until(lambda: any({t.child_frame_id for t in m.transforms} == ids for m in heard))


def test_calibration_without_stamp_and_images_without_frame_are_read() -> None:
    with robot(camera_frame="camera_color_optical_frame") as r:

        def change(topic: str, message: Any) -> Any:
            if topic == "camera_info":
                message.header = r.types.header(0, "")
            elif not topic.startswith("/"):
                message.header.frame_id = ""
            return message

        r.listen("~/objects")
        newest = r.until("~/objects", change=change)[-1]
        assert len(newest.detections) == 8 and newest.header.frame_id == "map"


def test_a_doubt_is_told_once_and_counted_on_diagnostics() -> None:
    with robot() as r:

        def change(topic: str, message: Any) -> Any:
            if topic == "instances":
                message.header.frame_id = "mask_camera"
            return message

        r.listen("~/objects", "/diagnostics")
        r.until("~/objects", 3, change=change)

        def counted() -> bool:
            return bool(r.received["/diagnostics"]) and "newest warning" in r.diagnostics()

        wait_until(counted)
        assert "mask_camera" in r.diagnostics()["newest warning"]
        assert int(r.diagnostics()["warning: frames"]) >= 1


def test_diagnostics_tell_refused_inputs_from_missing_ones() -> None:
    with robot() as r:

        def change(topic: str, message: Any) -> Any:
            if topic == "camera_info":
                message.k = np.eye(3).ravel()
            return None if topic == "depth" else message

        r.listen("/diagnostics")

        def told() -> bool:
            r.publish_frame(change)
            summary = r.diagnostics()["summary"] if r.received["/diagnostics"] else ""
            return "no message yet: depth" in summary and "camera_info: all refused: " in summary

        wait_until(told)
