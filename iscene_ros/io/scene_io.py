"""A scene as a folder: scene.json, one mesh an object, scene.glb and images.

A folder appears complete or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from iscene_ros.core.colors import ENVIRONMENT_COLOR
from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene
from iscene_ros.io.file_errors import read_json
from iscene_ros.io.graph_files import write_graph
from iscene_ros.io.mesh_files import read_ply, write_glb, write_ply
from iscene_ros.io.result_folder import MESH_DIRECTORY, SCENE_FILE, new_result
from iscene_ros.io.scene_json import dumps, from_document, mesh_path, to_document, validate
from iscene_ros.planning.grasps import Grasps
from iscene_ros.viz.overview import draw_overview

ENVIRONMENT_MESH = f"{MESH_DIRECTORY}/environment.ply"


def write_scene(
    scene: Scene,
    directory: Path,
    observation: Observation | None = None,
    pictures: bool = True,
    grasps: Sequence[Grasps] = (),
) -> tuple[str, ...]:
    """Write a scene completely or not at all; an earlier result in `directory` is replaced.

    Files: scene.json (see scene.schema.json), meshes/<id>_<label>.ply in each object's own
    frame, meshes/environment.ply where the surroundings were fused, scene.glb, overview.png where
    the observation is given, graph.png where the relations are known.

    Args:
        scene: the scene to write.
        directory: new, empty, or an earlier result.
        observation: input of the completion, for overview.png.
        pictures: whether to draw overview.png and graph.png.
        grasps: of its objects, for overview.png.

    Returns:
        A line for each picture that could not be drawn; everything else is written.

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
        if scene.environment is not None:
            write_ply(scene.environment, ENVIRONMENT_COLOR, temporary / ENVIRONMENT_MESH)
        write_glb(scene, temporary / "scene.glb")
        failed = _draw(scene, temporary, observation, grasps) if pictures else ()
        (temporary / SCENE_FILE).write_text(dumps(document), "utf-8")
    return failed


def _draw(
    scene: Scene, directory: Path, observation: Observation | None, grasps: Sequence[Grasps]
) -> tuple[str, ...]:
    """Draw the pictures; return a line for each that fails, for which nothing else is given up."""
    drawings: dict[str, Callable[[Path], object]] = {}
    if observation is not None:
        drawings["overview.png"] = lambda path: draw_overview(scene, observation, grasps).save(path)
    if scene.objects and scene.relations:
        drawings["graph.png"] = lambda path: write_graph(scene.graph, path)
    failed = []
    for name, draw in drawings.items():
        try:
            draw(directory / name)
        except OSError:
            raise
        except Exception as error:  # a picture is no reason to lose the scene
            (directory / name).unlink(missing_ok=True)
            failed.append(f"{name}: could not be drawn ({type(error).__name__}: {error})")
    return tuple(failed)


def read_scene(directory: Path) -> Scene:
    """Read what `write_scene` wrote.

    Raises:
        InputError: a file is missing or malformed; it is named.
    """
    path = Path(directory) / SCENE_FILE
    document = read_json(path, "the scene.json of a result folder")
    with _naming(path):
        validate(document)
    paths = [entry["mesh"] for entry in document["objects"] if "mesh_data" not in entry]
    files = [name for name in paths if name.startswith(f"{MESH_DIRECTORY}/")]
    meshes = {name: read_ply(path.parent / name) for name in files}
    with _naming(path):
        scene = from_document(document, meshes)
    surroundings = path.parent / ENVIRONMENT_MESH
    return replace(scene, environment=read_ply(surroundings)) if surroundings.exists() else scene


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
