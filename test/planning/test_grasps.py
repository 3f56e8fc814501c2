"""Grasps of bodies of which it is known where a gripper may hold them."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from made_objects import mesh_of, scene_object, scene_of, table_plane
from made_scenes import ball, box, cup

from iscene_ros.core.camera import Camera
from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import Mesh, Relation
from iscene_ros.geometry.rasteriser import render
from iscene_ros.planning.grasp_obstacles import _worth
from iscene_ros.planning.grasps import plan_all_grasps, plan_grasps
from iscene_ros.planning.grippers import FRANKA_HAND, GRIPPERS, ROBOTIQ_2F_85, gripper_named

TABLE = table_plane(0.6)


def on_table(*meshes, **changes):
    objects = [scene_object(number, mesh) for number, mesh in enumerate(meshes, start=1)]
    return replace(scene_of(*objects), planes=(TABLE,), **changes)


def points_in_gripper(grasps, row, points):
    """Which points (M, 3) lie in a finger or in the palm of the open gripper."""
    pose = grasps.frame_from_grasp[row]
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    boxes = grasps.gripper.boxes(grasps.openings[row])
    return np.array(
        [
            np.all((local > low) & (local < high), axis=1)
            for low, high in zip(boxes.low, boxes.high, strict=True)
        ]
    ).any(axis=0)


@pytest.mark.parametrize("gripper", GRIPPERS.values(), ids=lambda g: g.name)
@given(width=st.floats(0.02, 0.06), yaw=st.floats(-3, 3))
@settings(max_examples=5, deadline=None)
def test_a_box_is_held_by_opposite_faces(gripper, width, yaw):
    mesh = box((width, 0.2, 0.12), yaw=yaw)
    grasps = plan_grasps(on_table(mesh), 1, gripper)
    assert len(grasps) and grasps.reason == ""
    x, z = grasps.frame_from_grasp[:, :3, 0], grasps.frame_from_grasp[:, :3, 2]
    assert np.abs(x @ [np.cos(yaw), np.sin(yaw), 0]) == pytest.approx(1, abs=1e-3)
    assert grasps.widths == pytest.approx(width, abs=1e-3)
    assert np.all(grasps.openings > grasps.widths) and np.all(grasps.inner_widths < width)
    assert np.all(z[:, 2] <= 0.31), "nothing comes from below"
    assert np.all(np.diff(grasps.scores) <= 0) and np.all(
        (0 <= grasps.scores) & (grasps.scores <= 1)
    )
    ends = np.abs(grasps.contacts.reshape(-1, 3) @ [np.cos(yaw), np.sin(yaw), 0])
    assert ends == pytest.approx(width / 2, abs=2e-3)


def test_rotations_are_right_handed_and_poses_rigid():
    rotation = plan_grasps(on_table(ball(0.03, (0, 0, 0.03))), 1).frame_from_grasp[:, :3, :3]
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert rotation @ rotation.transpose(0, 2, 1) == pytest.approx(
        np.tile(np.eye(3), (len(rotation), 1, 1)), abs=1e-5
    )


def test_the_gripper_meets_neither_neighbours_nor_table():
    meshes = [
        box((0.04, 0.04, 0.1)),
        box((0.05, 0.05, 0.08), at=(0.09, 0)),
        cup(0.03, 0.09, at=(0, 0.1)),
    ]
    scene = on_table(*meshes)
    dense = [m.sample(4000, seed=0) for m in meshes]
    for target, grasps in plan_all_grasps(scene).items():
        assert len(grasps), grasps.reason
        for row in range(len(grasps)):
            inside = points_in_gripper(grasps, row, np.concatenate(dense))
            assert not inside.any(), target
            corners = grasps.gripper.corners(grasps.openings[[row]])[0]
            pose = grasps.frame_from_grasp[row]
            assert (corners @ pose[:3, :3].T + pose[:3, 3])[:, 2].min() > 0


def test_a_thin_wall_is_held_from_both_sides():
    grasps = plan_grasps(on_table(cup(0.06, 0.1)), 1)
    assert len(grasps) and grasps.widths == pytest.approx(0.004, abs=2e-3)


def test_an_uncertain_neighbour_is_kept_away_from():
    known = on_table(box((0.04, 0.1, 0.12)), box((0.04, 0.1, 0.12), at=(0.09, 0)))
    item = known.objects[1]
    sigma = np.full(len(item.mesh.vertices), 0.03, np.float32)
    unsure = replace(known, objects=(known.objects[0], replace(item, vertex_sigma=sigma)))
    sides = [plan_grasps(scene, 1).frame_from_grasp for scene in (known, unsure)]
    pressed = [np.abs(poses[:, 0, 0]) > 0.9 for poses in sides]
    assert pressed[0].any() and not pressed[1].any()


def test_the_fused_surroundings_are_in_the_way():
    walls = trimesh.util.concatenate(
        [box((0.01, 0.3, 0.3), at=(x, 0)) for x in (-0.05, 0.05)]
        + [box((0.3, 0.01, 0.3), at=(0, y)) for y in (-0.05, 0.05)]
    )
    grasps = plan_grasps(on_table(box((0.03, 0.03, 0.06)), environment=mesh_of(walls)), 1)
    assert len(grasps) == 0 and grasps.reason == "no clear way in: the surroundings in the way"


def test_the_rim_of_a_bin_is_hollow():
    rim = replace(TABLE, offset=-0.1, corners=TABLE.corners + [0, 0, 0.1])
    scene = replace(on_table(box((0.04, 0.05, 0.06))), planes=(TABLE, rim))
    assert len(plan_grasps(scene, 1))
    grown_into = plan_grasps(replace(scene, planes=(replace(rim, offset=-0.015),)), 1)
    for pose, opening in zip(grown_into.frame_from_grasp, grown_into.openings, strict=True):
        corners = grown_into.gripper.corners(np.array([opening]))[0]
        assert (corners @ pose[:3, :3].T + pose[:3, 3])[:, 2].min() > 0.015


def test_reasons():
    wide = plan_grasps(on_table(box((0.11, 0.12, 0.13))), 1)
    assert len(wide) == 0 and wide.reason == "wider than the gripper: 0.110 m of 0.080"
    assert wide.frame_from_grasp.shape == (0, 4, 4)
    sheet = trimesh.Trimesh([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]], [[0, 1, 2]])
    assert plan_grasps(on_table(sheet), 1).reason == "no two opposite places of its surface"
    unknown = replace(on_table(box((0.05, 0.05, 0.05))), is_metric=False)
    assert "scale" in plan_grasps(unknown, 1).reason
    around = [
        box((0.1, 0.1, 0.3), at=(x, y))
        for x in (-0.09, 0, 0.09)
        for y in (-0.09, 0, 0.09)
        if x or y
    ]
    lost = plan_grasps(on_table(box((0.04, 0.04, 0.04)), *around), 1)
    assert len(lost) == 0 and "thing" in lost.reason


@pytest.mark.parametrize(
    ("vertices", "faces"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (np.zeros((3, 3)), [[0, 1, 2]]),
        (np.full((3, 3), np.nan), [[0, 1, 2]]),
    ],
)
def test_a_mesh_without_a_surface_has_no_grasp(vertices, faces):
    scene = on_table(box((0.05, 0.05, 0.05)), box((0.05, 0.05, 0.05), at=(0.2, 0)))
    mesh = Mesh(np.asarray(vertices, np.float32), np.asarray(faces, np.int32))
    bad = replace(scene.objects[0], mesh=mesh)
    scene = replace(scene, objects=(bad, scene.objects[1]))
    found = plan_all_grasps(scene)
    assert found[1].reason == "its mesh has no finite triangle"
    assert len(found[2])


def test_a_corner_that_is_not_finite_and_unknown_gravity_leave_grasps():
    scene = replace(on_table(box((0.05, 0.05, 0.05))), gravity_camera=np.zeros(3))
    (item,) = scene.objects
    vertices = np.concatenate([item.mesh.vertices, np.full((1, 3), np.nan, np.float32)])
    faces = np.concatenate([item.mesh.faces, [[0, 1, len(vertices) - 1]]]).astype(np.int32)
    broken = replace(item, mesh=Mesh(vertices, faces))
    grasps = plan_grasps(replace(scene, objects=(broken,)), 1)
    assert len(grasps) and np.isfinite(grasps.scores).all()


def test_what_lies_on_it_is_removed_first_and_not_in_the_way_then():
    lid = box((0.3, 0.3, 0.02), bottom=0.05)
    scene = on_table(box((0.05, 0.05, 0.05)), lid)
    assert not len(plan_grasps(scene, 1))
    edges = (Relation(2, Predicate.SUPPORTED_BY.value, 1, 0.9),)
    grasps = plan_grasps(replace(scene, relations=edges), 1)
    assert grasps.remove_first == (2,) and len(grasps)


def test_less_clearance_is_taken_for_a_better_score_or_where_there_is_no_other_grasp():
    scores = np.array([0.5, 0.45, 0.2])
    assert _worth([[1], [0, 1], [0, 1]], scores) == [1]
    assert _worth([[2], [0, 2], [0, 2]], scores) == [0, 2]
    assert _worth([[], [], [2]], 0.1 * scores) == [2]
    assert _worth([[], [], []], scores) == []


def test_the_same_scene_gives_the_same_grasps():
    scene = on_table(cup(0.03, 0.09), box((0.05, 0.05, 0.05), at=(0.15, 0)))
    one, other = plan_all_grasps(scene), plan_all_grasps(scene)
    for target in one:
        np.testing.assert_array_equal(one[target].frame_from_grasp, other[target].frame_from_grasp)


def test_an_unknown_object_is_an_error_that_names_the_known_ones():
    with pytest.raises(KeyError, match="its ids are 1"):
        plan_grasps(on_table(box((0.05, 0.05, 0.05))), 7)


@pytest.mark.parametrize(
    "change",
    [
        {"max_width": 0.0},
        {"force": float("nan")},
        {"palm_size": (0.1, -0.1, 0.1)},
        {"palm_size": (0.1, 0.1)},
        {"tip": 0.05},
    ],
)
def test_a_gripper_that_cannot_be_is_an_error(change):
    with pytest.raises(InputError, match="gripper"):
        replace(FRANKA_HAND, **change)


def test_grippers_have_names():
    assert gripper_named("robotiq_2f_85") is ROBOTIQ_2F_85
    with pytest.raises(InputError, match="franka_hand, robotiq_2f_85"):
        gripper_named("claw")


def test_what_a_view_shows_of_the_surroundings_is_in_the_way():
    """Walls around the object that no plane tells of."""
    camera = Camera(160, 120, np.array([[130.0, 0, 79.5], [0, 130, 59.5], [0, 0, 1]]))
    target = box((0.03, 0.03, 0.06))
    scene = on_table(target)
    walls = [box((0.02, 0.3, 0.2), at=(x, 0)) for x in (-0.06, 0.06)]
    walls += [box((0.3, 0.02, 0.2), at=(0, y)) for y in (-0.06, 0.06)]
    ground = box((1, 1, 0.1), bottom=-0.1)
    camera_from_frame = np.linalg.inv(scene.frame_from_camera)
    meshes = [mesh_of(m).transformed(camera_from_frame) for m in (target, ground, *walls)]

    def view(count):
        image = render(meshes[:count], camera)
        return Observation(
            depth=image.depth.astype(np.float32),
            masks=(image.ids == 0)[None],
            camera=camera,
            labels=("thing",),
            world_from_camera=scene.frame_from_camera,
        )

    down = [
        plan_all_grasps(scene, observations=[view(count)])[1].frame_from_grasp[:, 2, 2] < -0.8
        for count in (2, 6)
    ]
    assert down[0].any() and not down[1].any(), "the hand does not fit between the rims"
