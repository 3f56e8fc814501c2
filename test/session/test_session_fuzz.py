"""Thousands of damaged messages through decoder and session: none raises, good ones complete."""

import random

import numpy as np
import pytest
from fake_completer import FakeCompleter
from random_messages import damage

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.core.stamps import SECOND
from iscene_ros.io.demo_frame import DemoFrame
from iscene_ros.ros.demo_messages import frame_messages
from iscene_ros.ros.message_decoder import MessageDecoder
from iscene_ros.ros.messages import RosbagsTypes
from iscene_ros.session.session import SceneSession
from iscene_ros.session.settings import Settings

START_NS, PERIOD_NS = 1_700_000_000 * SECOND, SECOND // 10
FRAMES = 300
TYPES = RosbagsTypes()


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


class MessageFeed:
    """Feeds messages to a decoder and a session, as a driver does."""

    def __init__(self, relations: bool = False) -> None:
        settings = Settings(detections="vision_msgs", sync_slop=0.0, relations=relations)
        self.lines: list[str] = []
        self.session = SceneSession(settings, FakeCompleter(), self.lines.append)
        self.now = START_NS
        self.decoder = MessageDecoder(
            settings, lambda r, line: self.session.reject(r, line, self.now)
        )

    def frame(self, chance: random.Random | None = None, share: float = 0.3):
        """Feed one frame, damaged at random; the update that it led to."""
        self.now += PERIOD_NS
        for topic, _, message, _ in frame_messages(TYPES, small_frame(), self.now):
            if chance is not None and chance.random() < share:
                damage(message, chance, foreign=chance.random() < 0.3)
            for item in self.decoder.decode(topic.strip("/"), message):
                self.session.add(item, self.now)
            self.session.poll(self.now)
        frame = self.session.take(self.now)
        return None if frame is None else self.session.complete(frame, self.now)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_messages_never_raise_and_good_ones_go_on(seed: int, recwarn) -> None:
    feed, chance = MessageFeed(relations=seed == 1), random.Random(seed)
    for _ in range(FRAMES):
        feed.frame(chance)
    assert feed.session.rejections.total > FRAMES / 10
    assert all("\n" not in line for line in feed.lines)
    # Damaged stamps may have moved the session's time; good frames bring it back.
    updates = [feed.frame() for _ in range(40)]
    assert updates[-1] is not None and len(updates[-1].seen) == 2
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]  # as of overflows
