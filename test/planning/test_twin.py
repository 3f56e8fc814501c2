"""Twins of scenes: masses, parts, surroundings, and whether simulators take them."""

import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh
from made_objects import scene_object, scene_of, table_plane
from made_scenes import ball, box, cup, noisy
from scipy.spatial.transform import Rotation

from iscene_ros.core.errors import InputError
from iscene_ros.core.scene import Mesh
from iscene_ros.io.twin_files import DOCUMENTS, write_twin
from iscene_ros.io.twin_usd import usd
from iscene_ros.planning.twin import make_twin

LEFT_HANDED = np.array([[0.0, 1, 0], [1, 0, 0]])  # with the normal
TABLE = table_plane(0.3, axes=LEFT_HANDED)


@pytest.fixture
def scene():
    meshes = box((0.06, 0.05, 0.04)), cup(0.04, 0.1, at=(0.2, 0)), ball(0.03, (0, 0.2, 0.03))
    objects = [scene_object(n, mesh, label="mug") for n, mesh in enumerate(meshes, start=1)]
    return replace(scene_of(*objects), planes=(TABLE,))


def test_masses_and_inertia_are_those_of_the_meshes(scene):
    block, mug, _ = make_twin(scene, {"mug": 1000.0}, "hull").bodies
    x, y, z = 0.06, 0.05, 0.04
    assert block.mass == pytest.approx(1000 * x * y * z, rel=1e-4)
    expected = block.mass / 12 * np.diag([y * y + z * z, x * x + z * z, x * x + y * y])
    np.testing.assert_allclose(block.inertia, expected, rtol=1e-3, atol=1e-9)
    assert mug.mass == pytest.approx(1000 * cup(0.04, 0.1).volume, rel=1e-3), "not that of its hull"


def test_open_flat_and_tiny_meshes(scene):
    half = box((0.06, 0.05, 0.04))
    half = trimesh.Trimesh(half.vertices, half.faces[:7], process=False)
    flat = trimesh.Trimesh([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]], [[0, 1, 2]])
    dust = box((0.002, 0.002, 0.002))
    objects = [scene_object(n, m) for n, m in enumerate((half, flat, dust), start=1)]
    twin = make_twin(scene_of(*objects), shape="hull")
    (opened, tiny), (left_out,) = twin.bodies, twin.left_out
    assert left_out == "thing_2"
    assert opened.mass == pytest.approx(500 * 0.06 * 0.05 * 0.04, rel=1e-3)
    assert tiny.mass == pytest.approx(1e-3)
    assert np.linalg.eigvalsh(tiny.inertia).min() > 0
    assert make_twin(scene_of()).bodies == ()


def test_what_cannot_be_is_an_error(scene, tmp_path):
    with pytest.raises(InputError, match="density of 'mug': -1"):
        make_twin(scene, {"mug": -1.0})
    with pytest.raises(InputError, match="scale"):
        make_twin(replace(scene, is_metric=False))
    with pytest.raises(InputError, match="expected one of mjcf, sdf, urdf, usd"):
        write_twin(make_twin(scene, shape="hull"), tmp_path / "out", "dae")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.jpg").touch()
    with pytest.raises(InputError, match=r"holds cat\.jpg"):
        write_twin(make_twin(scene, shape="hull"), tmp_path / "photos", "mjcf")


def test_the_table_reaches_below_what_stands_on_it(scene):
    (slab,) = make_twin(scene, shape="hull").boxes
    assert np.linalg.det(slab.world_from_box[:3, :3]) == pytest.approx(1)
    corner = np.array([[-1, -1, -1], [1, 1, 1]]) * slab.half_size
    corner = corner @ slab.world_from_box[:3, :3].T + slab.world_from_box[:3, 3]
    np.testing.assert_allclose(np.sort(corner[:, 2]), [-0.05, 0], atol=1e-9)
    far = scene_object(9, box((0.05, 0.05, 0.05), at=(0.5, 0)))
    (wider,) = make_twin(replace(scene, objects=(*scene.objects, far)), shape="hull").boxes
    assert max(wider.half_size) > max(slab.half_size)


def test_an_uneven_underside_stands_flat_on_the_plane_that_carries_it(scene):
    tall = box((0.05, 0.05, 0.15))
    low = tall.vertices[:, 2] < 0.01
    tall.vertices[low, 2] += [0.0, 0.006, -0.004, 0.003]  # over it, and into the table
    standing = replace(scene, objects=(scene_object(1, tall),))
    (part,) = make_twin(standing, shape="hull").bodies[0].parts
    pose = make_twin(standing, shape="hull").bodies[0].world_from_body
    height = part.vertices @ pose[2, :3] + pose[2, 3]
    np.testing.assert_allclose(np.sort(height)[:4], 0, atol=1e-6)
    assert height.max() == pytest.approx(0.15, abs=1e-6)
    (free,) = make_twin(replace(standing, planes=()), shape="hull").bodies[0].parts
    assert np.ptp(np.sort(free.vertices[:, 2])[:4]) == pytest.approx(0.01, abs=1e-6)


def test_a_scene_in_the_camera_frame_is_turned_upright():
    level = scene_of(scene_object(1, box((0.1, 0.05, 0.02))))
    tilt = trimesh.transformations.rotation_matrix(1.2, [1, 0, 0])
    (item,) = level.objects
    turned = replace(
        level,
        frame_id="camera",
        objects=(replace(item, frame_from_object=tilt @ item.frame_from_object),),
        frame_from_camera=np.eye(4),
        gravity_camera=tilt[:3, :3] @ [0, 0, -1],
    )
    (body,) = make_twin(turned, shape="hull").bodies
    assert body.world_from_body[2, :3] == pytest.approx([0, 0, 1])


@pytest.mark.parametrize("kind", ["mjcf", "sdf", "urdf"])
@pytest.mark.parametrize("surroundings", [False, True])
def test_mujoco_loads_the_twin_without_a_warning_and_it_rests(scene, tmp_path, kind, surroundings):
    """Of URDF, too, which mujoco reads; of SDF, whether all models and meshes are there."""
    pytest.importorskip("mujoco")
    rough = scene_object(4, noisy(cup(0.03, 0.08, at=(-0.2, 0)), 0.001), label="Ice cube tray!")
    scene = replace(scene, objects=(*scene.objects, rough))
    if surroundings:
        floor = Mesh(
            np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32),
            np.array([[0, 1, 2], [2, 1, 3]], np.int32),
        )
        scene = replace(scene, environment=floor)
    twin = make_twin(scene, shape="hull")
    path = write_twin(twin, tmp_path / "out", kind)
    assert write_twin(twin, tmp_path / "out", kind) == path, "an earlier export is replaced"
    root = ElementTree.parse(path).getroot()
    files = {p.relative_to(path.parent).as_posix() for p in path.parent.rglob("*.obj")}
    named = [e.text if e.tag == "uri" else e.get("file") or e.get("filename") for e in root.iter()]
    assert files == {name for name in named if name and name.endswith(".obj")}
    if kind == "sdf":
        names = [model.get("name") for model in root.iter("model")]
        assert names == ["surroundings", *(body.name for body in twin.bodies)]
        return
    loaded = _run_in_mujoco(path, tmp_path)
    assert loaded.stderr == "" and not (tmp_path / "MUJOCO_LOG.TXT").exists(), loaded.stderr
    if kind == "mjcf":
        moved = np.array(loaded.stdout.split(), float)
        assert len(moved) == 4 and moved.max() < 0.005


def _run_in_mujoco(path, folder):
    """Load a document, let it fall for two seconds, and print how far each body moved."""
    program = (
        "import mujoco, numpy as np, sys\n"
        "model = mujoco.MjModel.from_xml_path(sys.argv[1]); data = mujoco.MjData(model)\n"
        "mujoco.mj_forward(model, data); before = data.xpos.copy()\n"
        "mujoco.mj_step(model, data, 1000)\n"
        "assert not data.warning.number.any()\n"
        "print(*np.linalg.norm(data.xpos - before, axis=1)[1:])\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120)


@pytest.mark.parametrize("kind", ["mjcf", "sdf", "urdf", "usd"])
def test_posts_have_a_name_by_which_they_are_taken_away_with_their_object(scene, kind):
    if kind == "usd":
        pytest.importorskip("pxr", reason="needs pip install usd-core")
    floating = scene_object(4, box((0.08, 0.08, 0.05), at=(-0.2, 0), bottom=0.2), label="bowl")
    twin = make_twin(replace(scene, objects=(*scene.objects, floating)), shape="hull")
    assert [body.name for body in twin.bodies if body.posts] == ["bowl_4"]
    _, make = DOCUMENTS[kind]
    without = replace(twin, bodies=twin.bodies[:-1])
    assert '"bowl_4_posts"' in make(twin) and "posts" not in make(without)


def test_an_object_of_which_nothing_is_left_beside_another_is_left_out(scene):
    inner = scene_object(4, box((0.002, 0.002, 0.002), at=(0, 0.2), bottom=0.03), label="pea")
    twin = make_twin(replace(scene, objects=(*scene.objects, inner)), shape="hull")
    assert twin.left_out == ("pea_4",) and len(twin.bodies) == 3


@pytest.mark.parametrize("kind", ["sdf", "urdf"])
def test_the_parsers_of_drake_take_the_twin(scene, tmp_path, kind):
    """That of SDF is libsdformat, which refuses what its schema does not know; so it is tried."""
    multibody = pytest.importorskip("pydrake.multibody.parsing", reason="needs pip install drake")
    from pydrake.multibody.plant import MultibodyPlant

    twin = make_twin(scene, shape="hull")
    path = write_twin(twin, tmp_path / "out", kind)
    plant = MultibodyPlant(time_step=0.0)
    models = multibody.Parser(plant).AddModels(str(path))
    plant.Finalize()
    for body in twin.bodies:
        found = plant.GetModelInstanceByName(body.name if kind == "sdf" else "scene")
        link = plant.GetBodyByName("link" if kind == "sdf" else body.name, found)
        assert link.default_mass() == pytest.approx(body.mass)
    assert len(models) == (4 if kind == "sdf" else 1)
    if kind == "sdf":
        path.write_text(path.read_text().replace("<mass>", "<weight>1</weight><mass>", 1))
        other = MultibodyPlant(time_step=0.0)
        with pytest.raises(RuntimeError, match=r"weight.*not defined in SDF"):
            multibody.Parser(other).AddModels(str(path))


def test_usd_holds_the_bodies_and_their_parts(scene, tmp_path):
    pytest.importorskip("pxr", reason="needs pip install usd-core")
    from pxr import Usd, UsdGeom, UsdPhysics, UsdValidation

    twin = make_twin(scene, shape="hull")
    path = write_twin(twin, tmp_path / "out", "usd")
    assert [p.name for p in path.parent.iterdir()] == ["scene.usda"]
    stage = Usd.Stage.Open(str(path))
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    context = UsdValidation.ValidationContext(validators)
    assert context.Validate(stage) == []
    (tmp_path / "bad.usda").write_text(path.read_text().replace('upAxis = "Z"', ""))
    assert context.Validate(Usd.Stage.Open(str(tmp_path / "bad.usda"))) != []
    bodies = [p for p in stage.Traverse() if p.HasAPI(UsdPhysics.RigidBodyAPI)]
    assert [p.GetName() for p in bodies] == [body.name for body in twin.bodies]
    for prim, body in zip(bodies, twin.bodies, strict=True):
        assert UsdPhysics.MassAPI(prim).GetMassAttr().Get() == pytest.approx(body.mass)
        pose = np.array(UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(0)).T
        np.testing.assert_allclose(pose, body.world_from_body, atol=1e-9)
        axes = UsdPhysics.MassAPI(prim).GetPrincipalAxesAttr().Get()
        turn = Rotation.from_quat([*axes.imaginary, axes.real]).as_matrix()
        moments = np.diag(UsdPhysics.MassAPI(prim).GetDiagonalInertiaAttr().Get())
        np.testing.assert_allclose(turn @ moments @ turn.T, body.inertia, atol=1e-8)
    colliding = [p for p in stage.Traverse() if p.HasAPI(UsdPhysics.CollisionAPI)]
    assert len(colliding) == 1 + sum(len(body.parts) for body in twin.bodies)
    (slab,) = twin.boxes
    bounds = UsdGeom.BBoxCache(0, ["default"]).ComputeWorldBound(colliding[0]).ComputeAlignedRange()
    np.testing.assert_allclose(
        [bounds.GetMin(), bounds.GetMax()],
        [slab.corners.min(axis=0), slab.corners.max(axis=0)],
        atol=1e-6,
    )


def test_an_object_that_is_called_surroundings_is_not_one_of_them_in_usd(scene):
    pytest.importorskip("pxr", reason="needs pip install usd-core")
    from pxr import Sdf

    objects = (replace(scene.objects[0], label="surroundings"), *scene.objects[1:])
    twin = make_twin(replace(scene, objects=objects), shape="hull")
    layer = Sdf.Layer.CreateAnonymous(".usda")
    assert layer.ImportFromString(usd(replace(twin, boxes=twin.boxes * 2)))
    assert layer.GetPrimAtPath("/scene/surroundings_1").typeName == "Xform"
    assert len(layer.GetPrimAtPath("/scene/surroundings").nameChildren) == 2
