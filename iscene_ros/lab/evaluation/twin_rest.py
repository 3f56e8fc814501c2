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
from iscene_ros.planning.twin import make_twin

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
            completed = completed_scene(completer, views[:count], options.steps)
            kinds = {f"completed, {count} views": completed}
            if count == VIEWS[0]:
                # Among the surroundings that were seen, as the completed ones.
                kinds[TRUE_MESHES] = replace(true_scene(scene), planes=completed.planes)
            for name, made in kinds.items():
                moved.setdefault(name, []).extend(moved_distances(made).values())
        progress()
    if not moved:
        raise InputError(f"evaluate grasps: nothing to see in {options.scenes} scenes: take more")
    return rest_table(moved)


def moved_distances(scene: Scene) -> dict[int, float]:
    """Return how far each object of a scene moves in two seconds of mujoco, by its id [m].

    The scene goes through the files that `iscene export` writes.
    """
    import mujoco

    twin = make_twin(scene)
    with tempfile.TemporaryDirectory() as folder:
        path = write_twin(twin, Path(folder) / "twin", "mjcf")
        model = mujoco.MjModel.from_xml_path(str(path))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    before = data.xipos.copy()
    mujoco.mj_step(model, data, round(SECONDS / model.opt.timestep))
    moved = np.linalg.norm(data.xipos - before, axis=1)[1:]
    return {int(b.name.rpartition("_")[2]): float(m) for b, m in zip(twin.bodies, moved, strict=True)}


def rest_table(moved: dict[str, Sequence[float]]) -> str:
    """Return the share of objects that stayed, by kind of meshes, as Markdown."""
    lines = [["meshes", "objects", "moved less than 1 cm [%]", "median [mm]"]]
    for name, distances in moved.items():
        share = 100 * np.mean(np.array(distances) < STAYED_M)
        cells = [str(len(distances)), f"{share:.1f}", f"{1000 * np.median(distances):.1f}"]
        lines.append([name, *cells])
    return markdown_table(lines)
