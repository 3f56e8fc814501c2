import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bag_files import DETECTED, QUICK, Recorded, contents, make_demo, rewritten, run_bag, stamp_ns
from fake_completer import FakeCompleter
from planning_scene_model import PlanningSceneModel, transform_of

from iscene_ros.bag.names import resolved
from iscene_ros.bag.reading import BagMessage
from iscene_ros.bag.writing import uninterrupted
from iscene_ros.io.demo_frame import demo_frame
from iscene_ros.io.scene_json import validate
from iscene_ros.io.world_files import read_world
from iscene_ros.ros.topics import OUTPUTS

OBJECTS = len(demo_frame().observation.masks)
MS = 10**6


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo(tmp_path_factory.mktemp("demo") / "demo")


@pytest.fixture(scope="module", params=["mcap", "sqlite3"])
def done(
    demo: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Recorded]]:
    out = tmp_path_factory.mktemp("done") / "out"
    assert run_bag(demo, out, *DETECTED, "--storage", request.param) == 0
    assert list(out.glob({"mcap": "*.mcap", "sqlite3": "*.db3"}[request.param]))
    return contents(out)


def test_every_output_is_written_once_a_frame(done: dict[str, list[Recorded]]) -> None:
    expected = {resolved(topic.name): topic.type_name for topic in OUTPUTS}
    assert {name: messages[0].type_name for name, messages in done.items()} == expected
    assert {len(messages) for messages in done.values()} == {3}


def test_outputs_carry_the_stamps_of_their_inputs(
    demo: Path, done: dict[str, list[Recorded]]
) -> None:
    inputs = contents(demo)["/instances"]
    stamps = [stamp_ns(recorded.message.header.stamp) for recorded in inputs]
    for topic in ("objects", "cloud", "overlay"):
        outputs = done[f"/iscene/{topic}"]
        assert [stamp_ns(recorded.message.header.stamp) for recorded in outputs] == stamps, topic
    for recorded, stamp in zip(done["/tf"], stamps, strict=True):
        assert {stamp_ns(t.header.stamp) for t in recorded.message.transforms} == {stamp}
    for recorded, stamp in zip(done["/iscene/meshes"], stamps, strict=True):
        headers = [m.header.stamp for m in recorded.message.markers if m.action == 0]
        assert {stamp_ns(header) for header in headers} == {stamp}
    # Detections come last; that is when the frame is complete.
    logged = [recorded.log_ns for recorded in contents(demo)["/detections"]]
    for messages in done.values():
        assert [recorded.log_ns for recorded in messages] == logged


def test_a_planner_that_plays_the_bag_has_the_objects(done: dict[str, list[Recorded]]) -> None:
    model = PlanningSceneModel()
    frames = zip(done["/iscene/planning_scene"], done["/iscene/objects"], strict=True)
    for number, (scene, objects) in enumerate(frames):
        model.operations.clear()
        assert model.apply(scene.message)
        assert set(model.world) - {"support", "environment"} == {
            d.id for d in objects.message.detections
        }
        for d in objects.message.detections:
            there = transform_of(model.world[d.id].pose)
            np.testing.assert_allclose(there, transform_of(d.bbox.center), atol=1e-3)
        assert bool(model.operations) == (number == 0)


def test_task_planners_find_the_same_facts_in_the_bag(done: dict[str, list[Recorded]]) -> None:
    problem = done["/iscene/pddl"][-1].message.data
    knowledge = done["/iscene/knowledge"][-1].message
    names = {d.id for d in done["/iscene/objects"][-1].message.detections}
    assert set(knowledge.instances) == names | {"environment"}
    assert all(f"({fact})" in problem for fact in knowledge.predicates)
    assert any(fact.startswith("on ") for fact in knowledge.predicates)


def test_an_object_has_one_name_everywhere_and_in_every_frame(
    done: dict[str, list[Recorded]],
) -> None:
    names, classes = set(), set(demo_frame().observation.labels)
    for number in range(3):
        detections = done["/iscene/objects"][number].message.detections
        ids = {d.id for d in detections}
        assert len(ids) == OBJECTS
        assert {d.results[0].hypothesis.class_id for d in detections} == classes
        transforms = done["/tf"][number].message.transforms
        assert {t.child_frame_id for t in transforms} == ids
        assert {t.header.frame_id for t in transforms} == {"map"}
        markers = done["/iscene/meshes"][number].message.markers
        assert {m.ns for m in markers if m.action == 0} == ids
        document = json.loads(done["/iscene/scene_graph"][number].message.data)
        assert {entry["name"] for entry in document["objects"]} == ids
        cloud = done["/iscene/cloud"][number].message
        points = cloud.data.reshape(cloud.width, cloud.point_step)
        offset = {f.name: f.offset for f in cloud.fields}["object_id"]
        cloud_ids = np.unique(points[:, offset : offset + 4].copy().view(np.uint32))
        assert set(cloud_ids) == {entry["id"] for entry in document["objects"]}
        names |= ids
    assert len(names) == OBJECTS


def test_scene_graph_follows_the_schema(done: dict[str, list[Recorded]]) -> None:
    for recorded in done["/iscene/scene_graph"]:
        document = json.loads(recorded.message.data)
        validate(document)
        assert document["frame_id"] == "map" and len(document["objects"]) == OBJECTS
        assert document["objects"][0]["mesh"].startswith("topic:/iscene/meshes#")
        np.testing.assert_allclose(document["gravity"], [0, 0, -1], atol=1e-6)
        pose = np.reshape(document["frame_from_camera"], (4, 4))
        np.testing.assert_allclose(pose, demo_frame().world_from_camera, atol=1e-5)


def test_latched_outputs_are_offered_as_latched(demo: Path, tmp_path: Path) -> None:
    from rosbags.interfaces import QosDurability, QosReliability
    from rosbags.rosbag2 import Reader

    assert run_bag(demo, tmp_path / "out", "--every", "3", *QUICK) == 0
    with Reader(tmp_path / "out") as reader:
        offered = {c.topic: c.ext.offered_qos_profiles for c in reader.connections}
    for topic in OUTPUTS:
        (qos,) = offered[resolved(topic.name)]
        assert qos.reliability == QosReliability.RELIABLE
        assert (qos.durability == QosDurability.TRANSIENT_LOCAL) == topic.latched, topic.name
        assert qos.depth == 1 or not topic.latched


def test_every_nth_frame(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run_bag(demo, tmp_path / "out", "--every", "2", *QUICK) == 0
    objects, inputs = contents(tmp_path / "out")["/iscene/objects"], contents(demo)["/depth"]
    stamps = [stamp_ns(recorded.message.header.stamp) for recorded in (inputs[0], inputs[2])]
    assert [stamp_ns(recorded.message.header.stamp) for recorded in objects] == stamps
    table = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines()[:4])
    assert table == {"frames": "3", "completed": "2", "left out by --every": "1", "dropped": "0"}


def test_a_world_is_saved_at_the_end_and_another_run_goes_on_from_it(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    world = str(tmp_path / "world")
    assert run_bag(demo, tmp_path / "one", *DETECTED, "--save-world", world) == 0
    saved = read_world(Path(world))
    document = json.loads((Path(world) / "world.json").read_text())
    (Path(world) / "world.json").write_text(json.dumps(document | {"next_id": 50}))
    assert run_bag(demo, tmp_path / "two", *DETECTED, "--load-world", world) == 0
    objects = contents(tmp_path / "two")["/iscene/objects"][0].message.detections
    assert [d.id for d in objects] == [k.name for k in saved.objects]
    assert run_bag(demo, tmp_path / "three", *DETECTED, "--save-world", world) == 2
    assert "exists already" in capsys.readouterr().err and not (tmp_path / "three").exists()


def test_inputs_can_be_kept(demo: Path, tmp_path: Path) -> None:
    assert run_bag(demo, tmp_path / "out", "--every", "3", "--keep-inputs", *DETECTED) == 0
    kept, before = contents(tmp_path / "out"), contents(demo)
    for topic in before:
        assert kept[topic][: len(before[topic])] == before[topic] or topic == "/tf"
    frames = [t.child_frame_id for r in kept["/tf"] for t in r.message.transforms]
    assert len(frames) == 3 + OBJECTS and frames.count("camera_link") == 3


def test_meshes_inside_the_scene_graph(demo: Path, tmp_path: Path) -> None:
    assert run_bag(demo, tmp_path / "out.mcap", "--every", "3", "--inline") == 0
    (recorded,) = contents(tmp_path / "out.mcap")["/iscene/scene_graph"]
    document = json.loads(recorded.message.data)
    validate(document)
    assert all(entry["mesh_data"]["faces"] for entry in document["objects"])


def test_no_frame_is_dropped_while_transforms_are_late(demo: Path, tmp_path: Path) -> None:
    """A transform serves all frames since the one before, which become ready at once."""
    quick = make_demo(tmp_path / "quick", frames=5, rate=25.0)
    transforms = contents(quick)["/tf"]
    slow = {transforms[0].log_ns, transforms[4].log_ns}
    bag = rewritten(
        quick,
        tmp_path / "bag",
        lambda message: [message] if message.topic != "/tf" or message.log_ns in slow else [],
    )
    assert run_bag(bag, tmp_path / "out", *QUICK) == 0
    objects = contents(tmp_path / "out")["/iscene/objects"]
    stamps = [stamp_ns(recorded.message.header.stamp) for recorded in objects]
    assert stamps == [stamp_ns(r.message.header.stamp) for r in contents(quick)["/depth"]]
    assert [r.log_ns for r in objects[1:4]] == [transforms[4].log_ns] * 3


@pytest.mark.parametrize("case", ["late static transform", "another clock", "late masks"])
def test_times_of_recording_do_not_matter(demo: Path, tmp_path: Path, case: str) -> None:
    def moved(message: BagMessage) -> list[BagMessage]:
        late = {
            "late static transform": 450 * MS * (message.topic == "/tf_static"),
            "another clock": 5 * 10**17,
            "late masks": 4000 * MS * (message.topic == "/instances"),
        }[case]
        return [replace(message, log_ns=message.log_ns + late)]

    assert run_bag(rewritten(demo, tmp_path / "bag", moved), tmp_path / "out", *QUICK) == 0
    assert len(contents(tmp_path / "out")["/iscene/objects"]) == 3


def test_interrupted_run_keeps_what_was_done(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    class Interrupted(FakeCompleter):
        def complete(self, observation, *args, **kwargs):
            if observation.stamp > demo_frame().observation.stamp + 0.1:
                raise KeyboardInterrupt
            return super().complete(observation, *args, **kwargs)

    options = (*QUICK, "--set", "fusion=false")  # each frame goes to the model
    assert run_bag(demo, tmp_path / "out", *options, load=lambda *_: Interrupted()) == 130
    assert len(contents(tmp_path / "out")["/iscene/meshes"]) == 1
    assert "interrupted: the new bag holds what was completed" in capsys.readouterr().out


def test_interrupted_before_the_first_frame_leaves_nothing(demo: Path, tmp_path: Path) -> None:
    class Interrupted(FakeCompleter):
        def complete(self, *args, **kwargs):
            raise KeyboardInterrupt

    assert run_bag(demo, tmp_path / "new/out", load=lambda *_: Interrupted()) == 130
    assert not list(tmp_path.iterdir())


def test_ctrl_c_waits_until_a_frame_is_written() -> None:
    written = []
    with pytest.raises(KeyboardInterrupt):
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            written.append("all of it")
    assert written
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_a_failure_of_the_model_is_reported_and_the_next_frame_completes(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    class Failing(FakeCompleter):
        def complete(self, observation, *args, **kwargs):
            if observation.stamp < demo_frame().observation.stamp + 0.1:
                raise ValueError("NaN in the output")
            return super().complete(observation, *args, **kwargs)

    assert run_bag(demo, tmp_path / "out", *QUICK, load=lambda *_: Failing()) == 0
    done = contents(tmp_path / "out")
    assert len(done["/iscene/objects"]) == 2 and len(done["/diagnostics"]) == 3
    printed = capsys.readouterr()
    assert "NaN in the output" in printed.err
    assert "rejected: model" in printed.out


def test_with_the_real_model(tmp_path: Path) -> None:
    from iscene_ros.cli.main import main

    bag, out = tmp_path / "demo.mcap", tmp_path / "out.mcap"
    assert main(["make-demo-bag", str(bag), "--frames", "2"]) == 0
    quick = [f"--set={value}" for value in ("faces=500", "max_instances=2")]
    assert main(["bag", str(bag), "--out", str(out), "--device", "cpu", *DETECTED, *quick]) == 0
    done = contents(out)
    first, second = (r.message.detections for r in done["/iscene/objects"])
    assert {d.id for d in first} == {d.id for d in second} and len(first) == 2
    for detection in first:
        assert detection.bbox.center.position.z > -0.02 and 0 < detection.bbox.size.z < 0.4
    assert len(done["/iscene/meshes"][0].message.markers[-1].points) > 300


def test_the_demo_bag_is_the_same_each_time(tmp_path: Path) -> None:
    first = contents(make_demo(tmp_path / "first", frames=2))
    again = contents(make_demo(tmp_path / "again", frames=2, storage="sqlite3"))
    assert first == again
    assert {name: len(messages) for name, messages in first.items()} == {
        "/tf_static": 1,
        **dict.fromkeys(("/tf", "/camera_info", "/rgb", "/depth", "/instances", "/detections"), 2),
    }


@pytest.mark.parametrize("options", [["--frames", "0"], ["--rate", "0"], ["--rate", "1000"]])
def test_bad_demo_bags_are_wrong_usage(tmp_path: Path, options: list[str]) -> None:
    from iscene_ros.cli.main import main

    with pytest.raises(SystemExit) as caught:
        main(["make-demo-bag", str(tmp_path / "out"), *options])
    assert caught.value.code == 2
