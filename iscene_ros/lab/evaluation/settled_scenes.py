"""Scenes that mujoco settled, as evaluations choose, see and complete them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene
from iscene_ros.lab.evaluation.grasp_methods import completed_scene
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene, physics_scenes
from iscene_ros.lab.synthetic.physics_shapes import shape_pool
from iscene_ros.lab.synthetic.physics_views import observe_physics

# Numbers of views that scenes are completed from.
VIEWS = (1, 3)


@dataclass(frozen=True)
class SettledOptions:
    """Choice of settled scenes.

    Attributes:
        scenes, seed: Number of scenes, and their seed.
        held_out: Whether shape families are those that training never sees, or those that it does.
        shapes: Number of shapes that scenes are made of.
        directory: Folder in which the shapes are kept, since they take minutes to make.
    """

    scenes: int
    seed: int
    held_out: bool
    shapes: int
    directory: Path

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> SettledOptions:
        """Return the choice of the command line."""
        return cls(args.scenes, args.seed, args.families == "held_out", args.shapes, args.out)


def settled_scenes(options: SettledOptions) -> Iterator[PhysicsScene]:
    """Yield scenes at rest, beside a progress bar; making the shapes takes minutes the first time.

    Raises:
        InputError: Mujoco or coacd is not installed.
    """
    families = "held_out" if options.held_out else "training"
    cache = options.directory / f"shapes_{families}_{options.shapes}.npz"
    with tqdm(total=options.scenes, unit="scene") as bar:
        pool = shape_pool(
            options.shapes,
            options.held_out,
            cache,
            lambda number: bar.set_description(f"shape {number} of {options.shapes}"),
        )
        bar.set_description("scenes")
        for scene in physics_scenes(pool, options.scenes, options.seed):
            yield scene
            bar.update()


def scene_views(options: SettledOptions, number: int, scene: PhysicsScene) -> list[Observation]:
    """Return what the cameras of a scene see; equal instance ids are the same object."""
    rng = np.random.default_rng([options.seed, number, 1])
    drawn = (observe_physics(rng, scene) for _ in range(max(VIEWS)))
    return [view for view in drawn if view is not None]


def completed_scenes(
    completer: SceneCompleter, options: SettledOptions
) -> Iterator[tuple[int, PhysicsScene, list[Observation], Scene]]:
    """Yield the number of each scene, its truth, some views and what they are completed to.

    Raises:
        InputError: Mujoco or coacd is not installed, or there was nothing to see.
    """
    is_empty = True
    for number, scene in enumerate(settled_scenes(options)):
        drawn = scene_views(options, number, scene)
        for count in VIEWS:
            if len(drawn) >= count:
                is_empty, views = False, drawn[:count]
                yield number, scene, views, completed_scene(completer, views)
    if is_empty:
        raise InputError(f"evaluate grasps: nothing to see in {options.scenes} scenes: take more")
