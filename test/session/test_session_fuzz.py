"""Thousands of damaged messages through decoder and session: none raises, good ones complete.

ISCENE_FUZZ_FRAMES=N feeds N frames a case instead of 150.
"""

import os
import random
import struct
from typing import Any

import numpy as np
import pytest
from fake_completer import FakeCompleter
from input_messages import TYPES, compressed, image_file
from random_messages import damage

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.core.stamps import SECOND
from iscene_ros.io.demo_frame import DemoFrame
from iscene_ros.ros.common_messages import encode_pose
from iscene_ros.ros.demo_messages import OPTICAL_FRAME, frame_messages
from iscene_ros.ros.message_decoder import MessageDecoder
from iscene_ros.ros.topics import input_topics
from iscene_ros.session.session import SceneSession
from iscene_ros.session.settings import Settings

START_NS, PERIOD_NS = 1_700_000_000 * SECOND, SECOND // 10
FRAMES = int(os.environ.get("ISCENE_FUZZ_FRAMES", "150"))


def small_frame() -> DemoFrame:
    """Two instances before a wall, seen from a metre above the floor."""
    depth = np.full((24, 32), 1.0, np.float32)
    labels_image = np.zeros((24, 32), np.uint8)
    labels_image[4:14, 4:12], labels_image[8:20, 18:28] = 1, 2
    depth[labels_image > 0] = 0.8
    masks = np.stack([labels_image == 1, labels_image == 2])
    camera = Camera(32, 24, np.array([[30.0, 0, 15.5], [0, 30, 11.5], [0, 0, 1]]))
    rgb = np.zeros((24, 32, 3), np.uint8)
    world_from_camera = np.array(
        [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 1], [0, 0, 0, 1]], np.float64
    )
    observation = Observation(depth, masks, camera, rgb, labels=("mug", "box"))
    return DemoFrame(observation, labels_image, world_from_camera)


TRANSPORTS = {
    "raw": {},
    "compressed": {
        "rgb_transport": "compressed",
        "depth_transport": "compressedDepth",
        "topics_instances": "instances/compressed",
    },
    "polygons": {"masks_from": "detections", "detections": "yolo_msgs", "use_rgb": False},
    "pose topic": {"pose_source": "odometry", "camera_frame": OPTICAL_FRAME},
}


def in_transport(name: str, topic: str, message: Any) -> tuple[str, Any]:
    """Key and message of an input as a transport has it."""
    if name == "compressed" and topic in ("rgb", "depth", "instances"):
        frame = small_frame()
        if topic == "rgb":
            made = compressed(image_file(frame.observation.rgb, "png"), "png", message)
        elif topic == "depth":
            steps = (frame.observation.depth * 1000).astype(np.uint16)
            head = struct.pack("<iff", 0, 0.0, 0.0)
            file = head + image_file(steps, "png")
            made = compressed(file, "16UC1; compressedDepth png", message)
        else:
            file = image_file(frame.labels_image, "png")
            made = compressed(file, "mono8; png compressed ", message)
        return f"{topic}_compressed", made
    if name == "polygons" and topic == "detections":
        return topic, yolo(message.header)
    return topic, message


def yolo(header: Any) -> Any:
    """The instances of the frame as polygons."""
    squares = [[(4, 4), (11, 4), (11, 13), (4, 13)], [(18, 8), (27, 8), (27, 19), (18, 19)]]
    make = TYPES.make
    detections = []
    for square in squares:
        points = [make("yolo_msgs/msg/Point2D", x=float(u), y=float(v)) for u, v in square]
        mask = make("yolo_msgs/msg/Mask", height=24, width=32, data=points)
        detections.append(make("yolo_msgs/msg/Detection", class_name="mug", score=0.9, mask=mask))
    return make("yolo_msgs/msg/DetectionArray", header=header, detections=detections)


def odometry(stamp_ns: int) -> Any:
    pose = encode_pose(TYPES, small_frame().world_from_camera)
    return TYPES.make(
        "nav_msgs/msg/Odometry",
        header=TYPES.header(stamp_ns, "map"),
        child_frame_id=OPTICAL_FRAME,
        pose=TYPES.make("geometry_msgs/msg/PoseWithCovariance", pose=pose),
    )


class MessageFeed:
    """Feeds messages to a decoder and a session, as a driver does."""

    def __init__(self, relations: bool = False, transport: str = "raw") -> None:
        values = {"detections": "vision_msgs", "sync_slop": 0.0, "relations": relations}
        settings = Settings(**values | TRANSPORTS[transport])
        self.transport, self.keys = transport, [t.key for t in input_topics(settings)]
        self.lines: list[str] = []
        self.messages = 0
        self.session = SceneSession(settings, FakeCompleter(), self.lines.append)
        self.now = START_NS
        self.decoder = MessageDecoder(
            settings, lambda r, line: self.session.reject(r, line, self.now)
        )

    def frame(self, chance: random.Random | None = None, share: float = 0.3):
        """Feed one frame, damaged at random; the update that it led to."""
        self.now += PERIOD_NS
        messages = [
            in_transport(self.transport, topic.strip("/"), message)
            for topic, _, message, _ in frame_messages(TYPES, small_frame(), self.now)
        ]
        messages.append(("camera_pose", odometry(self.now)))
        for key, message in messages:
            if key not in self.keys:
                continue
            self.messages += 1
            if chance is not None and chance.random() < share:
                damage(message, chance, foreign=chance.random() < 0.3)
            for item in self.decoder.decode(key, message):
                self.session.add(item, self.now)
            self.session.poll(self.now)
        self.session.status(self.now)
        frame = self.session.take(self.now)
        return None if frame is None else self.session.complete(frame, self.now)


@pytest.mark.parametrize(
    ("seed", "transport"), [*enumerate(TRANSPORTS), (4, "raw"), (5, "compressed")]
)
def test_damaged_messages_never_raise_and_good_ones_go_on(
    seed: int, transport: str, recwarn
) -> None:
    feed, chance = MessageFeed(relations=seed == 4, transport=transport), random.Random(seed)
    for _ in range(FRAMES):
        feed.frame(chance)
    assert feed.session.rejections.total > FRAMES / 10
    assert all("\n" not in line for line in feed.lines)
    # Damaged stamps may have moved the session's time; good frames bring it back.
    updates = [feed.frame() for _ in range(40)]
    assert updates[-1] is not None and len(updates[-1].seen) == 2
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]  # as of overflows
