"""Whether the objects of exported scenes stay where they are in a physics engine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.errors import InputError
from iscene_ros.core.scene import Scene
from iscene_ros.io.twin_files import write_twin
from iscene_ros.lab.evaluation.grasp_methods import TRUE_MESHES, completed_scene, true_scene
from iscene_ros.lab.evaluation.grasp_scenes import (
    VIEWS,
    GraspOptions,
    scene_views,
    settled_scenes,
)
from iscene_ros.lab.evaluation.reports import markdown_table
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene
from iscene_ros.planning.twin import Twin, make_twin

# Time that objects have to stay, and how far they may move [s, m].
SECONDS, STAYED_M = 2.0, 0.01


def evaluate_twins_at_rest(
    completer: SceneCompleter, options: GraspOptions, progress: Callable[[], object]
) -> str:
    """Return the table of true and completed scenes; `progress` is called after each scene.

    Raises:
        InputError: Mujoco or coacd is not installed, or there was nothing to see.
    """
    moved: dict[str, list[float]] = {}
    for number, scene in enumerate(settled_scenes(options)):
        views = scene_views(options, number, scene)
        for count in VIEWS:
            if len(views) < count:
                continue
            completed = completed_scene(completer, views[:count])
            kinds = {f"completed, {count} views": make_twin(completed)}
            if count == VIEWS[0]:
                kinds[TRUE_MESHES] = _true_twin(scene, completed)
            for name, twin in kinds.items():
                moved.setdefault(name, []).extend(moved_distances(twin))
        progress()
    if not moved:
        raise InputError(f"evaluate grasps: nothing to see in {options.scenes} scenes: take more")
    return rest_table(moved)


def _true_twin(scene: PhysicsScene, completed: Scene) -> Twin:
    """Return the true objects and their own pieces, among the surroundings that were seen."""
    made = make_twin(replace(true_scene(scene), planes=completed.planes), shape="hull")
    bodies = []
    for body, shape, pose in zip(made.bodies, scene.shapes, scene.world_from_object, strict=True):
        body_from_shape = np.linalg.inv(body.world_from_body) @ pose
        pieces = tuple(piece.transformed(body_from_shape) for piece in shape.pieces)
        bodies.append(replace(body, parts=pieces))
    return replace(made, bodies=tuple(bodies))


def moved_distances(twin: Twin) -> list[float]:
    """Return how far each body moves in two seconds of mujoco [m].

    The twin goes through the files that `iscene export` writes.
    """
    import mujoco

    with tempfile.TemporaryDirectory() as folder:
        path = write_twin(twin, Path(folder) / "twin", "mjcf")
        model = mujoco.MjModel.from_xml_path(str(path))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    before = data.xipos.copy()
    mujoco.mj_step(model, data, round(SECONDS / model.opt.timestep))
    return np.linalg.norm(data.xipos - before, axis=1)[1:].tolist()


def rest_table(moved: dict[str, Sequence[float]]) -> str:
    """Return the share of objects that stayed, by kind of meshes, as Markdown."""
    lines = [["meshes", "objects", "moved less than 1 cm [%]", "median [mm]"]]
    for name, distances in moved.items():
        share = 100 * np.mean(np.array(distances) < STAYED_M)
        cells = [str(len(distances)), f"{share:.1f}", f"{1000 * np.median(distances):.1f}"]
        lines.append([name, *cells])
    return markdown_table(lines)
