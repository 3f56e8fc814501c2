import json
import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import frame_files
import numpy as np
import pytest
import trimesh
from fake_completer import FakeCompleter
from made_objects import table_plane

from iscene_ros.cli.completion_run import format_table
from iscene_ros.core.colors import srgb_from_linear
from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh, Relation, Scene, SkippedObject
from iscene_ros.geometry.stability import object_properties
from iscene_ros.io import result_folder, scene_io
from iscene_ros.io.frame_io import read_observation
from iscene_ros.io.scene_io import read_scene, validate, write_scene
from iscene_ros.io.scene_json import dumps, mesh_path, to_document
from iscene_ros.models.base import CompletionRequest


@pytest.fixture(scope="module")
def observation(tmp_path_factory: pytest.TempPathFactory) -> Observation:
    files = frame_files.write_frame(tmp_path_factory.mktemp("frame"))
    document = frame_files.camera_document()
    document["world_from_camera"] = frame_files.WORLD_FROM_CAMERA
    files.camera.write_text(json.dumps(document))
    return read_observation(files)


@pytest.fixture(scope="module")
def scene(observation: Observation) -> Scene:
    completed = FakeCompleter().complete(observation, CompletionRequest(seed=3))
    return replace(
        completed,
        skipped=(SkippedObject(9, "fork", "no depth inside its mask"),),
        relations=(Relation(1, "on", 0, 0.75),),
        warnings=("a warning: ü",),
    )


def content(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def assert_same_scene(actual: Scene, expected: Scene) -> None:
    assert len(actual.objects) == len(expected.objects)
    for mine, other in zip(actual.objects, expected.objects, strict=True):
        for field in ("frame_from_object", "size", "color"):
            np.testing.assert_array_equal(getattr(mine, field), getattr(other, field))
        np.testing.assert_array_equal(mine.mesh.vertices, other.mesh.vertices)
        np.testing.assert_array_equal(mine.mesh.faces, other.mesh.faces)
        for field in ("id", "label", "score", "observed_fraction", "confidence", "seconds"):
            assert getattr(mine, field) == getattr(other, field)
        np.testing.assert_equal(mine.depth_residual, other.depth_residual)
    np.testing.assert_array_equal(actual.frame_from_camera, expected.frame_from_camera)
    np.testing.assert_allclose(actual.gravity_camera, expected.gravity_camera, atol=1e-12)
    for field in ("frame_id", "skipped", "relations", "timings", "stamp", "warnings", "seed"):
        assert getattr(actual, field) == getattr(expected, field)
    for field in ("model_name", "model_checksum", "steps"):
        assert getattr(actual, field) == getattr(expected, field)


def test_round_trip(scene, tmp_path):
    for kept in (replace(scene, frame_id="odom"), replace(scene, objects=()), scene):
        write_scene(kept, tmp_path / "out")
        assert_same_scene(read_scene(tmp_path / "out"), kept)
    mesh = trimesh.load(tmp_path / "out/meshes/001_mug.ply", process=False)
    np.testing.assert_array_equal(mesh.visual.vertex_colors[0, :3], scene.objects[0].color)
    np.testing.assert_allclose(mesh.bounds.mean(0), 0, atol=1e-3)


def test_properties_and_shape_groups_are_kept(scene, tmp_path):
    first, *rest = scene.objects
    measured = replace(first, properties=object_properties(first.mesh))
    same = Relation(first.id, "same_shape", rest[0].id, 0.9)
    write_scene(replace(scene, objects=(measured, *rest), relations=(same,)), tmp_path / "out")
    document = json.loads((tmp_path / "out/scene.json").read_text())
    assert document["shape_groups"] == [sorted((first.id, rest[0].id))]
    kept = read_scene(tmp_path / "out").objects[0].properties
    assert kept.volume == measured.properties.volume
    np.testing.assert_array_equal(kept.center_of_mass, measured.properties.center_of_mass)
    np.testing.assert_array_equal(kept.upright_axis, measured.properties.upright_axis)


def test_an_unknown_scale_is_said_and_an_unknown_residual_is_null(scene, tmp_path):
    unknown = replace(scene.objects[0], depth_residual=float("nan"))
    write_scene(replace(scene, is_metric=False, objects=(unknown,)), tmp_path / "out")
    document = json.loads((tmp_path / "out/scene.json").read_text())
    assert document["is_metric"] is False
    assert document["objects"][0]["depth_residual_m"] is None
    read = read_scene(tmp_path / "out")
    assert not read.is_metric and np.isnan(read.objects[0].depth_residual)
    assert "[cm]" not in format_table(replace(scene, is_metric=False))


def test_colours_of_vertices_reach_the_files(scene, tmp_path):
    count = len(scene.objects[0].mesh.vertices)
    colors = np.random.default_rng(0).integers(0, 256, (count, 3), np.uint8)
    painted = replace(scene.objects[0], vertex_colors=colors)
    write_scene(replace(scene, objects=(painted, *scene.objects[1:])), tmp_path / "out")
    mesh = trimesh.load(tmp_path / "out" / mesh_path(painted), process=False)
    np.testing.assert_array_equal(mesh.visual.vertex_colors[:, :3], colors)
    glb = trimesh.load(tmp_path / "out/scene.glb", process=False)
    linear = glb.geometry[f"{painted.label}_{painted.id}"].visual.vertex_colors[:, :3]
    np.testing.assert_allclose(255 * srgb_from_linear(linear / 255), colors, atol=8)


def test_same_scene_same_bytes(scene, tmp_path):
    write_scene(scene, tmp_path / "a")
    write_scene(scene, tmp_path / "b")
    files = content(tmp_path / "a")
    assert sorted(files) == [
        "graph.png",
        "meshes/001_mug.ply",
        "meshes/007_bowl.ply",
        "scene.glb",
        "scene.json",
    ]
    assert files == content(tmp_path / "b")


def test_document_follows_the_schema(scene):
    text = dumps(to_document(scene))
    document = json.loads(text)
    validate(document)
    assert document == to_document(scene)
    assert max(map(len, text.splitlines())) < 300 and '  "warnings": [\n' in text
    assert document["frame_id"] == "world" and document["schema_version"] == "1.6"
    np.testing.assert_allclose(document["gravity"], [0, 0, -1], atol=1e-12)
    assert document["objects"][1]["mesh"] == "meshes/007_bowl.ply"
    assert '"color": [0, 133, 179]' in text


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("objects", 0, "pose"), [1.0] * 15, "objects[0].pose"),
        (("objects", 0, "id"), 0, "objects[0].id"),
        (("objects", 0, "mesh"), "../../etc/passwd", "objects[0].mesh"),
        (("objects", 0, "mesh"), "topic:/scene/meshes", "objects[0].mesh"),
        (("objects", 1, "confidence"), 1.5, "objects[1].confidence"),
        (("model", "checksum"), "abc", "model.checksum"),
        (("timings", "objects"), [], "timings.objects"),
        (("schema_version",), "2.0", "schema_version"),
        (("frame_id",), "", "frame_id"),
        (("surprise",), 1, "surprise"),
    ],
)
def test_schema_names_the_fault(scene, path, value, named):
    document = to_document(scene)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(InputError) as caught:
        validate(document)
    assert named in str(caught.value)


def test_planes_and_fused_surroundings_are_kept(scene, tmp_path):
    plane = table_plane(1.0, share=0.5)
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32))
    write_scene(replace(scene, planes=(plane,), environment=mesh), tmp_path / "out")
    read = read_scene(tmp_path / "out")
    for name, value in vars(plane).items():
        np.testing.assert_array_equal(getattr(read.planes[0], name), value)
    np.testing.assert_array_equal(read.environment.vertices, mesh.vertices)
    write_scene(replace(scene, planes=()), tmp_path / "out")
    read = read_scene(tmp_path / "out")
    assert read.planes == () and read.environment is None


def test_reads_version_1_0(scene, tmp_path):
    write_scene(scene, tmp_path / "out")
    path = tmp_path / "out/scene.json"
    text = path.read_text()
    assert '"1.6"' in text
    path.write_text(text.replace('"1.6"', '"1.0"'))
    assert_same_scene(read_scene(tmp_path / "out"), scene)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("mug", "meshes/001_mug.ply"),
        ("../Big Mug!", "meshes/001_big_mug.ply"),
        ("чашка", f"meshes/001_{'chashka' if find_spec('anyascii') else 'object'}.ply"),
        ("x" * 99, f"meshes/001_{'x' * 40}.ply"),
    ],
)
def test_mesh_names_are_safe(scene, label, expected):
    assert mesh_path(replace(scene.objects[0], label=label)) == expected


def test_glb_has_named_upright_coloured_nodes(scene, tmp_path):
    write_scene(scene, tmp_path / "out")
    asset = trimesh.load(tmp_path / "out/scene.glb")
    assert sorted(asset.graph.nodes_geometry) == ["bowl_7", "mug_1"]
    gltf_from_world = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    for scene_object, node in zip(scene.objects, ("mug_1", "bowl_7"), strict=True):
        transform, geometry = asset.graph[node]
        np.testing.assert_allclose(
            transform, gltf_from_world @ scene_object.frame_from_object, atol=1e-6
        )
        vertices = asset.geometry[geometry].vertices
        np.testing.assert_allclose(np.ptp(vertices, axis=0), scene_object.size, atol=1e-6)
    square = Mesh(np.float32([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), np.int32([[0, 1, 2]]))
    write_scene(replace(scene, environment=square), tmp_path / "out")
    asset = trimesh.load(tmp_path / "out/scene.glb")
    assert len(asset.geometry["environment"].faces) == 1
    pose, _ = asset.graph["environment"]
    np.testing.assert_allclose(pose, asset.graph["scene"][0], atol=1e-9)


def test_glb_colours_are_linear_light(scene, tmp_path):
    write_scene(scene, tmp_path / "out")
    content_bytes = (tmp_path / "out/scene.glb").read_bytes()
    length = int.from_bytes(content_bytes[12:16], "little")
    materials = json.loads(content_bytes[20 : 20 + length])["materials"]
    assert [material["name"] for material in materials] == ["mug_1", "bowl_7"]
    for material, scene_object in zip(materials, scene.objects, strict=True):
        factor = np.array(material["pbrMetallicRoughness"]["baseColorFactor"][:3])
        srgb = 255 * srgb_from_linear(factor)
        np.testing.assert_allclose(srgb, scene_object.color, atol=7)


def test_glb_of_a_camera_frame_is_upright(observation, tmp_path):
    tilted = replace(observation, world_from_camera=None, gravity_camera=np.array([0, 1.0, 1.0]))
    scene = FakeCompleter().complete(tilted)
    write_scene(scene, tmp_path / "out")
    asset = trimesh.load(tmp_path / "out/scene.glb")
    gltf_from_object, _ = asset.graph["mug_1"]
    # The object's z, upright in the scene, is the y of glTF.
    np.testing.assert_allclose(gltf_from_object[:3, 2], [0, 1, 0], atol=1e-6)


def test_replaces_an_earlier_result(scene, tmp_path):
    write_scene(scene, tmp_path / "out")
    write_scene(replace(scene, objects=scene.objects[:1], seed=4), tmp_path / "out")
    assert read_scene(tmp_path / "out").seed == 4
    assert sorted(content(tmp_path / "out")) == [
        "graph.png",
        "meshes/001_mug.ply",
        "scene.glb",
        "scene.json",
    ]
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("foreign", ["notes.txt", "meshes/mine.blend", "deep/er/file"])
def test_keeps_files_of_others(scene, tmp_path, foreign):
    write_scene(scene, tmp_path / "out")
    path = tmp_path / "out" / foreign
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    before = content(tmp_path)
    with pytest.raises(InputError, match="choose an empty or new"):
        write_scene(scene, tmp_path / "out")
    assert content(tmp_path) == before


def test_an_empty_directory_is_filled_and_another_one_rejected(scene, tmp_path):
    (tmp_path / "out").mkdir()
    write_scene(scene, tmp_path / "out")
    read_scene(tmp_path / "out")
    (tmp_path / "other/meshes").mkdir(parents=True)
    with pytest.raises(InputError, match="no earlier result"):
        write_scene(scene, tmp_path / "other")


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_unwritable_output(scene, tmp_path, name):
    result_folder.check_writable(tmp_path / "a/b/c")
    (tmp_path / "file").write_text("mine")
    for action in (
        lambda: write_scene(scene, tmp_path / name),
        lambda: result_folder.check_writable(tmp_path / name),
    ):
        with pytest.raises(InputError, match=f"{name}: .*choose another --out"):
            action()
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), RuntimeError("bug")])
def test_failure_leaves_the_earlier_result(scene, tmp_path, monkeypatch, failure):
    write_scene(scene, tmp_path / "out")
    before = content(tmp_path)

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(scene_io, "write_glb", fail)
    expected = InputError if isinstance(failure, OSError) else RuntimeError
    for target in ("out", "new/nested/out"):
        with pytest.raises(expected):
            write_scene(scene, tmp_path / target)
    assert content(tmp_path) == before and os.listdir(tmp_path) == ["out"]


def test_failing_swap_restores_the_earlier_result(scene, tmp_path, monkeypatch):
    write_scene(scene, tmp_path / "out")
    before = content(tmp_path)
    rename = os.rename

    def fail_once(source: Path, target: Path) -> None:
        if Path(source).suffix == ".tmp":
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_once)
    with pytest.raises(InputError, match="Input/output error"):
        write_scene(scene, tmp_path / "out")
    assert content(tmp_path) == before and os.listdir(tmp_path) == ["out"]


def test_read_names_the_file(scene, tmp_path):
    with pytest.raises(InputError, match="scene.json: no such file"):
        read_scene(tmp_path)
    write_scene(scene, tmp_path / "out")
    path = tmp_path / "out/meshes/001_mug.ply"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="001_mug.ply: truncated"):
        read_scene(tmp_path / "out")
    path = tmp_path / "out/scene.json"
    path.write_text(path.read_text().replace('"world"', '""'))
    with pytest.raises(InputError, match="scene.json: frame_id"):
        read_scene(tmp_path / "out")
