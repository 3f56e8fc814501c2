"""The public face of a scene: objects by id, saving, meshes for other libraries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_objects import scene_object, scene_of
from made_scenes import box
from scipy.spatial.transform import Rotation

from iscene_ros import Scene, read_scene
from iscene_ros.core.scene import Plane


@pytest.fixture
def scene() -> Scene:
    return scene_of(*(scene_object(i, box((0.1, 0.2, 0.3), (0.5 * i, 0.0))) for i in (3, 7)))


def test_an_object_is_found_by_its_id(scene):
    assert scene[7] is scene.objects[1]
    with pytest.raises(KeyError, match="object 0: not in the scene; its ids are 3, 7"):
        scene[0]
    with pytest.raises(KeyError, match="none"):
        scene_of()[1]


def test_a_saved_scene_can_be_read(scene, tmp_path):
    scene.save(str(tmp_path / "scene"))
    np.testing.assert_array_equal(
        read_scene(tmp_path / "scene")[7].mesh.vertices, scene[7].mesh.vertices
    )


def test_a_mesh_becomes_one_of_trimesh(scene):
    mesh = scene[3].mesh
    made = mesh.to_trimesh()
    np.testing.assert_array_equal(made.vertices, mesh.vertices)
    np.testing.assert_array_equal(made.faces, mesh.faces)
    assert made.is_watertight and made.volume == pytest.approx(0.1 * 0.2 * 0.3, rel=1e-5)


def test_a_mesh_becomes_one_of_open3d(scene):
    pytest.importorskip("open3d")
    mesh = scene[3].mesh
    made = mesh.to_open3d()
    np.testing.assert_array_equal(np.asarray(made.vertices), mesh.vertices)
    np.testing.assert_array_equal(np.asarray(made.triangles), mesh.faces)


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_a_moved_plane_has_its_points_and_its_outline_with_it(motion):
    square = np.array([[1.0, 0, -1], [-1, 0, -1], [0, 1, -2], [0, -1, -2]])
    corners = np.array([[1.0, 2, 4], [-1, 2, 4], [-1, -2, 4], [1, -2, 4]])
    plane = Plane(np.array([0, 0, -1.0]), 4.0, 0.001, np.eye(3)[:2], square, corners, 0.0, 1.0)
    points = np.array([[0.0, 0, 4], [0.9, -1.9, 4], [1.1, 0, 4], [0, 2.1, 4]])
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_rotvec(motion[:3]).as_matrix()
    transform[:3, 3] = motion[3:]
    moved = plane.transformed(transform)
    for part in (points, corners):
        there = part @ transform[:3, :3].T + transform[:3, 3]
        np.testing.assert_allclose(there @ moved.normal + moved.offset, 0, atol=1e-9)
    np.testing.assert_allclose(moved.corners, there, atol=1e-9)
    there = points @ transform[:3, :3].T + transform[:3, 3]
    assert moved.reaches(there).tolist() == [True, True, False, False]
