"""Inputs that complete, but cannot be what they say, are told."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from table_scene import Thing, box, cup, looking_at, shoot

from iscene_ros.completion.plausibility import doubts
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Plane, Scene
from iscene_ros.geometry.planes import find_planes
from iscene_ros.io.demo_frame import demo_frame


def planes_of(observation: Observation, frame_from_camera: np.ndarray) -> tuple[Plane, ...]:
    return tuple(plane.transformed(frame_from_camera) for plane in find_planes(observation))


THINGS = (Thing(-0.1, 0), Thing(0.1, 0, "box", box(0.08, 0.05, 0.06)))


def kinds(scene: Scene, observation: Observation) -> list[str]:
    found = doubts(scene, observation)
    assert all(line.isprintable() and ": " in line for line in found)
    return [line.partition(":")[0] for line in found]


def seen(told: np.ndarray | None = None, true: np.ndarray | None = None):
    """The table by its true pose, completed by the pose that is told."""
    true = looking_at() if true is None else true
    told = true if told is None else told
    shot = shoot(THINGS, true)
    observation = replace(shot.tracked.observation, world_from_camera=told)
    told_from_true = told @ np.linalg.inv(true)
    objects = tuple(
        replace(o, frame_from_object=told_from_true @ o.frame_from_object)
        for o in shot.scene.objects
    )
    planes = planes_of(observation, told)
    return replace(shot.scene, frame_from_camera=told, planes=planes, objects=objects), observation


def tilted(roll: float) -> np.ndarray:
    pose = looking_at()
    turn = Rotation.from_euler("z", roll, degrees=True).as_matrix()
    pose[:3, :3] = pose[:3, :3] @ turn
    return pose


@pytest.mark.parametrize("roll", [0, 90, 180])
def test_a_sound_input_is_not_doubted(roll):
    assert doubts(*seen(true=tilted(roll))) == ()


def test_the_real_frame_is_not_doubted():
    frame = demo_frame()
    observation = replace(frame.observation.rectified(), world_from_camera=frame.world_from_camera)
    planes = planes_of(observation, frame.world_from_camera)
    scene = replace(shoot(THINGS).scene, objects=(), planes=planes)
    scene = replace(scene, frame_from_camera=frame.world_from_camera)
    assert doubts(scene, observation) == ()


BODY_FROM_OPTICAL = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
FALSE_POSES = {
    "body": looking_at() @ np.linalg.inv(BODY_FROM_OPTICAL),
    "OpenGL": looking_at() @ np.diag([1.0, -1, -1, 1]),
    "y up": np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]]) @ looking_at(),
    "inverse": np.linalg.inv(looking_at()),
}


@pytest.mark.parametrize("name", FALSE_POSES)
def test_gravity_that_contradicts_the_table_is_told(name):
    assert "gravity" in kinds(*seen(FALSE_POSES[name]))


@pytest.mark.parametrize("heading", [40, 130, 250])
def test_an_inverted_pose_is_told_whatever_the_heading(heading):
    true = looking_at()
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("z", heading, degrees=True).as_matrix()
    inverse = np.linalg.inv(turn @ true)
    assert "gravity" in kinds(*seen(inverse))


def test_a_wall_behind_objects_on_a_table_is_not_doubted():
    scene, observation = seen()
    (table,) = scene.planes
    wall = replace(table, normal=np.array([0, -1.0, 0]), offset=0.5, share=0.6)
    planes = (wall, replace(table, share=0.3))
    assert doubts(replace(scene, planes=planes), observation) == ()
    assert doubts(replace(scene, planes=(wall,)), observation) == ()


def test_a_position_in_millimetres_is_told():
    told = looking_at()
    told[:3, 3] *= 1000
    assert kinds(*seen(told)) == ["pose"]
    geographic = looking_at()
    geographic[:3, 3] += 5e5, 5e6, 500
    assert kinds(*seen(geographic)) == []


@pytest.mark.parametrize("factor", [10, 1000])
def test_depth_of_another_unit_is_told(factor):
    scene, observation = seen()
    if factor == 1000:
        with pytest.raises(ValueError, match="millimetres"):
            replace(observation, depth=observation.depth * factor)
        return
    scene = replace(
        scene, objects=tuple(replace(o, size=o.size * factor) for o in scene.objects), planes=()
    )
    assert kinds(scene, replace(observation, depth=observation.depth * factor)) == ["depth unit"]


def test_objects_too_large_for_their_masks_are_told():
    scene, observation = seen()
    big = replace(scene.objects[0], size=np.array([0.2, 1.4, 0.2]))
    assert kinds(replace(scene, objects=(big, *scene.objects[1:])), observation) == ["size"]


def test_a_mask_of_a_class_is_told_and_one_behind_a_pole_is_not():
    scene, observation = seen()
    both = observation.masks.any(axis=0)[None]
    semantic = replace(observation, masks=both, labels=("cup",), scores=(), instance_ids=(1,))
    scene = replace(scene, objects=scene.objects[:1])
    assert kinds(scene, semantic) == ["masks"]
    rows, columns = np.nonzero(both[0])
    depth = observation.depth.copy()
    depth[:, int(columns.mean()) - 20 : int(columns.mean()) + 20] *= 0.6
    hidden = np.where(both[0], observation.depth, depth)
    assert kinds(replace(scene, planes=()), semantic.with_depth(hidden)) == []


def test_depth_that_lies_off_every_surface_is_told():
    scene, observation = seen()
    off = tuple(replace(o, depth_residual=0.015) for o in scene.objects)
    assert kinds(replace(scene, objects=off), observation) == ["registration"]
    one = (replace(scene.objects[0], depth_residual=0.015), *scene.objects[1:])
    assert kinds(replace(scene, objects=one), observation) == []


@pytest.mark.parametrize("shift", [(0, 14), (0, -14), (12, 6)])
def test_masks_beside_the_things_that_they_name_are_told(shift):
    scene, observation = seen()
    beside = np.roll(observation.masks, shift, axis=(1, 2))
    assert kinds(scene, replace(observation, masks=beside)) == ["registration"]
    aside = np.roll(observation.masks, (2, 2), axis=(1, 2))
    assert kinds(scene, replace(observation, masks=aside)) == []


def test_flat_things_and_things_without_mask_are_not_doubted():
    flat = (Thing(-0.1, 0, "card", box(0.08, 0.05, 0.004)), Thing(0.1, 0, detected=False))
    shot = shoot(flat)
    observation = shot.tracked.observation
    planes = planes_of(observation, looking_at())
    assert kinds(replace(shot.scene, planes=planes), observation) == []


def test_a_scene_without_depth_or_scale_is_not_judged():
    scene, observation = seen(FALSE_POSES["OpenGL"])
    assert doubts(replace(scene, is_metric=False), observation) == ()
    assert doubts(scene, observation.with_depth(np.zeros_like(observation.depth))) == ()


def test_completing_tells_the_doubts(completer):
    _, observation = seen(FALSE_POSES["OpenGL"])
    scene = completer.complete(observation)
    assert any(warning.startswith("gravity: ") for warning in scene.warnings)


def test_a_tall_cup_is_no_giant():
    shot = shoot((Thing(0, 0, "vase", cup(0.3)),))
    assert kinds(shot.scene, shot.tracked.observation) == []
