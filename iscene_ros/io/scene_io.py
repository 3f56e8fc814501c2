"""A scene as a folder: scene.json, one mesh an object, scene.glb and a picture of it all."""

from __future__ import annotations

from pathlib import Path

from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene
from iscene_ros.io.file_errors import read_json
from iscene_ros.io.graph_files import write_graph
from iscene_ros.io.mesh_files import read_ply, write_glb, write_ply
from iscene_ros.io.result_directory import MESH_DIRECTORY, SCENE_FILE, new_result
from iscene_ros.io.scene_json import dumps, from_document, mesh_path, to_document, validate
from iscene_ros.viz.overview import draw_overview

__all__ = ["read_scene", "validate", "write_scene"]


def write_scene(scene: Scene, directory: Path, observation: Observation | None = None) -> None:
    """Write a scene, whole or not at all; an earlier result in `directory` is replaced.

    Files: scene.json (see scene.schema.json), meshes/<id>_<label>.ply in each object's own
    frame, scene.glb, overview.png where the observation is given, graph.png where the relations are
    known.

    Args:
        scene: what was completed.
        directory: new, empty, or an earlier result.
        observation: what it was completed from.

    Raises:
        InputError: the directory holds something else or cannot be written.
    """
    document = to_document(scene)
    validate(document)
    with new_result(Path(directory)) as temporary:
        (temporary / MESH_DIRECTORY).mkdir()
        for scene_object in scene.objects:
            path = temporary / mesh_path(scene_object)
            colors = scene_object.vertex_colors
            colors = scene_object.color if colors is None else colors
            write_ply(scene_object.mesh, colors, path, scene_object.vertex_sigma)
        write_glb(scene, temporary / "scene.glb")
        if observation is not None:
            draw_overview(scene, observation).save(temporary / "overview.png")
        if scene.objects and scene.relations:
            write_graph(scene.graph, temporary / "graph.png")
        (temporary / SCENE_FILE).write_text(dumps(document), "utf-8")


def read_scene(directory: Path) -> Scene:
    """Read what `write_scene` wrote.

    Raises:
        InputError: a file is missing or malformed; it is named.
    """
    path = Path(directory) / SCENE_FILE
    document = read_json(path, "the scene.json of a result folder")
    try:
        validate(document)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    paths = [entry["mesh"] for entry in document["objects"] if _is_file(entry)]
    meshes = {name: read_ply(path.parent / name) for name in paths}
    try:
        return from_document(document, meshes)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _is_file(entry: dict) -> bool:
    return "mesh_data" not in entry and entry["mesh"].startswith(f"{MESH_DIRECTORY}/")
