"""Grasps as messages."""

from dataclasses import replace

import numpy as np
import pytest
import scene_updates
import trimesh
from scipy.spatial.transform import Rotation

from iscene_ros.core.scene import Mesh
from iscene_ros.ros import topics
from iscene_ros.ros.encoder import Encoder
from iscene_ros.ros.messages import RosbagsTypes
from iscene_ros.session.settings import Settings

TYPES = RosbagsTypes()
ADD, DELETE_ALL, CUBE, TEXT = 0, 3, 1, 9


@pytest.fixture
def update():
    """A block that a hand can hold, and a cube that none can."""
    made = trimesh.creation.box((0.04, 0.06, 0.08))
    mesh = Mesh(made.vertices.astype(np.float32), made.faces.astype(np.int32))
    items = scene_updates.scene_object(1, "block", mesh), scene_updates.scene_object(4, "cube")
    return scene_updates.small_update(tuple(map(scene_updates.tracked_object, items)))


def encoded(update, topic, **settings):
    encoder = Encoder(TYPES, Settings(**settings))
    name = topics.output_topic(topic).type_name
    return encoder, TYPES.deserialize(name, encoder.encode_cdr(topic, update))


def pose_of(message):
    made = np.eye(4)
    q, p = message.orientation, message.position
    made[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    made[:3, 3] = p.x, p.y, p.z
    return made


def test_poses_are_those_of_the_target_the_best_first(update):
    for settings in ({"grasps": "all"}, {"grasps": "target", "grasp_target": "block_1"}):
        encoder, message = encoded(update, topics.GRASPS, **settings)
        grasps = encoder._planned(update).grasps[1]
        assert message.header.frame_id == "map" and len(message.poses) == len(grasps) > 0
        for pose, expected in zip(message.poses, grasps.frame_from_grasp, strict=True):
            np.testing.assert_allclose(pose_of(pose), expected, atol=1e-6)


def test_nothing_is_planned_by_default(update):
    assert encoded(update, topics.GRASPS)[1].poses == []
    (clear,) = encoded(update, topics.GRASP_MARKERS)[1].markers
    assert clear.action == DELETE_ALL


def test_markers_are_the_open_gripper(update):
    encoder, message = encoded(update, topics.GRASP_MARKERS, grasps="all")
    clear, *boxes, text = message.markers
    assert clear.action == DELETE_ALL and {m.action for m in (*boxes, text)} == {ADD}
    assert [m.type for m in boxes] == [CUBE] * 3 and text.type == TEXT
    assert {m.ns for m in (*boxes, text)} == {"block_1"} and len({m.id for m in boxes}) == 3
    grasps = encoder._planned(update).grasps[1]
    assert text.text == f"{grasps.scores[0]:.2f}"
    in_grasp = [np.linalg.inv(grasps.frame_from_grasp[0]) @ pose_of(m.pose) for m in boxes]
    inner = [abs(p[0, 3]) - m.scale.x / 2 for p, m in zip(in_grasp[:2], boxes, strict=False)]
    np.testing.assert_allclose(inner, grasps.openings[0] / 2, atol=1e-6)
    tips = [p[2, 3] + m.scale.z / 2 for p, m in zip(in_grasp[:2], boxes, strict=False)]
    np.testing.assert_allclose(tips, grasps.gripper.tip, atol=1e-6)


def test_facts_tell_what_can_be_grasped(update):
    _, problem = encoded(update, topics.PDDL_PROBLEM, grasps="all")
    assert "(graspable block_1)" in problem.data and "(graspable cube_4)" not in problem.data
    _, domain = encoded(update, topics.PDDL_DOMAIN, grasps="all")
    assert "(graspable cube_4))" in domain.data.split("lift_cube_4")[1]
    _, knowledge = encoded(update, topics.KNOWLEDGE, grasps="all")
    assert "graspable block_1" in knowledge.predicates
    _, domain = encoded(update, topics.PDDL_DOMAIN)
    assert "(graspable block_1)" not in domain.data
    assert "graspable" not in encoded(update, topics.PDDL_PROBLEM)[1].data


def test_an_empty_map_has_no_grasps(update):
    empty = replace(update, objects=(), relations=())
    assert encoded(empty, topics.GRASPS, grasps="all")[1].poses == []
