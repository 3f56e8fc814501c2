from dataclasses import replace

import numpy as np
import pytest
import scene_updates
from hypothesis import given, settings
from hypothesis import strategies as st

from iscene_ros.core.scene import Mesh
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.ros.encode_cloud import CLOUD_TYPE, POINT, encode_cloud, surface_points
from iscene_ros.ros.messages import RclpyTypes, RosbagsTypes

TYPES = RosbagsTypes()
NUMPY_TYPES = {2: "u1", 6: "u4", 7: "f4"}


@pytest.fixture(params=[scene_updates.small_update, scene_updates.arc2017_update])
def update(request: pytest.FixtureRequest) -> SceneUpdate:
    return request.param()


def positions(cloud: np.ndarray) -> np.ndarray:
    """(N, 3) float32 x, y, z."""
    return np.stack([cloud[axis] for axis in "xyz"], -1)


def rows(message: object) -> np.ndarray:
    """The table as a reader takes it from the fields of the message it got."""
    message = TYPES.deserialize(CLOUD_TYPE, TYPES.serialize(CLOUD_TYPE, message))
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
    cloud = surface_points(update, 500)
    for tracked in update.objects:
        mine = positions(cloud[cloud["object_id"] == tracked.id]).astype(np.float64)
        pose = tracked.item.frame_from_object
        points_object = (mine - pose[:3, 3]) @ pose[:3, :3]
        # On a cube of 10 cm, the largest coordinate is 5 cm.
        np.testing.assert_allclose(np.abs(points_object).max(1), 0.05, atol=1e-6)
        sides = np.sign(points_object) * (np.abs(points_object) > 0.05 - 1e-6)
        np.testing.assert_allclose(np.abs(sides).sum(1), 1)
        counts = [np.sum(sides[:, axis] == side) for axis in range(3) for side in (-1, 1)]
        # Even: every side has its share, to a point or two of its two triangles.
        assert max(counts) - min(counts) <= 2


def test_cloud_is_as_many_points_an_object(update: SceneUpdate) -> None:
    cloud = surface_points(update, 100)
    ids, counts = np.unique(cloud["object_id"], return_counts=True)
    assert ids.tolist() == [tracked.id for tracked in update.objects] and set(counts) == {100}
    packed = cloud["rgb"].copy().view(np.uint32)
    colors = np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], -1)
    for tracked in update.objects:
        assert (colors[cloud["object_id"] == tracked.id] == tracked.item.color).all()


def test_same_update_same_cloud(update: SceneUpdate) -> None:
    first, second = surface_points(update, 200), surface_points(update, 200)
    np.testing.assert_array_equal(first, second)


@settings(max_examples=20, deadline=None)
@given(edge=st.floats(0.01, 3), squeeze=st.floats(0.05, 1), count=st.integers(10, 400))
def test_points_are_within_the_bounds(edge: float, squeeze: float, count: int) -> None:
    box = scene_updates.cube(edge)
    mesh = Mesh((box.vertices * [1, squeeze, 1]).astype(np.float32), box.faces)
    item = replace(scene_updates.scene_object(mesh=mesh), frame_from_object=np.eye(4))
    cloud = surface_points(scene_updates.small_update((scene_updates.tracked_object(item),)), count)
    assert len(cloud) == count
    assert (np.abs(positions(cloud)) <= np.abs(mesh.vertices).max(0) * (1 + 1e-5)).all()


def test_observed_points_are_near_observed_vertices() -> None:
    item = scene_updates.scene_object()
    upper = item.mesh.vertices[:, 2] > 0
    item = replace(item, vertex_observed=upper, frame_from_object=np.eye(4))
    cloud = surface_points(scene_updates.small_update((scene_updates.tracked_object(item),)), 600)
    z, observed = cloud["z"], cloud["observed"]
    assert (observed[z > 0.0499] == 1).all() and (observed[z < -0.0499] == 0).all()
    assert 0.3 < observed.mean() < 0.7


def test_unknown_visibility_counts_as_completed() -> None:
    item = replace(scene_updates.scene_object(), vertex_observed=None)
    cloud = surface_points(scene_updates.small_update((scene_updates.tracked_object(item),)), 50)
    assert not cloud["observed"].any()


@pytest.mark.parametrize("faces", [0, 1])
def test_a_mesh_without_area_has_no_points(faces: int) -> None:
    flat = Mesh(np.zeros((3, 3), np.float32), np.zeros((faces, 3), np.int32))
    objects = (
        scene_updates.tracked_object(scene_updates.scene_object(1, mesh=flat)),
        scene_updates.tracked_object(scene_updates.scene_object(2)),
    )
    cloud = surface_points(scene_updates.small_update(objects), 50)
    assert cloud["object_id"].tolist() == [2] * 50


def test_cloud_message_holds_the_points(update: SceneUpdate) -> None:
    table, points = rows(encode_cloud(TYPES, update, 50)), surface_points(update, 50)
    assert table.dtype == POINT
    for name in POINT.names:
        np.testing.assert_array_equal(table[name], points[name])


def test_fields_are_aligned() -> None:
    for kind, offset in POINT.fields.values():
        assert offset % kind.itemsize == 0 and POINT.itemsize % kind.itemsize == 0


def test_empty_map() -> None:
    empty = scene_updates.small_update(objects=(), relations=())
    assert len(rows(encode_cloud(TYPES, empty, 50))) == 0


def test_sensor_msgs_py_reads_the_points(update: SceneUpdate) -> None:
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2")
    message, points = encode_cloud(RclpyTypes(), update, 50), surface_points(update, 50)
    read = point_cloud2.read_points(message, field_names=("object_id", "observed"))
    np.testing.assert_array_equal(read["object_id"], points["object_id"])
    numbers = point_cloud2.read_points_numpy(message, field_names=["x", "y", "z"])
    np.testing.assert_array_equal(numbers, positions(points))
