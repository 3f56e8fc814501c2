import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scene_updates

from iscene_ros.core.errors import InputError
from iscene_ros.core.scene import Scene
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.io.map_document import scene_graph_document
from iscene_ros.io.scene_io import read_scene, validate
from iscene_ros.io.scene_json import dumps
from iscene_ros.ros.common_messages import encode_string
from iscene_ros.ros.messages import RosbagsTypes

TOPIC = "/scene/meshes"


def scene_graph_json(update: SceneUpdate, topic: str, inline: bool) -> str:
    return dumps(scene_graph_document(update, topic, inline))


@pytest.fixture(params=[scene_updates.small_update, scene_updates.arc2017_update])
def update(request: pytest.FixtureRequest) -> SceneUpdate:
    return request.param()


def read(update: SceneUpdate, inline: bool = False) -> dict:
    return json.loads(scene_graph_json(update, TOPIC, inline))


@pytest.mark.parametrize("inline", [False, True])
def test_follows_the_schema(update: SceneUpdate, inline: bool) -> None:
    validate(read(update, inline))


def test_holds_the_whole_world(update: SceneUpdate) -> None:
    document = read(update)
    assert document["frame_id"] == "map"
    for entry, tracked in zip(document["objects"], update.objects, strict=True):
        assert (entry["id"], entry["name"]) == (tracked.id, tracked.name)
        assert entry["mesh"] == f"topic:/scene/meshes#{tracked.name}"
        assert entry["visible"] == (tracked.id in update.seen)
        assert entry["tracker_id"] == tracked.tracker_id and "mesh_data" not in entry
        np.testing.assert_allclose(
            np.reshape(entry["pose"], (4, 4)), tracked.item.frame_from_object, atol=1e-6
        )


def test_an_object_out_of_view_is_remembered() -> None:
    assert [entry["visible"] for entry in read(scene_updates.small_update())["objects"]] == [
        True,
        False,
    ]


def test_relations_name_ids_and_predicate() -> None:
    assert read(scene_updates.small_update())["relations"][0] == {
        "subject": 1,
        "predicate": "supported_by",
        "object": 0,
        "confidence": 0.9,
    }


def test_stamps_are_not_rounded_to_hours(update: SceneUpdate) -> None:
    document = read(update)
    assert document["stamp"] == pytest.approx(update.stamp_ns * 1e-9, abs=1e-6)
    last_seen = [entry["last_seen"] for entry in document["objects"]]
    assert last_seen == pytest.approx([update.stamp_ns * 1e-9] * len(last_seen), abs=1e-6)


def test_numbers_are_short() -> None:
    text = scene_graph_json(scene_updates.arc2017_update(), TOPIC, inline=False)
    assert not re.search(r"\.\d{10}", text)
    assert "e-17" not in text and "-0.0," not in text


def test_inline_meshes_are_read_from_a_file(tmp_path: Path) -> None:
    update = scene_updates.arc2017_update()
    (tmp_path / "scene.json").write_text(scene_graph_json(update, TOPIC, inline=True), "utf-8")
    assert_same_meshes(read_scene(tmp_path), update)


def assert_same_meshes(scene: Scene, update: SceneUpdate) -> None:
    assert len(scene.objects) == len(update.objects) > 0
    for item, tracked in zip(scene.objects, update.objects, strict=True):
        np.testing.assert_array_equal(item.mesh.faces, tracked.item.mesh.faces)
        np.testing.assert_allclose(item.mesh.vertices, tracked.item.mesh.vertices, atol=0.51e-4)


def test_a_mesh_on_a_topic_is_not_invented(tmp_path: Path) -> None:
    (tmp_path / "scene.json").write_text(
        scene_graph_json(scene_updates.small_update(), TOPIC, inline=False), "utf-8"
    )
    with pytest.raises(InputError, match="topic:/scene/meshes#mug_1 .*inline_meshes"):
        read_scene(tmp_path)


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [("faces", [0, 1, 8], "8 names none of the 8 corners"), ("vertices", [0.0] * 4, "threes")],
)
def test_inline_meshes_are_checked(part: str, values: list, message: str) -> None:
    document = read(scene_updates.small_update(), inline=True)
    document["objects"][1]["mesh_data"][part] = values
    with pytest.raises(InputError, match=rf"objects\[1\].mesh_data.{part}: .*{message}"):
        validate(document)


def test_empty_world_and_unknown_residual() -> None:
    assert read(scene_updates.small_update(objects=()))["objects"] == []
    item = replace(scene_updates.scene_object(), depth_residual=float("nan"))
    document = read(scene_updates.small_update((scene_updates.tracked_object(item),)))
    assert document["objects"][0]["depth_residual_m"] is None


def test_string_message_carries_any_text() -> None:
    types = RosbagsTypes()
    text = scene_graph_json(
        scene_updates.small_update(
            (scene_updates.tracked_object(scene_updates.scene_object(1, "чашка")),)
        ),
        TOPIC,
        inline=False,
    )
    data = types.serialize("std_msgs/msg/String", encode_string(types, text))
    assert types.deserialize("std_msgs/msg/String", data).data == text and "чашка" in text
