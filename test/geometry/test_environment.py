"""Planes of a depth image and how they carry what hides them."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from made_objects import scene_object, scene_of
from made_scenes import box, look_from

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.bodies import Body
from iscene_ros.geometry.environment import BoxEnvironment, PlaneEnvironment
from iscene_ros.geometry.rasteriser import render
from iscene_ros.geometry.ray_columns import ColumnGrid, Triangles
from iscene_ros.relations.build import relate, scene_bodies

CAMERA = Camera(320, 240, np.array([[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]]))


POSE = look_from((0.0, -0.7, 0.5), (0.0, 0.0, 0.05))


def slab(low, high):
    made = trimesh.creation.box(bounds=[low, high])
    vertices, faces = trimesh.remesh.subdivide_to_size(made.vertices, made.faces, 0.1)
    return Mesh(np.float32(vertices), np.int32(faces))


def seen(objects, surroundings, noise=0.0, pose=POSE):
    """The scene of given objects, and the frame in which they and their surroundings are seen."""
    scene = scene_of(*objects, world_from_camera=pose)
    placed = [o.mesh.transformed(o.frame_from_object) for o in objects]
    inverse = np.linalg.inv(pose)
    image = render([m.transformed(inverse) for m in (*placed, *surroundings)], CAMERA)
    depth = np.where(np.isfinite(image.depth), image.depth, 0)
    depth = depth + noise * np.random.default_rng(0).normal(size=depth.shape) * (depth > 0)
    observation = Observation(
        depth=depth.astype(np.float32),
        masks=np.stack([image.ids == i for i in range(len(objects))]),
        camera=CAMERA,
        instance_ids=tuple(o.id for o in objects),
        world_from_camera=pose,
    )
    return scene, observation


TABLE = slab((-0.4, -0.4, -0.02), (0.4, 0.4, 0.0))
WALL = slab((-0.4, 0.3, 0.0), (0.4, 0.32, 0.4))


def test_planes_of_table_and_wall_are_found_in_noise() -> None:
    scene, observation = seen([scene_object(1, box((0.1, 0.1, 0.1)))], [TABLE, WALL], 0.001)
    _, environment, _ = scene_bodies(scene, observation)
    planes = sorted(environment.planes, key=lambda p: -p.share)[:2]
    normals = sorted(tuple(np.round(p.normal, 1) + 0.0) for p in planes)
    assert normals == [(0.0, -1.0, 0.0), (0.0, 0.0, 1.0)]
    level = next(p for p in planes if p.normal[2] > 0.9)
    assert level.offset == pytest.approx(0.0, abs=1e-3)
    assert 0.0005 < level.sigma < 0.003


def test_table_carries_what_hides_it() -> None:
    resting = scene_object(1, box((0.1, 0.1, 0.1)))
    hovering = scene_object(2, box((0.08, 0.08, 0.05), (0.2, 0.0), bottom=0.08))
    scene, observation = seen([resting, hovering], [TABLE], 0.0005)
    found = {(r.subject, r.predicate, r.object) for r in relate(scene, observation)}
    assert (1, "supported_by", 0) in found
    assert (2, "supported_by", 0) not in found


def test_wall_is_touched_behind_an_object() -> None:
    item = scene_object(1, box((0.1, 0.1, 0.1), (0.0, 0.25)))
    scene, observation = seen([item], [TABLE, WALL], 0.0005)
    edges = [r for r in relate(scene, observation) if r.predicate == "touching"]
    assert {(r.subject, r.object) for r in edges} == {(1, 0), (0, 1)}


def test_table_ends_where_the_camera_sees_past_it() -> None:
    floor = slab((-1.5, -1.5, -0.72), (1.5, 1.5, -0.7))
    pose = look_from((0.45, -0.6, 0.6), (0.25, 0.0, 0.0))
    item = scene_object(1, box((0.05, 0.05, 0.05), (0.0, 0.0)))
    scene, observation = seen([item], [TABLE, floor], 0.0, pose)
    _, environment, _ = scene_bodies(scene, observation)
    assert isinstance(environment, PlaneEnvironment)
    grid = ColumnGrid(2, 0.01)
    places = np.array([[0.2, 0.05], [0.5, 0.05]])
    index = np.rint(places / grid.spacing - [0.12345, 0.37193]).astype(np.int64) + (1 << 19)
    cells = (index[:, 0] << 20) | index[:, 1]
    tops = environment.intervals(grid, cells, 1)
    at_table = tops.high[np.abs(tops.high) < 0.05]
    assert len(at_table) == 1 and tops.cell[np.abs(tops.high) < 0.05] == cells[0]


def test_columns_of_boxes() -> None:
    grid = ColumnGrid(0, 0.01)
    environment = BoxEnvironment((((-1, 0.0, 0.0), (1, 0.1, 0.1)),))
    index = np.array([[5, 5], [20, 5]]) + (1 << 19)
    cells = (index[:, 0] << 20) | index[:, 1]
    found = environment.intervals(grid, cells, 3)
    assert found.cell.tolist() == [cells[0]] and found.body.tolist() == [3]
    assert (found.low, found.high) == (-1, 1)


def supporters(scene, observation):
    return {
        (r.subject, r.object) for r in relate(scene, observation) if r.predicate == "supported_by"
    }


def test_an_object_whose_floor_has_no_depth_stands_on_the_surroundings() -> None:
    stack = [box((0.1, 0.1, 0.1)), box((0.06, 0.06, 0.05), bottom=0.1)]
    scene, observation = seen([scene_object(k + 1, mesh) for k, mesh in enumerate(stack)], [])
    _, environment, _ = scene_bodies(scene, observation)
    assert environment.planes == ()
    assert supporters(scene, observation) == {(1, 0), (2, 1)}


def test_an_object_that_the_camera_sees_under_stands_on_nothing() -> None:
    wall = slab((-2.0, 0.3, -1.0), (2.0, 0.32, 1.0))
    item = scene_object(1, box((0.1, 0.1, 0.1)))
    pose = look_from((0.0, -0.6, -0.2), (0.0, 0.0, 0.05))
    scene, observation = seen([item], [wall], 0.0, pose)
    observation = replace(observation, depth=np.where(observation.depth > 0, observation.depth, 3))
    assert supporters(scene, observation) == set()


def test_a_triangle_between_the_columns_is_in_none_of_them() -> None:
    tiny = np.array([[0.2, 0.2, 0], [0.4, 0.2, 0], [0.2, 0.4, 1.0]]) * 1e-4
    body = Body.of(1, tiny, np.array([[0, 1, 2]]))
    assert len(ColumnGrid(2, 0.01).intervals(Triangles.of([body])).cell) == 0
