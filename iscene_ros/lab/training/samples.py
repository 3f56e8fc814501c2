"""Training samples: crops of random scenes of one or several views, with ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from iscene_ros.core.errors import InputError
from iscene_ros.lab.synthetic.everyday_families import BOX_FAMILIES, EVERYDAY_FAMILIES
from iscene_ros.lab.synthetic.pack_rows import rows_of_packs
from iscene_ros.lab.synthetic.random_scenes import RandomScene, random_scene
from iscene_ros.lab.synthetic.scene_views import DrawOptions, GroundTruthObject, look_at_scene
from iscene_ros.lab.synthetic.sensor import SensedFrame
from iscene_ros.lab.synthetic.shape_families import HELD_OUT_FAMILIES
from iscene_ros.lab.training.fused_views import (
    CleanedView,
    cleaned_view,
    fused_crops,
    with_ramps,
)
from iscene_ros.lab.training.thick_walls import crop_distance
from iscene_ros.preprocess.view_readings import ObservationVolumes

# Views of a scene that become samples one by one; other scenes have 2 to `MOST_VIEWS`, which are
# fused, with the first two as the reference in turn.
SINGLE_VIEWS, MOST_VIEWS = 2, 6
# Most instances of one view that become samples, and least number of their pixels with depth.
MOST_CROPS, LEAST_READINGS = 4, 40


@dataclass(frozen=True)
class SampleOptions:
    """What is drawn.

    Attributes:
        base: Scenes, shapes, cameras, sensors.
        resolution: Voxels along a side.
        truncation: Truncation of distances [voxels].
        single_share: Share of the scenes whose views become samples one by one; those of the others
            are fused.
        rows_share: Share of the scenes that are equal packs in rows.
        box_share: Share of the other scenes whose objects are all boxes. The hidden side of a box
            is known from its top and front, which shapes of any kind teach a network to doubt.
        ramp_share: Share of the frames whose depth jumps are ramps.
    """

    base: DrawOptions = field(default_factory=DrawOptions)
    resolution: int = 64
    truncation: float = 8.0
    single_share: float = 0.6
    rows_share: float = 0.0
    box_share: float = 0.0
    ramp_share: float = 0.25


@dataclass(frozen=True)
class Samples:
    """S crops and their ground truth.

    Attributes:
        volumes: Observation volumes.
        target: (S, R, R, R) int8 truncated signed distance times 127, negative inside.
        views: (S,) uint8 number of views fused.
    """

    volumes: ObservationVolumes
    target: Tensor
    views: Tensor


def draw_samples(
    rng: np.random.Generator, options: SampleOptions, device: str = "cpu"
) -> list[Samples]:
    """Draw the samples of one random scene; few or none where hardly anything is visible."""
    base = options.base
    if options.rows_share > 0 and rng.random() < options.rows_share:
        scene = rows_of_packs(rng)
    else:
        families = HELD_OUT_FAMILIES if base.held_out else EVERYDAY_FAMILIES
        if options.box_share > 0 and rng.random() < options.box_share:
            families = BOX_FAMILIES
        scene = random_scene(rng, families, base.scene, base.shapes, device)
    is_single = rng.random() < options.single_share
    count = SINGLE_VIEWS if is_single else int(rng.integers(2, MOST_VIEWS + 1))
    views = [_draw_view(scene, rng, options, device) for _ in range(count)]
    views = [view for view in views if view is not None]
    samples = []
    for number in range(min(len(views), 2)):
        chosen = [views[number]]
        if not is_single:
            chosen += [view for k, view in enumerate(views) if k != number]
        sample = _crops(chosen, rng, options, device)
        samples += [] if sample is None else [sample]
    return samples


@dataclass(frozen=True, eq=False)
class _View:
    """A cleaned view and the ground truth of the scene's objects in its camera frame."""

    view: CleanedView
    truths: list[GroundTruthObject]


def _draw_view(
    scene: RandomScene, rng: np.random.Generator, options: SampleOptions, device: str
) -> _View | None:
    """Draw a view of a scene; None where the camera sees nothing of use."""
    drawn = look_at_scene(scene, rng, options.base, device)
    if rng.random() < options.ramp_share:
        frame = SensedFrame(with_ramps(drawn.frame.depth, rng), drawn.frame.masks)
        drawn = replace(drawn, frame=frame)
    try:
        observation = drawn.view().observation
        view = cleaned_view(observation, drawn.rows)
    except InputError:  # within millimetres of something, or no mask at all
        return None
    return _View(view, drawn.ground_truth())


def _crops(
    drawn_views: list[_View], rng: np.random.Generator, options: SampleOptions, device: str
) -> Samples | None:
    reference = drawn_views[0]
    view = reference.view
    objects = [
        number
        for number, crop in view.crops.items()
        if _readings(view, crop.index) >= LEAST_READINGS
    ]
    if not objects:
        return None
    chosen = rng.permutation(objects)[:MOST_CROPS].tolist()
    views = [drawn.view for drawn in drawn_views]
    grid = options.resolution, options.truncation
    crops = fused_crops(views, chosen, rng, *grid, device)
    target = torch.stack(
        [
            _target(reference.truths[number], cube.center_aligned, cube.size, view, options, device)
            for number, cube in zip(crops.objects, crops.cubes, strict=True)
        ]
    )
    count = torch.full((len(target),), len(views), dtype=torch.uint8)
    return Samples(crops.volumes.to("cpu"), target.cpu(), count)


def _readings(view: CleanedView, row: int) -> int:
    return int((view.observation.depth[view.observation.masks[row]] > 0).sum())


def _target(
    truth: GroundTruthObject,
    center_aligned: np.ndarray,
    size: float,
    view: CleanedView,
    options: SampleOptions,
    device: str,
) -> Tensor:
    """Return the target (R, R, R) int8 of one instance in its crop."""
    rotation = torch.from_numpy(view.aligned_frame.aligned_from_camera).float().to(device)
    center = torch.from_numpy(center_aligned).float().to(device)

    def points(resolution: int) -> Tensor:
        axis = ((torch.arange(resolution, device=device) + 0.5) / resolution - 0.5) * size
        grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
        return (grid + center) @ rotation

    voxels = crop_distance(truth.distance, points, size / options.resolution, options.resolution)
    return ((voxels / options.truncation).clamp(-1, 1) * 127).round().to(torch.int8)
