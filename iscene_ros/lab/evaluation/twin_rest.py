"""Whether the objects of exported scenes stay where they are in a physics engine."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.scene import Scene
from iscene_ros.core.slugs import object_name
from iscene_ros.io.twin_files import write_twin
from iscene_ros.lab.evaluation.grasp_methods import TRUE_MESHES, true_scene
from iscene_ros.lab.evaluation.reports import markdown_table
from iscene_ros.lab.evaluation.settled_scenes import VIEWS, SettledOptions, completed_scenes
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene
from iscene_ros.planning.twin import make_twin
from iscene_ros.planning.twin_bodies import Twin

# Time that objects have to stay, and how far they may move [s, m].
SECONDS, STAYED_M = 2.0, 0.01


@dataclass(frozen=True)
class BodyMotion:
    """How far a body moved [m], how far where no body has posts, and whether it has some."""

    distance: float
    without_posts: float
    on_posts: bool


def evaluate_twins_at_rest(completer: SceneCompleter, options: SettledOptions) -> str:
    """Return the table of true and completed scenes.

    Raises:
        InputError: Mujoco or coacd is not installed, or there was nothing to see.
    """
    moved: dict[str, list[BodyMotion]] = defaultdict(list)
    for _, scene, views, completed in completed_scenes(completer, options):
        moved[f"completed, {len(views)} views"] += body_motions(make_twin(completed))
        if len(views) == VIEWS[0]:
            moved[TRUE_MESHES] += body_motions(_true_twin(scene, completed))
    return rest_table(moved)


def _true_twin(scene: PhysicsScene, completed: Scene) -> Twin:
    """Return the true objects and their own pieces, among the surroundings that were seen."""
    true = replace(true_scene(scene), planes=completed.planes)
    made = make_twin(true, shape="hull")
    named = {body.name: body for body in made.bodies}
    bodies = []
    truth = zip(true.objects, scene.shapes, scene.world_from_object, strict=True)
    for item, shape, pose in truth:
        body = named.get(object_name(item.label, item.id))
        if body is None:
            continue
        body_from_shape = np.linalg.inv(body.world_from_body) @ pose
        pieces = tuple(piece.transformed(body_from_shape) for piece in shape.pieces)
        bodies.append(replace(body, parts=pieces, posts=()))
    return replace(made, bodies=tuple(bodies))


def body_motions(twin: Twin) -> list[BodyMotion]:
    """Return how far each body moves in two seconds of mujoco, with its posts and without any.

    An object that the twin leaves out has not stayed.
    """
    bare = replace(twin, bodies=tuple(replace(body, posts=()) for body in twin.bodies))
    distances = moved_distances(twin)
    without = moved_distances(bare) if any(body.posts for body in twin.bodies) else distances
    posts = (bool(body.posts) for body in twin.bodies)
    motions = [BodyMotion(*row) for row in zip(distances, without, posts, strict=True)]
    return motions + [BodyMotion(np.inf, np.inf, False)] * len(twin.left_out)


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
    is_free = model.body_jntnum > 0  # neither the world nor posts
    return np.linalg.norm(data.xipos - before, axis=1)[is_free].tolist()


def rest_table(moved: Mapping[str, Sequence[BodyMotion]]) -> str:
    """Return the share of objects that stayed, by kind of meshes, as Markdown."""
    lines = [["meshes", "objects", "moved less than 1 cm [%]", "median [mm]"]]
    lines[0] += ["on posts [%]", "without posts moved less than 1 cm [%]"]
    for name, motions in moved.items():
        stayed = np.mean([m.distance < STAYED_M for m in motions])
        bare = np.mean([m.without_posts < STAYED_M for m in motions])
        median = np.median([m.distance for m in motions])
        posts = np.mean([m.on_posts for m in motions])
        shares = [f"{100 * share:.1f}" for share in (stayed, posts, bare)]
        cells = [str(len(motions)), shares[0], f"{1000 * median:.1f}", *shares[1:]]
        lines.append([name, *cells])
    return markdown_table(lines)
