"""The fused surroundings: a bin seen from several sides."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from bin_scene import CAMERA, HEIGHT, SIDES, bin_scene, bin_walls, distances, looking, seen, solid
from made_objects import scene_object

from iscene_ros.core.scene import Mesh
from iscene_ros.geometry import environment_volume as volumes
from iscene_ros.geometry.environment_mesh import MAX_FACES, enters_objects, environment_mesh
from iscene_ros.geometry.surroundings_depth import surroundings_depth

pytest.importorskip("open3d", reason="needs open3d: pip install 'iscene_ros[fusion]'")


def fuse(volume, *observations):
    for one in observations:
        depth = surroundings_depth(one, one.masks.any(axis=0))
        volume.integrate(depth, one.camera, one.world_from_camera)
    return volume


def fused(*observations):
    return fuse(volumes.EnvironmentVolume(), *observations)


def inside_faces_of_walls(rows=25):
    """Points on the inner faces of the walls, some centimetres off floor, rim and corners."""
    x, y = np.meshgrid(np.linspace(-0.27, 0.27, rows), np.linspace(0.03, HEIGHT - 0.02, rows))
    z = np.linspace(-0.17, 0.17, rows)[None].repeat(rows, 0)
    long = [np.stack([x, np.full_like(x, s), y], -1) for s in (-0.2, 0.2)]
    short = [np.stack([np.full_like(x, s), z, y], -1) for s in (-0.3, 0.3)]
    return np.concatenate([part.reshape(-1, 3) for part in (*long, *short)])


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_a_bin_seen_from_three_sides_has_its_walls(noise):
    views = [seen(p, noise=noise, seed=i) for i, p in enumerate(SIDES * 3)]
    mesh = environment_mesh(fused(*views).mesh(), [])
    assert 100 < len(mesh.faces) <= MAX_FACES
    surface = mesh.to_trimesh()
    on_mesh = trimesh.sample.sample_surface(surface, 5000, seed=0)[0]
    # Every part of the mesh is on a true surface, and every wall is there.
    off = distances(on_mesh, bin_scene())
    assert np.percentile(off, 99) < 0.01 and off.max() < 0.02
    missing = distances(inside_faces_of_walls(), mesh)
    assert np.percentile(missing, 99) < 0.01


def test_the_front_of_the_mesh_is_what_was_seen():
    surface = environment_mesh(fused(seen(SIDES[0])).mesh(), []).to_trimesh()
    to_camera = SIDES[0][:3, 3] - surface.triangles_center
    facing = np.einsum("ij,ij->i", to_camera, surface.face_normals) > 0
    assert np.average(facing, weights=surface.area_faces) > 0.98


def test_a_wall_seen_from_both_sides_stays_thin():
    wall = bin_walls()[2]
    mesh = fused(*(seen(p) for p in (SIDES[0], looking((0, 0.6, 0.6))))).mesh()
    near = np.abs(mesh.vertices[:, 0]) < 0.25
    near &= (mesh.vertices[:, 2] > 0.04) & (mesh.vertices[:, 1] < -0.15)
    assert near.sum() > 100 and distances(mesh.vertices[near], [wall]).max() < 0.01


BOX = solid((-0.05, -0.05, 0.0), (0.05, 0.05, 0.1))


def test_an_object_leaves_no_trace_and_what_it_stood_on_fills_in():
    volume = fused(*(seen(p, [BOX]) for p in SIDES))
    around = [[x, y, 0.0] for x in (-0.02, 0.02) for y in (-0.02, 0.02)]
    with_box = volume.mesh()
    in_box = np.all(np.abs(with_box.vertices - (0, 0, 0.05)) < 0.05, axis=1)
    assert not in_box.any() and distances(around, with_box).min() > 0.02
    fuse(volume, *(seen(p) for p in SIDES))
    assert distances(around, volume.mesh()).max() < 0.01


def test_what_has_left_disappears():
    arm = solid((-0.03, -0.2, 0.25), (0.03, 0.3, 0.31))
    volume = fused(*(seen(p, hidden=[arm]) for p in SIDES * 4))
    points = np.array([[0.0, y, 0.31] for y in (0.0, 0.1)])
    assert distances(points, volume.mesh()).max() < 0.01
    fuse(volume, *(seen(p) for p in SIDES * 2))
    mesh = environment_mesh(volume.mesh(), [])
    assert mesh.vertices[:, 2].max() < HEIGHT + 0.02
    assert distances(points, mesh).min() > 0.1


def test_no_triangle_lies_in_an_object_that_was_fused_before_it_was_known():
    volume = fused(*(seen(p, hidden=[BOX]) for p in SIDES))
    pose = np.eye(4)
    pose[2, 3] = 0.05
    body = trimesh.creation.box((0.1, 0.1, 0.1))
    mesh = Mesh(body.vertices.astype(np.float32), body.faces.astype(np.int32))
    item = replace(scene_object(1, body), mesh=mesh, frame_from_object=pose)
    before = environment_mesh(volume.mesh(), [])
    assert enters_objects(before, [item])
    after = environment_mesh(volume.mesh(), [item])
    assert not enters_objects(after, [item])
    samples = trimesh.sample.sample_surface(after.to_trimesh(), 20_000, seed=0)[0]
    assert not np.all(np.abs(samples - (0, 0, 0.05)) < 0.049, axis=1).any()
    assert len(after.faces) > 1000


def test_small_parts_are_noise():
    speck = Mesh(np.float32([[0, 0, 1], [0.05, 0, 1], [0, 0.05, 1]]), np.int32([[0, 1, 2]]))
    assert len(environment_mesh(speck, []).faces) == 0


def test_nothing_seen_has_no_surface():
    volume = volumes.EnvironmentVolume()
    assert len(volume.mesh().faces) == 0 and not volume.has_changed(1)
    volume.integrate(np.zeros((240, 320), np.float32), CAMERA, np.eye(4))
    assert volume.block_count == 0 and len(environment_mesh(volume.mesh(), []).faces) == 0


def test_far_readings_and_far_blocks_are_dropped():
    depth = np.full((240, 320), 3.5, np.float32)
    volume = volumes.EnvironmentVolume()
    volume.integrate(depth, CAMERA, np.eye(4))
    assert volume.block_count == 0
    volume.integrate(depth - 2.5, CAMERA, np.eye(4))
    assert volume.block_count > 0
    away = np.eye(4)
    away[2, 3] = -10.0
    volume.integrate(depth, CAMERA, away)
    assert volume.block_count == 0


def test_memory_is_bounded_and_the_nearest_stays(monkeypatch):
    def distance(volume):
        keys = volume.blocks().keys
        return np.linalg.norm((keys + 0.5) * volumes.BLOCK_M - SIDES[0][:3, 3], axis=1)

    whole = distance(fused(seen(SIDES[0])))
    monkeypatch.setattr(volumes, "MAX_BLOCKS", 100)
    volume = fused(seen(SIDES[0]))
    np.testing.assert_array_equal(np.sort(distance(volume)), np.sort(whole)[:100])
    fuse(volume, *(seen(p) for p in SIDES))
    assert volume.block_count == 100


def test_blocks_do_not_become_more_with_frames():
    views = [seen(p, noise=0.003, seed=i) for i, p in enumerate(SIDES)]
    volume = fused(*views)
    count = volume.block_count
    assert fuse(volume, *views * 20).block_count == count


def test_the_mesh_has_changed_only_when_the_surface_has():
    volume = fused(*(seen(p, noise=0.003, seed=i) for i, p in enumerate(SIDES * 3)))
    assert volume.has_changed(200)
    volume.mesh()
    fuse(volume, *(seen(p, noise=0.003, seed=9 + i) for i, p in enumerate(SIDES)))
    assert not volume.has_changed(200)
    fuse(volume, *(seen(p, hidden=[BOX]) for p in SIDES * 2))
    assert volume.has_changed(200)


def test_a_dropped_block_comes_back_empty(monkeypatch):
    volume = fused(seen(SIDES[0], hidden=[BOX]))
    away = np.eye(4)
    away[2, 3] = -10.0
    volume.integrate(np.zeros((240, 320), np.float32), CAMERA, away)
    assert volume.block_count == 0
    again = fuse(volume, seen(SIDES[0])).blocks()
    fresh = fused(seen(SIDES[0])).blocks()
    np.testing.assert_array_equal(again.keys, fresh.keys)
    np.testing.assert_array_equal(again.distance, fresh.distance)
    np.testing.assert_array_equal(again.weight, fresh.weight)


def test_a_loaded_volume_goes_on_as_the_saved_one():
    first, second = seen(SIDES[0]), seen(SIDES[1])
    volume, other = fused(first), volumes.EnvironmentVolume()
    other.load(volume.blocks())
    one, two = fuse(volume, second).blocks(), fuse(other, second).blocks()
    np.testing.assert_array_equal(one.keys, two.keys)
    np.testing.assert_array_equal(one.distance, two.distance)
