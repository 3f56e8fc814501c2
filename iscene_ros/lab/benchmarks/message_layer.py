"""Time of the layer around the model: decoding, the object map, encoding and publishing.

With ROS sourced, messages are rclpy's and leave through its publishers; without ROS they are those
of rosbags and end as CDR bytes.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from iscene_ros.core.stamps import SECOND
from iscene_ros.io.demo_frame import DemoFrame
from iscene_ros.lab.benchmarks.stub_completers import Ellipsoids
from iscene_ros.lab.benchmarks.table_scene import table_scene
from iscene_ros.ros.demo_messages import frame_messages
from iscene_ros.ros.encoder import Encoder
from iscene_ros.ros.message_decoder import MessageDecoder
from iscene_ros.ros.messages import MessageTypes, RclpyTypes, RosbagsTypes
from iscene_ros.ros.topics import DIAGNOSTICS, OUTPUTS, OVERLAY
from iscene_ros.session.session import SceneSession
from iscene_ros.session.settings import Settings

STAGES = ("messages in", "object map", "messages out", "publishing")
START_NS = 1_700_000_000 * SECOND
PERIOD_NS = SECOND // 30
Publish = Callable[[str, Any], None]


@dataclass(frozen=True)
class LayerTimes:
    """Times of F frames.

    Attributes:
        objects: Number of objects in the scene.
        faces: Number of triangles of an object.
        through: "rclpy" or "rosbags".
        overlay: Whether ~/overlay was drawn.
        seconds: (stage, (F,) float64 times [s]) of each of `STAGES`.
    """

    objects: int
    faces: int
    through: str
    overlay: bool
    seconds: tuple[tuple[str, np.ndarray], ...]

    @property
    def layer(self) -> np.ndarray:
        """(F,) time of decoding, encoding and publishing each frame [s], without the object map."""
        return np.sum([times for stage, times in self.seconds if stage != "object map"], axis=0)


def measure_layer(
    objects: int, frames: int, overlay: bool = False, faces: int = 5000
) -> LayerTimes:
    """Send a table scene of 640 x 480 pixels through the layer again and again.

    Args:
        objects: Number of objects, 1 to 20.
        frames: Number of timed frames, after three to warm up.
        overlay: Whether to draw ~/overlay, which a node does only for subscribers.
        faces: Approximate number of triangles of an object.
    """
    with _transport() as (types, publish, through):
        layer = _Layer(types, publish, objects, faces, overlay)
        seconds: dict[str, list[float]] = defaultdict(list)
        for number in range(frames + 3):
            for stage, spent in layer.frame(number).items():
                seconds[stage].append(spent)
    times = tuple((stage, np.array(seconds[stage][3:])) for stage in STAGES)
    return LayerTimes(objects, layer.faces, through, overlay, times)


class _Layer:
    def __init__(
        self, types: MessageTypes, publish: Publish, objects: int, faces: int, overlay: bool
    ) -> None:
        self._types, self._publish = types, publish
        # Relations and the fused surroundings have benchmarks of their own.
        settings = Settings(model="known", faces=faces, relations=False, environment=False)
        completer = Ellipsoids(faces)
        self.faces = len(completer.mesh.faces)
        self._session = SceneSession(settings, completer)
        self._decoder = MessageDecoder(settings, lambda reason, line: None)
        self._encoder = Encoder(types, settings, "/iscene/meshes")
        observation = table_scene(objects).observation
        labels = (observation.masks * np.arange(1, objects + 1)[:, None, None]).sum(axis=0)
        grey = np.full((*labels.shape, 3), 128, np.uint8)
        self._frame = DemoFrame(
            replace(observation, rgb=grey), labels.astype(np.uint8), observation.world_from_camera
        )
        left_out = (DIAGNOSTICS,) if overlay else (DIAGNOSTICS, OVERLAY)
        self._topics = [topic.name for topic in OUTPUTS if topic.name not in left_out]

    def frame(self, number: int) -> dict[str, float]:
        """Return the seconds of each stage of one frame."""
        stamp = START_NS + number * PERIOD_NS
        messages = frame_messages(self._types, self._frame, stamp)
        raw = [
            (m.topic.strip("/"), m.type_name, self._types.serialize(m.type_name, m.message))
            for m in messages
            if m.topic != "detections"
        ]
        started = time.perf_counter()
        for key, type_name, data in raw:
            for item in self._decoder.decode(key, self._types.deserialize(type_name, data)):
                self._session.add(item, stamp)
        self._session.poll(stamp)
        frame = self._session.take(stamp)
        received = time.perf_counter()
        update = self._session.complete(frame, stamp)
        changed = time.perf_counter()
        made = [(name, self._encoder.encode(name, update)) for name in self._topics]
        encoded = time.perf_counter()
        for name, message in made:
            self._publish(name, message)
        published = time.perf_counter()
        ends = (received, changed, encoded, published)
        return dict(zip(STAGES, np.diff((started, *ends)).tolist(), strict=True))


@contextmanager
def _transport() -> Iterator[tuple[MessageTypes, Publish, str]]:
    """Yield the message types, a function that publishes, and the name of the middleware."""
    if find_spec("rclpy") is None:
        types = RosbagsTypes()
        names = {topic.name: topic.type_name for topic in OUTPUTS}

        def serialize(name: str, message: Any) -> None:
            if not isinstance(message, bytes):
                types.serialize(names[name], message)

        yield types, serialize, "rosbags"
        return
    with _publishers() as publishers:
        yield RclpyTypes(), lambda name, m: publishers[name].publish(m), "rclpy"


@contextmanager
def _publishers() -> Iterator[dict[str, Any]]:
    import rclpy

    from iscene_ros.ros.publishers import reliable_qos

    types, context = RclpyTypes(), rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("layer_benchmark", context=context)
    try:
        yield {
            topic.name: node.create_publisher(
                types.message_class(topic.type_name), topic.name, reliable_qos(topic.latched)
            )
            for topic in OUTPUTS
        }
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def layer_table(measured: Sequence[LayerTimes]) -> list[list[str]]:
    """Return headings and rows: median and 95th percentile of each stage and of the layer [ms]."""
    headings = ["objects", "faces", "through", "overlay", "quantile"]
    rows = [[*headings, *(f"{stage} [ms]" for stage in STAGES), "layer [ms]"]]
    for one in measured:
        for percent in (50, 95):
            values = [*(times for _, times in one.seconds), one.layer]
            cells = [f"{1000 * np.percentile(times, percent):.1f}" for times in values]
            overlay = "yes" if one.overlay else "no"
            rows.append(
                [str(one.objects), str(one.faces), one.through, overlay, f"p{percent}", *cells]
            )
    return rows
