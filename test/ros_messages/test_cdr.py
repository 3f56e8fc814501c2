import struct
import time
from dataclasses import replace

import numpy as np
import pytest
import scene_updates
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_marker_messages import encode_meshes

from iscene_ros.core.scene import Mesh
from iscene_ros.core.scene_update import RemovedObject, SceneUpdate
from iscene_ros.ros.cdr import ENCAPSULATION, CdrWriter
from iscene_ros.ros.mesh_markers import MARKERS_TYPE, meshes_cdr
from iscene_ros.ros.messages import MessageTypes, RclpyTypes, RosbagsTypes

NAMES = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=9)


@pytest.fixture(scope="module")
def types() -> RosbagsTypes:
    return RosbagsTypes()


def slow_bytes(types: MessageTypes, update: SceneUpdate, alpha: float = 1.0) -> bytes:
    return types.serialize(MARKERS_TYPE, encode_meshes(types, update, alpha))


def updates_to_compare() -> list[SceneUpdate]:
    removed = (RemovedObject(3, "can_3"), RemovedObject(12, "x"))
    flat = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    return [
        scene_updates.small_update(),
        scene_updates.small_update(first=True, removed=removed),
        scene_updates.small_update(objects=()),
        scene_updates.small_update(objects=(), removed=removed),
        scene_updates.small_update(
            (scene_updates.tracked_object(scene_updates.scene_object(mesh=flat)),), stamp_ns=-1
        ),
        scene_updates.arc2017_update(),
    ]


def test_numbers_align_to_their_size() -> None:
    writer = CdrWriter()
    writer.numbers("?", True)
    writer.numbers("d", 1.5)
    writer.numbers("B", 7)
    writer.numbers("I", 8, 9)
    expected = b"\x01" + bytes(7) + struct.pack("<d", 1.5) + b"\x07" + bytes(3)
    assert writer.data() == ENCAPSULATION + expected + struct.pack("<II", 8, 9)


def test_sequences_align_their_elements_but_not_when_empty() -> None:
    writer = CdrWriter()
    writer.sequence(np.array([[1.0, 2, 3]]), fields=3)
    writer.sequence(np.empty((0, 3)), fields=3)
    writer.numbers("I", 5)
    expected = struct.pack("<I4xddd", 1, 1, 2, 3)
    assert writer.data() == ENCAPSULATION + expected + struct.pack("<II", 0, 5)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<u2", ">i8"])
def test_sequences_are_little_endian(dtype: str) -> None:
    values = np.arange(6).reshape(2, 3).astype(dtype)[:, ::2]
    writer = CdrWriter()
    writer.sequence(values)
    little = values.astype(np.dtype(dtype).newbyteorder("<"))
    assert writer.data()[4:].endswith(little.tobytes())


@settings(max_examples=50, deadline=None)
@given(frame_id=NAMES, data=st.binary(max_size=9), stamp=st.integers(-(2**31), 2**31 - 1))
def test_an_image_is_as_rosbags_writes_it(frame_id: str, data: bytes, stamp: int) -> None:
    types = RosbagsTypes()
    values = np.frombuffer(data, np.uint8)
    writer = CdrWriter()
    writer.numbers("i", stamp)
    writer.numbers("I", 3)
    writer.string(frame_id)
    writer.string("jpeg")
    writer.sequence(values)
    message = types.make(
        "sensor_msgs/msg/CompressedImage",
        header=types.header(stamp * 10**9 + 3, frame_id),
        format="jpeg",
        data=types.byte_array(values),
    )
    assert writer.data() == types.serialize("sensor_msgs/msg/CompressedImage", message)


@pytest.mark.parametrize("update", updates_to_compare())
def test_meshes_are_the_bytes_of_the_slow_way(types: RosbagsTypes, update: SceneUpdate) -> None:
    assert meshes_cdr(update, 0.7) == slow_bytes(types, update, 0.7)


@settings(max_examples=60, deadline=None)
@given(
    frame_id=NAMES,
    names=st.lists(NAMES, max_size=3),
    gone=st.lists(NAMES, max_size=2),
    first=st.booleans(),
)
def test_names_of_any_length_align(
    frame_id: str, names: list[str], gone: list[str], first: bool
) -> None:
    objects = tuple(
        scene_updates.tracked_object(scene_updates.scene_object(index + 1), name)
        for index, name in enumerate(names)
    )
    update = scene_updates.small_update(
        objects=objects,
        frame_id=frame_id,
        removed=tuple(RemovedObject(90 + index, name) for index, name in enumerate(gone)),
        first=first,
    )
    assert meshes_cdr(update, 1.0) == slow_bytes(RosbagsTypes(), update)


@pytest.mark.parametrize("update", updates_to_compare())
def test_meshes_are_the_bytes_of_ros(update: SceneUpdate) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")
    types = RclpyTypes()
    slow, fast = slow_bytes(types, update, 0.7), meshes_cdr(update, 0.7)
    assert types.deserialize(MARKERS_TYPE, fast) == types.deserialize(MARKERS_TYPE, slow)
    # Middlewares leave what they like between numbers and at the end.
    rosbags = RosbagsTypes()
    assert rosbags.serialize(MARKERS_TYPE, rosbags.deserialize(MARKERS_TYPE, slow)) == fast


def test_the_fast_way_is_fast() -> None:
    objects = scene_updates.arc2017_update().objects
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=0.05)
    mesh = Mesh(sphere.vertices.astype(np.float32), sphere.faces.astype(np.int32))
    ten = tuple(replace(k, item=replace(k.item, mesh=mesh)) for k in (*objects, *objects)[:10])
    update = scene_updates.small_update(objects=ten)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        data = meshes_cdr(update, 1.0)
        seconds.append(time.perf_counter() - start)
    assert len(mesh.faces) == 5120 and len(data) > 10 * 5120 * 72
    # About 5 ms; the slow way takes half a second. The margin is for busy machines.
    assert min(seconds) < 0.05
