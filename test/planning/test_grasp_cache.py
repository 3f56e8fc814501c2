"""Grasps of a map are planned anew only where something changed."""

from dataclasses import replace

import numpy as np
import pytest
import scene_updates
import trimesh
from made_objects import mesh_of

from iscene_ros.planning import grasp_cache
from iscene_ros.planning.grasp_cache import GraspCache, GraspOptions

ALL = GraspOptions("all")


def block(number, x):
    mesh = mesh_of(trimesh.creation.box((0.04, 0.06, 0.08)))
    item = scene_updates.scene_object(number, "block", mesh)
    pose = np.eye(4)
    pose[:3, 3] = x, 0, 0.05
    return replace(item, frame_from_object=pose, size=np.array([0.04, 0.06, 0.08]))


def update_of(*items):
    return scene_updates.small_update(tuple(scene_updates.tracked_object(i) for i in items))


@pytest.fixture
def planned(monkeypatch):
    """The ids of the objects that were planned, in order."""
    ids = []
    plan = grasp_cache.plan_grasps

    def noted(scene, number, *args):
        ids.append(number)
        return plan(scene, number, *args)

    monkeypatch.setattr(grasp_cache, "plan_grasps", noted)
    return ids


def test_only_what_changed_and_its_neighbours_are_planned_anew(planned):
    cache, items = GraspCache(), [block(1, 0.0), block(2, 0.2), block(3, 2.0)]
    first = cache.planned(update_of(*items), ALL)
    assert planned == [1, 2, 3] and all(len(g) for g in first.grasps.values())
    assert cache.planned(update_of(*items), ALL).grasps == first.grasps and planned == [1, 2, 3]
    nudged = replace(items[0], frame_from_object=items[0].frame_from_object + 1e-5)
    cache.planned(update_of(nudged, *items[1:]), ALL)
    assert planned == [1, 2, 3]
    cache.planned(update_of(block(1, 0.03), *items[1:]), ALL)
    assert planned == [1, 2, 3, 1, 2]
    cache.planned(update_of(items[1], items[2]), ALL)
    assert planned == [1, 2, 3, 1, 2, 2], "a neighbour has gone"
    cache.planned(update_of(items[1], items[2]), GraspOptions("all", gripper="robotiq_2f_85"))
    assert planned[6:] == [2, 3]


def test_the_target_alone(planned):
    update = update_of(block(1, 0.0), block(2, 0.5))
    for target in ("block_2", "2"):
        found = GraspCache().planned(update, GraspOptions("target", target))
        assert found.target == 2 and list(found.grasps) == [2]
    assert planned == [2, 2]
    for target in ("", "cup_9"):
        found = GraspCache().planned(update, GraspOptions("target", target))
        assert found.target is None and not found.grasps


def test_without_a_name_the_target_is_the_likeliest(planned):
    wide = replace(block(1, 0.0), mesh=scene_updates.cube(0.3))
    found = GraspCache().planned(update_of(wide, block(2, 0.9)), ALL)
    assert found.target == 2 and len(found.grasps[1]) == 0
    assert GraspCache().planned(update_of(), ALL).target is None


def test_none_plans_nothing(planned):
    found = GraspCache().planned(update_of(block(1, 0.0)), GraspOptions())
    assert found.target is None and not found.grasps and not planned
