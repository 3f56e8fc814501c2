"""The public face of a scene: objects by id, saving, meshes for other libraries."""

import numpy as np
import pytest
from made_objects import scene_object, scene_of
from made_scenes import box

from iscene_ros import Mesh, Scene, read_scene


@pytest.fixture
def scene() -> Scene:
    return scene_of(*(scene_object(i, box((0.1, 0.2, 0.3), (0.5 * i, 0.0))) for i in (3, 7)))


@pytest.fixture
def mesh(scene: Scene) -> Mesh:
    return scene[3].mesh


def test_an_object_is_found_by_its_id(scene: Scene) -> None:
    assert scene[7] is scene.objects[1]
    with pytest.raises(KeyError, match="object 0: not in the scene; its ids are 3, 7"):
        scene[0]
    with pytest.raises(KeyError, match="none"):
        scene_of()[1]


def test_a_saved_scene_can_be_read(scene: Scene, tmp_path) -> None:
    scene.save(str(tmp_path / "scene"))
    np.testing.assert_array_equal(
        read_scene(tmp_path / "scene")[7].mesh.vertices, scene[7].mesh.vertices
    )


def test_a_mesh_becomes_one_of_trimesh(mesh: Mesh) -> None:
    made = mesh.to_trimesh()
    np.testing.assert_array_equal(made.vertices, mesh.vertices)
    np.testing.assert_array_equal(made.faces, mesh.faces)
    assert made.is_watertight and made.volume == pytest.approx(0.1 * 0.2 * 0.3, rel=1e-5)


def test_a_mesh_becomes_one_of_open3d(mesh: Mesh) -> None:
    pytest.importorskip("open3d")
    made = mesh.to_open3d()
    np.testing.assert_array_equal(np.asarray(made.vertices), mesh.vertices)
    np.testing.assert_array_equal(np.asarray(made.triangles), mesh.faces)
