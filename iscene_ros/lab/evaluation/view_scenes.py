"""Rendered scenes that several cameras look at, with instance ids that link the views."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.lab.evaluation.scenes import EvaluationOptions
from iscene_ros.lab.synthetic.pack_rows import rows_of_packs
from iscene_ros.lab.synthetic.random_cameras import pose_error
from iscene_ros.lab.synthetic.scene_views import SceneView, draw_scene, look_at_scene

# Standard deviations of the errors of a pose, along and about each axis of the camera.
POSE_ERROR_M, POSE_ERROR_RAD = 0.005, np.deg2rad(0.5)
# Cameras drawn for each view that is wanted: some see nothing of use.
ATTEMPTS = 3


@dataclass(frozen=True)
class ViewOptions:
    """Choice of rendered scenes and of the numbers of views.

    Attributes:
        base: Scenes, as of the evaluation of one view.
        counts: Numbers of views to complete from, ascending.
        pose_noise: Whether the poses of the further views have errors.
        rows: Whether scenes are rows of equal packs.
    """

    base: EvaluationOptions
    counts: tuple[int, ...]
    pose_noise: bool = False
    rows: bool = False


@dataclass(frozen=True, eq=False)
class SceneViews:
    """Several views of one scene.

    Attributes:
        reference: The view whose objects are scored, with their ground truth.
        further: Other views; equal instance ids are the same object.
    """

    reference: SceneView
    further: tuple[Observation, ...]

    def first(self, count: int) -> tuple[Observation, ...]:
        """Return the first views, the reference last, as the completion takes them."""
        return (*reversed(self.further[: count - 1]), self.reference.observation)


def draw_views(number: int, options: ViewOptions) -> SceneViews | None:
    """Draw a scene and as many views as are needed at most; None where too few show an object.

    The reference is the view that the evaluation of one view draws. The images of a view depend
    neither on the number of views nor on errors of poses.
    """
    rng = np.random.default_rng([options.base.seed, number])
    samples = options.base.samples()
    if options.rows:
        drawn = look_at_scene(rows_of_packs(rng), rng, samples)
    else:
        drawn = draw_scene(rng, samples)
    ids = {row: i for i, row in enumerate(drawn.rows, start=1)}
    reference, further, wanted = drawn.view(), [], options.counts[-1] - 1
    for _ in range(ATTEMPTS * wanted):
        if len(further) == wanted:
            break
        drawn = look_at_scene(drawn.scene, rng, samples)
        try:
            observation = drawn.view().observation
        except InputError:  # not one reading
            continue
        if drawn.rows:
            linked = tuple(ids.setdefault(row, len(ids) + 1) for row in drawn.rows)
            further.append(replace(observation, instance_ids=linked))
    if len(further) < wanted:
        return None
    if options.pose_noise:
        noise = np.random.default_rng([options.base.seed, number, 1])
        errors = [pose_error(noise, POSE_ERROR_M, POSE_ERROR_RAD) for _ in further]
        further = [
            replace(view, world_from_camera=view.world_from_camera @ error)
            for view, error in zip(further, errors, strict=True)
        ]
    return SceneViews(reference, tuple(further))
