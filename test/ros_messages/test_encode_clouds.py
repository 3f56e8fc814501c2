from dataclasses import replace

import numpy as np
import pytest
import scene_updates
from hypothesis import given, settings
from hypothesis import strategies as st

from iscene_ros.core.predicate import PREDICATES, predicate_label, predicate_number
from iscene_ros.core.scene import Mesh, Relation
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.ros.encode_clouds import (
    CLOUD_TYPE,
    EDGE,
    LABELS_TYPE,
    POINT,
    encode_cloud,
    encode_relation_labels,
    encode_relations,
)
from iscene_ros.ros.messages import MessageTypes, RclpyTypes, RosbagsTypes
from iscene_ros.session.surface_cloud import surface_cloud

TYPES = RosbagsTypes()
NUMPY_TYPES = {2: "u1", 6: "u4", 7: "f4"}


@pytest.fixture(params=[scene_updates.small_update, scene_updates.arc2017_update])
def update(request: pytest.FixtureRequest) -> SceneUpdate:
    return request.param()


def rows(message: object, types: MessageTypes = TYPES) -> np.ndarray:
    """The table as a reader takes it from the fields of the message it got."""
    message = types.deserialize(CLOUD_TYPE, types.serialize(CLOUD_TYPE, message))
    layout = np.dtype(
        {
            "names": [field.name for field in message.fields],
            "formats": [NUMPY_TYPES[field.datatype] for field in message.fields],
            "offsets": [field.offset for field in message.fields],
            "itemsize": message.point_step,
        }
    )
    assert message.height == 1 and message.row_step == message.width * message.point_step
    assert not message.is_bigendian and all(field.count == 1 for field in message.fields)
    assert message.header.frame_id == "map"
    table = np.frombuffer(bytes(message.data), layout)
    assert len(table) == message.width
    return table


def test_points_lie_on_the_surfaces() -> None:
    update = scene_updates.small_update()
    cloud = surface_cloud(update, 500)
    for known in update.objects:
        mine = cloud.points[cloud.object_ids == known.id].astype(np.float64)
        pose = known.item.frame_from_object
        points_object = (mine - pose[:3, 3]) @ pose[:3, :3]
        # On a cube of 10 cm, the largest coordinate is 5 cm.
        np.testing.assert_allclose(np.abs(points_object).max(1), 0.05, atol=1e-6)
        sides = np.sign(points_object) * (np.abs(points_object) > 0.05 - 1e-6)
        np.testing.assert_allclose(np.abs(sides).sum(1), 1)
        counts = [np.sum(sides[:, axis] == side) for axis in range(3) for side in (-1, 1)]
        # Even: every side has its share, to a point or two of its two triangles.
        assert max(counts) - min(counts) <= 2


def test_cloud_is_as_many_points_an_object(update: SceneUpdate) -> None:
    cloud = surface_cloud(update, 100)
    ids, counts = np.unique(cloud.object_ids, return_counts=True)
    assert ids.tolist() == [known.id for known in update.objects] and set(counts) == {100}
    assert cloud.points.dtype == np.float32 and cloud.object_ids.dtype == np.uint32
    assert cloud.observed.dtype == cloud.colors.dtype == np.uint8
    for known in update.objects:
        assert (cloud.colors[cloud.object_ids == known.id] == known.item.color).all()


def test_same_update_same_cloud(update: SceneUpdate) -> None:
    first, second = surface_cloud(update, 200), surface_cloud(update, 200)
    np.testing.assert_array_equal(first.points, second.points)


@settings(max_examples=20, deadline=None)
@given(edge=st.floats(0.01, 3), squeeze=st.floats(0.05, 1), count=st.integers(10, 400))
def test_points_are_within_the_bounds(edge: float, squeeze: float, count: int) -> None:
    box = scene_updates.cube(edge)
    mesh = Mesh((box.vertices * [1, squeeze, 1]).astype(np.float32), box.faces)
    item = replace(scene_updates.scene_object(mesh=mesh), frame_from_object=np.eye(4))
    cloud = surface_cloud(scene_updates.small_update((scene_updates.known(item),)), count)
    assert len(cloud.points) == count
    assert (np.abs(cloud.points) <= np.abs(mesh.vertices).max(0) * (1 + 1e-5)).all()


def test_observed_points_are_near_observed_vertices() -> None:
    item = scene_updates.scene_object()
    upper = item.mesh.vertices[:, 2] > 0
    item = replace(item, vertex_observed=upper, frame_from_object=np.eye(4))
    cloud = surface_cloud(scene_updates.small_update((scene_updates.known(item),)), 600)
    z = cloud.points[:, 2]
    assert (cloud.observed[z > 0.0499] == 1).all() and (cloud.observed[z < -0.0499] == 0).all()
    assert 0.3 < cloud.observed.mean() < 0.7


def test_unknown_visibility_counts_as_completed() -> None:
    item = replace(scene_updates.scene_object(), vertex_observed=None)
    cloud = surface_cloud(scene_updates.small_update((scene_updates.known(item),)), 50)
    assert not cloud.observed.any()


@pytest.mark.parametrize("faces", [0, 1])
def test_a_mesh_without_area_has_no_points(faces: int) -> None:
    flat = Mesh(np.zeros((3, 3), np.float32), np.zeros((faces, 3), np.int32))
    objects = (
        scene_updates.known(scene_updates.scene_object(1, mesh=flat)),
        scene_updates.known(scene_updates.scene_object(2)),
    )
    cloud = surface_cloud(scene_updates.small_update(objects), 50)
    assert cloud.object_ids.tolist() == [2] * 50


def test_cloud_message_holds_the_cloud(update: SceneUpdate) -> None:
    cloud = surface_cloud(update, 50)
    table = rows(encode_cloud(TYPES, update, cloud))
    np.testing.assert_array_equal(np.stack([table[n] for n in "xyz"], -1), cloud.points)
    np.testing.assert_array_equal(table["object_id"], cloud.object_ids)
    np.testing.assert_array_equal(table["observed"], cloud.observed)
    packed = table["rgb"].copy().view(np.uint32)
    channels = np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], -1)
    np.testing.assert_array_equal(channels, cloud.colors)


@pytest.mark.parametrize("layout", [POINT, EDGE])
def test_fields_are_aligned(layout: np.dtype) -> None:
    for kind, offset in layout.fields.values():
        assert offset % kind.itemsize == 0 and layout.itemsize % kind.itemsize == 0


def test_empty_world() -> None:
    empty = scene_updates.small_update(objects=(), relations=())
    assert len(rows(encode_cloud(TYPES, empty, surface_cloud(empty, 50)))) == 0
    assert len(rows(encode_relations(TYPES, empty))) == 0


def test_relations_are_rows() -> None:
    update = scene_updates.small_update(
        relations=(Relation(2, "near", 1, 0.5), Relation(70_000, "hums_to", 0, 0.25))
    )
    table = rows(encode_relations(TYPES, update))
    assert table["subject"].tolist() == [2, 70_000] and table["object"].tolist() == [1, 0]
    assert table["predicate"].tolist() == [4, 255] and table["score"].tolist() == [0.5, 0.25]


def test_labels_name_every_number_of_the_table() -> None:
    made = encode_relation_labels(TYPES, scene_updates.small_update())
    message = TYPES.deserialize(LABELS_TYPE, TYPES.serialize(LABELS_TYPE, made))
    names = {entry.class_id: entry.class_name for entry in message.class_map}
    for number, predicate in enumerate(PREDICATES):
        assert names[number] == predicate
        assert predicate_number(predicate) == number and predicate_label(number) == predicate
    assert names[255] == predicate_label(predicate_number("hums_to")) == "other"
    assert len(names) == len(PREDICATES) + 1


def test_ros_reads_the_tables(update: SceneUpdate) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2")
    types = RclpyTypes()
    cloud = surface_cloud(update, 50)
    message = encode_cloud(types, update, cloud)
    read = point_cloud2.read_points(message, field_names=("object_id", "observed"))
    np.testing.assert_array_equal(read["object_id"], cloud.object_ids)
    numbers = point_cloud2.read_points_numpy(message, field_names=["x", "y", "z"])
    np.testing.assert_array_equal(numbers, cloud.points)
    edges = point_cloud2.read_points(encode_relations(types, update))
    assert edges["subject"].tolist() == [relation.subject for relation in update.relations]
    np.testing.assert_array_equal(rows(message, types), rows(encode_cloud(TYPES, update, cloud)))
