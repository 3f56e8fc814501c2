from dataclasses import replace

import numpy as np
import pytest
import scene_updates
from hypothesis import given
from hypothesis import strategies as st
from planning_scene_model import transform_of
from scipy.spatial.transform import Rotation

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.ros.common_messages import encode_pose
from iscene_ros.ros.decode_poses import rigid_matrix
from iscene_ros.ros.encode_objects import (
    DETECTIONS_TYPE,
    TRANSFORMS_TYPE,
    encode_detections3d,
    encode_transforms,
)
from iscene_ros.ros.encoder import encode_diagnostics
from iscene_ros.ros.messages import RosbagsTypes
from iscene_ros.ros.topics import DIAGNOSTICS_TYPE
from iscene_ros.session.status import Status

TYPES = RosbagsTypes()


def sent(name: str, message: object) -> object:
    """The message as a subscriber gets it."""
    return TYPES.deserialize(name, TYPES.serialize(name, message))


@pytest.fixture(params=[scene_updates.small_update, scene_updates.arc2017_update])
def update(request: pytest.FixtureRequest) -> SceneUpdate:
    return request.param()


def test_detections_have_pose_box_and_class(update: SceneUpdate) -> None:
    message = sent(DETECTIONS_TYPE, encode_detections3d(TYPES, update))
    for detection, tracked in zip(message.detections, update.objects, strict=True):
        item, result, box = tracked.item, detection.results[0], detection.bbox
        assert detection.id == tracked.name and len(detection.results) == 1
        assert result.hypothesis.class_id == item.label
        assert result.hypothesis.score == item.score
        pose = result.pose.pose
        for actual in (pose, box.center):
            np.testing.assert_allclose(transform_of(actual), item.frame_from_object, atol=1e-12)
        np.testing.assert_array_equal([box.size.x, box.size.y, box.size.z], item.size)


def test_everything_carries_stamp_and_frame(update: SceneUpdate) -> None:
    detections = sent(DETECTIONS_TYPE, encode_detections3d(TYPES, update))
    transforms = sent(TRANSFORMS_TYPE, encode_transforms(TYPES, update)).transforms
    for header in (
        detections.header,
        *(detection.header for detection in detections.detections),
        *(transform.header for transform in transforms),
    ):
        assert header.frame_id == "map"
        assert (header.stamp.sec, header.stamp.nanosec) == (1_700_000_000, 123_456_789)


@pytest.mark.parametrize(("residual", "variance"), [(0.002, 4e-6), (float("nan"), 0.0)])
def test_covariance_is_the_squared_residual(residual: float, variance: float) -> None:
    item = replace(scene_updates.scene_object(), depth_residual=residual)
    update = scene_updates.small_update((scene_updates.tracked_object(item),))
    message = sent(DETECTIONS_TYPE, encode_detections3d(TYPES, update))
    covariance = message.detections[0].results[0].pose.covariance.reshape(6, 6)
    np.testing.assert_allclose(covariance, np.diag([variance] * 3 + [0.0] * 3))


def test_transforms_put_every_object_under_the_frame(update: SceneUpdate) -> None:
    transforms = sent(TRANSFORMS_TYPE, encode_transforms(TYPES, update)).transforms
    for transform, tracked in zip(transforms, update.objects, strict=True):
        assert transform.child_frame_id == tracked.name
        actual = rigid_matrix(transform.transform.translation, transform.transform.rotation)
        np.testing.assert_allclose(actual, tracked.item.frame_from_object, atol=1e-12)


@given(st.lists(st.floats(-7, 7), min_size=3, max_size=3))
def test_any_rotation_keeps_its_sense(angles: list[float]) -> None:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", angles).as_matrix()
    made = encode_pose(TYPES, pose)
    np.testing.assert_allclose(transform_of(made), pose, atol=1e-9)
    assert made.orientation.w >= 0


@pytest.mark.parametrize(("level", "number"), [("ok", 0), ("warn", 1), ("error", 2)])
def test_diagnostics_hold_the_status(level: str, number: int) -> None:
    status = Status(level, "3 objects", (("model", "iscene-mini"), ("drops", "0")))
    made = encode_diagnostics(TYPES, status, "scene: session", "cpu", 1_500_000_000)
    message = sent(DIAGNOSTICS_TYPE, made)
    (sent_status,) = message.status
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1, 500_000_000)
    assert (sent_status.level, sent_status.name, sent_status.message) == (
        number,
        "scene: session",
        "3 objects",
    )
    assert sent_status.hardware_id == "cpu"
    assert [(pair.key, pair.value) for pair in sent_status.values] == list(status.values)
