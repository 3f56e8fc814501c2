"""The node on a real ROS, in this process."""

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

from fake_completer import FakeCompleter
from lifecycle_msgs.msg import Transition, TransitionEvent
from rclpy.parameter import Parameter
from robot import PATIENCE, nanoseconds_of, robot, wait_until

from iscene_ros.core.errors import ModelError
from iscene_ros.io.scene_json import validate
from iscene_ros.models.model_config import ModelConfig
from iscene_ros.ros import publishers
from iscene_ros.ros.encode_cloud import POINT
from iscene_ros.ros.encoder import Encoder
from iscene_ros.ros.topics import OUTPUTS


def test_every_output_follows_the_inputs() -> None:
    with robot() as r:
        r.listen()
        r.until("~/objects", 3)
        for topic in OUTPUTS:
            wait_until(lambda name=topic.name: r.received[name])
        objects = r.received["~/objects"][-1]
        names = [d.id for d in objects.detections]
        assert len(names) == 8 and objects.header.frame_id == "map"
        for message in r.received["~/objects"]:
            assert [d.id for d in message.detections] == names
        markers = [m for m in r.received["~/meshes"][-1].markers if m.action == m.ADD]
        assert [m.ns for m in markers] == names and all(m.points for m in markers)
        frames = {t.child_frame_id for t in r.received["/tf"][-1].transforms}
        assert frames == set(names) or "camera_link" in frames
        document = json.loads(r.received["~/scene_graph"][-1].data)
        validate(document)
        assert [o["name"] for o in document["objects"]] == names
        cloud = np.frombuffer(r.received["~/cloud"][-1].data, POINT)
        assert set(np.unique(cloud["object_id"])) == {m.id for m in markers}
        overlay = r.received["~/overlay"][-1]
        assert (overlay.width, overlay.height, overlay.encoding) == (640, 480, "rgb8")


def test_outputs_carry_the_stamp_of_their_input() -> None:
    with robot() as r:
        r.listen("~/objects", "~/meshes", "~/cloud", "~/overlay")
        wait_until(lambda: r.scene.count_subscribers(r.name("~/overlay")) > 0)
        stamp = r.publish_frame()
        for name in ("~/objects", "~/cloud", "~/overlay"):
            header = wait_until(lambda name=name: r.received[name])[0].header
            assert nanoseconds_of(header.stamp) == stamp
        marker = wait_until(lambda: r.received["~/meshes"])[0].markers[-1]
        assert nanoseconds_of(marker.header.stamp) == stamp


LATCHED = [topic.name for topic in OUTPUTS if topic.latched and not topic.optional]


@pytest.mark.parametrize("wait", [0.0, 2.0])
def test_late_subscribers_get_the_scene_at_once_and_after_a_burst(wait: float) -> None:
    with robot() as r:
        r.listen("~/objects")
        r.until("~/objects", 3)
        r.pause(True)
        time.sleep(wait)
        r.listen(*LATCHED)
        for name in LATCHED:
            wait_until(lambda name=name: r.received[name])

        def is_newest() -> bool:
            stamp = nanoseconds_of(r.received["~/cloud"][-1].header.stamp)
            return stamp == r.scene.session.update.stamp_ns

        # The frame that was being completed when the node was paused is still published.
        wait_until(is_newest)


def test_what_has_no_subscriber_is_encoded_once_a_burst(monkeypatch) -> None:
    encoded, encode = [], Encoder.encode

    def count(encoder, topic, update, *rest):
        encoded.append(topic)
        return encode(encoder, topic, update, *rest)

    monkeypatch.setattr(Encoder, "encode", count)
    # A pause of the camera that is longer would end a burst, too.
    monkeypatch.setattr(publishers, "BURST_PAUSE", 4.0)
    with robot() as r:
        r.listen("~/objects")
        r.until("~/objects", 5)
        r.pause(True)
        wait_until(lambda: "~/meshes" in encoded)
        time.sleep(1.5)
        assert encoded.count("~/objects") >= 5
        assert encoded.count("~/meshes") <= 2 and "~/overlay" not in encoded


def test_a_deactivated_node_still_serves_late_subscribers() -> None:
    with robot() as r:
        r.listen("~/objects")
        r.until("~/objects")
        assert r.change_state(Transition.TRANSITION_DEACTIVATE)
        r.listen("~/meshes")
        wait_until(lambda: r.received["~/meshes"])


def test_destroying_the_node_shuts_it_down_by_a_transition() -> None:
    with robot() as r:
        scene = r.scene
        events = []
        r.probe.create_subscription(
            TransitionEvent, r.name("~/transition_event"), events.append, 10
        )
        wait_until(lambda: r.probe.count_publishers(r.name("~/transition_event")))
        scene.trigger_shutdown()
        wait_until(lambda: any(e.goal_state.label == "finalized" for e in events))
        assert scene.session is None


def test_lifecycle_cycles() -> None:
    with robot(activate=False) as r:
        r.listen("~/objects", "/diagnostics")
        assert r.state() == "unconfigured"
        wait_until(lambda: r.received["/diagnostics"])
        assert r.diagnostics()["summary"] == "not configured"
        for _ in range(3):
            assert r.change_state(Transition.TRANSITION_CONFIGURE) and r.state() == "inactive"
            assert r.change_state(Transition.TRANSITION_ACTIVATE) and r.state() == "active"
            before = len(r.received["~/objects"])
            r.until("~/objects", before + 1)
            assert r.change_state(Transition.TRANSITION_DEACTIVATE) and r.state() == "inactive"
            assert not r.scene.get_subscriptions_info_by_topic("/depth")
            assert r.change_state(Transition.TRANSITION_CLEANUP) and r.state() == "unconfigured"


def test_model_that_cannot_be_loaded_leaves_the_node_unconfigured() -> None:
    def load(choice: ModelConfig) -> FakeCompleter:
        raise ModelError("model nothing: no such file")

    with robot(load, activate=False) as r:
        r.listen("/diagnostics")
        assert not r.change_state(Transition.TRANSITION_CONFIGURE)
        assert r.state() == "unconfigured"
        wait_until(lambda: r.received["/diagnostics"] and "no such file" in str(r.diagnostics()))


def test_complete_service_on_demand() -> None:
    with robot(mode="on_demand") as r:
        answer = r.call("~/complete")
        assert not answer.success and "no message yet" in answer.message
        r.listen("~/objects")
        wait_until(lambda: r.scene.count_publishers("/depth") or not r.publish_frame())
        r.publish_frame()
        time.sleep(0.5)
        assert not r.received["~/objects"]
        answer = r.call("~/complete")
        assert answer.success and "8 objects" in answer.message
        wait_until(lambda: r.received["~/objects"])
        answer = r.call("~/complete")
        assert not answer.success and "no new frame" in answer.message


def test_save_scene_answers_the_path_or_the_reason_of_a_failure(tmp_path) -> None:
    with robot(save_directory=str(tmp_path)) as r:
        assert not r.call("~/save_scene").success
        r.listen("~/objects")
        r.until("~/objects")
        answer = r.call("~/save_scene")
        assert answer.success, answer.message
        assert answer.message.startswith(str(tmp_path))
        saved = next(tmp_path.iterdir())
        assert (saved / "scene.json").exists() and (saved / "scene.glb").exists()
        no_folder = Parameter("save_directory", value="/proc/nowhere")
        assert r.scene.set_parameters([no_folder])[0].successful
        answer = r.call("~/save_scene")
        assert not answer.success and "save_directory" in answer.message


def test_save_scene_writes_the_twin_beside_where_it_is_asked_for(tmp_path) -> None:
    with robot(save_directory=str(tmp_path), collision_shape="hull") as r:
        assert r.scene.set_parameters([Parameter("save_twin", value="mjcf")])[0].successful
        change = r.scene.set_parameters([Parameter("save_twin", value="dae")])[0]
        assert not change.successful and "urdf" in change.reason
        r.listen("~/objects")
        r.until("~/objects")
        answer = r.call("~/save_scene")
        assert answer.success, answer.message
        document = Path(f"{answer.message}_mjcf") / "scene.xml"
        assert len(ElementTree.parse(document).getroot().findall(".//freejoint")) == 8
        assert r.call("~/save_scene").success, "an earlier twin is replaced"


class UnknownScaleCompleter(FakeCompleter):
    """As a released model without depth."""

    def complete(self, *args, **kwargs):
        return replace(super().complete(*args, **kwargs), is_metric=False)


def test_save_scene_says_why_there_is_no_twin(tmp_path) -> None:
    with robot(lambda _: UnknownScaleCompleter(), save_directory=str(tmp_path)) as r:
        assert r.scene.set_parameters([Parameter("save_twin", value="mjcf")])[0].successful
        r.listen("~/objects")
        r.until("~/objects")
        answer = r.call("~/save_scene")
        assert not answer.success and "not its twin: export: the scale" in answer.message
        (saved,) = tmp_path.iterdir()
        assert str(saved) in answer.message and (saved / "scene.json").is_file()


def test_a_saved_world_survives_a_restart_of_the_node(tmp_path) -> None:
    with robot(save_directory=str(tmp_path)) as r:
        assert not r.call("~/save_world").success
        r.listen("~/objects")
        r.until("~/objects")
        r.pause(True)
        assert r.call("~/reset").success  # so that ids do not begin with 1
        r.pause(False)
        wait_until(lambda: not r.received["~/objects"][-1].detections)
        r.until("~/objects", len(r.received["~/objects"]) + 1)
        names = {d.id for d in r.received["~/objects"][-1].detections}
        r.pause(True)
        answer = r.call("~/save_world")
        assert answer.success and answer.message.startswith(str(tmp_path)), answer.message
        assert r.call("~/save_world").success
    assert len(names) == 8 and not any(name.endswith("_1") for name in names)
    # The folder of all worlds names the newest one.
    for path in (answer.message, str(tmp_path)):
        with robot(load_world=path) as r:
            r.listen("~/objects", "~/environment")
            r.until("~/objects")
            assert {d.id for d in r.received["~/objects"][0].detections} == names
            wait_until(lambda r=r: r.received["~/environment"])


def test_a_damaged_world_is_counted_and_the_node_starts_with_an_empty_map(tmp_path) -> None:
    (tmp_path / "world.json").write_text("{")
    with robot(load_world=str(tmp_path)) as r:
        r.listen("~/objects", "/diagnostics")
        r.until("~/objects")
        assert any(d.id.endswith("_1") for d in r.received["~/objects"][0].detections)
        wait_until(lambda: r.received["/diagnostics"] and "rejected: world" in r.diagnostics())
        assert r.diagnostics()["rejected: world"] == "1"


def test_the_environment_follows_the_camera() -> None:
    pytest.importorskip("open3d", reason="needs open3d: pip install 'iscene_ros[fusion]'")
    with robot() as r:
        r.listen("~/environment", "/diagnostics")
        r.until("~/environment", 2)
        marker = r.received["~/environment"][-1].markers[0]
        assert (marker.ns, marker.header.frame_id) == ("environment", "map")
        assert 100 < len(marker.points) <= 3 * 5000
        wait_until(lambda: "mesh of" in r.diagnostics().get("environment", ""))


def test_reset_deletes_the_markers() -> None:
    with robot() as r:
        r.listen("~/meshes", "~/objects")
        r.until("~/objects")
        r.pause(True)
        wait_until(lambda: r.received["~/meshes"])
        assert r.call("~/reset").success
        last = wait_until(
            lambda: [m for m in r.received["~/meshes"] if not any(k.points for k in m.markers)]
        )[-1]
        assert {k.action for k in last.markers} <= {2, 3}
        assert not wait_until(lambda: r.received["~/objects"][1:])[-1].detections


def test_paused_node_completes_nothing() -> None:
    with robot() as r:
        r.listen("~/objects")
        r.until("~/objects")
        assert r.pause(True).message == "paused"
        stamps = []
        for _ in range(5):
            stamps.append(r.publish_frame())
            time.sleep(0.1)
        time.sleep(0.5)
        # The frame that was being completed when the node was paused is still published.
        assert r.scene.session.update.stamp_ns < stamps[0]
        r.pause(False)
        wait_until(lambda: r.scene.session.update.stamp_ns == stamps[-1])


def test_live_parameters_change_and_others_do_not() -> None:
    with robot() as r:
        change = r.scene.set_parameters
        assert change([Parameter("faces", value=800)])[0].successful
        assert r.scene.session.settings.faces == 800
        assert "configure" in change([Parameter("model", value="other")])[0].reason
        assert not change([Parameter("faces", value=3)])[0].successful
        assert not change([Parameter("mode", value="sometimes")])[0].successful
        assert r.change_state(Transition.TRANSITION_DEACTIVATE)
        assert r.change_state(Transition.TRANSITION_CLEANUP)
        assert change([Parameter("world_frame", value="odom")])[0].successful


def test_missing_transform_is_counted_and_the_next_frame_completes() -> None:
    with robot(fallback_frames=[""]) as r:
        r.listen("~/objects", "/diagnostics")

        def without_tf(topic, message):
            return None if topic.startswith("/tf") else message

        def rejected() -> bool:
            r.publish_frame(without_tf)
            time.sleep(0.2)
            return bool(r.received["/diagnostics"]) and "rejected: no transform" in r.diagnostics()

        wait_until(rejected)
        assert not r.received["~/objects"]
        r.until("~/objects")


@pytest.mark.parametrize("fault", ["encoding", "size", "empty", "intrinsics"])
def test_malformed_messages_are_counted_and_the_next_frame_completes(fault: str) -> None:
    def spoil(topic, message):
        if fault == "encoding" and topic == "depth":
            message.encoding = "yuv422"
        if fault == "size" and topic == "instances":
            message.height, message.data = 10, message.data[: 10 * message.step]
        if fault == "empty" and topic == "rgb":
            message.data = []
        if fault == "intrinsics" and topic == "camera_info":
            message.k[0] = float("nan")
        return message

    with robot() as r:
        r.listen("~/objects", "/diagnostics")

        def rejected() -> bool:
            r.publish_frame(spoil)
            time.sleep(0.2)
            values = r.diagnostics() if r.received["/diagnostics"] else {}
            return any(key.startswith("rejected: ") for key in values)

        wait_until(rejected)
        assert not r.received["~/objects"]
        r.until("~/objects")


class SlowCompleter(FakeCompleter):
    """Takes half a second, and notes how long it really took."""

    def __init__(self) -> None:
        self.seconds = []

    def complete(self, *args, **kwargs):
        started = time.monotonic()
        time.sleep(0.5)
        scene = super().complete(*args, **kwargs)
        self.seconds.append(time.monotonic() - started)
        return scene


def test_slow_model_takes_the_newest_frame() -> None:
    completer, ages, sent = SlowCompleter(), [], []

    with robot(lambda choice: completer, relations=False, fusion=False) as r:

        def published(message) -> None:
            stamp = nanoseconds_of(message.header.stamp)
            ages.append((r.probe.get_clock().now().nanoseconds - stamp) / 1e9)

        r.received["~/objects"] = SimpleNamespace(append=published)
        r.listen("~/objects")
        end = time.monotonic() + PATIENCE
        while len(ages) < 8 and time.monotonic() < end:
            sent.append(time.monotonic())
            r.publish_frame()
            time.sleep(0.1)
    # A queue of even one frame would add a whole model time; less is left for the messages on a
    # busy machine, on which frames come less often, too.
    excess = np.median(ages) - np.median(completer.seconds) - np.median(np.diff(sent))
    assert len(ages) >= 8 and excess < 0.5 * np.median(completer.seconds)
