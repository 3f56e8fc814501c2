"""Training samples: crops of random scenes of one or several views, with ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import Cube, GravityAlignedFrame
from iscene_ros.lab.synthetic.everyday_families import BOX_FAMILIES, EVERYDAY_FAMILIES
from iscene_ros.lab.synthetic.pack_rows import rows_of_packs
from iscene_ros.lab.synthetic.random_scenes import RandomScene, random_scene
from iscene_ros.lab.synthetic.scene_views import DrawOptions, GroundTruthObject, look_at_scene
from iscene_ros.lab.synthetic.sensor import SensedFrame
from iscene_ros.lab.synthetic.shape_families import HELD_OUT_FAMILIES
from iscene_ros.lab.training.fused_views import CleanedView, cleaned_view, fused_crops, with_ramps
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

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Samples:
        """Return the samples of tensors as of `tensors`."""
        volumes = (tensors[name] for name in ("surface", "gap", "pixel_class", "support"))
        return cls(ObservationVolumes(*volumes), tensors["target"], tensors["views"])

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, each with S rows."""
        v = self.volumes
        volumes = {"surface": v.surface, "gap": v.gap, "pixel_class": v.pixel_class}
        return {**volumes, "support": v.support, "target": self.target, "views": self.views}

    def rows(self, rows: Tensor) -> Samples:
        """Return some of the samples."""
        return Samples(self.volumes.rows(rows), self.target[rows], self.views[rows])

    def mirrored(self) -> Samples:
        """Return the samples with left and right exchanged."""
        return Samples(self.volumes.mirrored(), self.target.flip(1), self.views)


def joined(parts: Sequence[Samples]) -> Samples:
    """Return all samples of the parts, at least one."""
    tables = [part.tensors() for part in parts]
    return Samples.from_tensors({name: torch.cat([t[name] for t in tables]) for name in tables[0]})


def draw_samples(rng: np.random.Generator, options: SampleOptions) -> list[Samples]:
    """Draw the samples of one random scene; few or none where hardly anything is visible."""
    base = options.base
    if options.rows_share > 0 and rng.random() < options.rows_share:
        scene = rows_of_packs(rng)
    else:
        families = HELD_OUT_FAMILIES if base.held_out else EVERYDAY_FAMILIES
        if options.box_share > 0 and rng.random() < options.box_share:
            families = BOX_FAMILIES
        scene = random_scene(rng, families, base.scene, base.shapes)
    is_single = rng.random() < options.single_share
    count = SINGLE_VIEWS if is_single else int(rng.integers(2, MOST_VIEWS + 1))
    drawn = (_draw_view(scene, rng, options) for _ in range(count))
    views = [view for view in drawn if view is not None]
    samples = []
    for number in range(min(len(views), 2)):
        chosen = [views[number]]
        if not is_single:
            chosen += [view for k, view in enumerate(views) if k != number]
        sample = _crops(chosen, rng, options)
        samples += [] if sample is None else [sample]
    return samples


def _draw_view(
    scene: RandomScene, rng: np.random.Generator, options: SampleOptions
) -> CleanedView | None:
    """Draw a view of a scene; None where the camera sees nothing of use."""
    drawn = look_at_scene(scene, rng, options.base)
    if rng.random() < options.ramp_share:
        frame = SensedFrame(with_ramps(drawn.frame.depth, rng), drawn.frame.masks)
        drawn = replace(drawn, frame=frame)
    try:
        return cleaned_view(drawn)
    except InputError:
        return None


def _crops(
    views: list[CleanedView], rng: np.random.Generator, options: SampleOptions
) -> Samples | None:
    """Return crops of the first view, fused over all views; None where it shows too little."""
    view = views[0]
    masks, depth = view.observation.masks, view.observation.depth
    objects = [
        number
        for number, crop in view.crops.items()
        if (depth[masks[crop.index]] > 0).sum() >= LEAST_READINGS
    ]
    if not objects:
        return None
    chosen = rng.permutation(objects)[:MOST_CROPS].tolist()
    cubes, volumes = fused_crops(views, chosen, rng, options.resolution, options.truncation)
    targets = [
        _target(view.truths[number], cube, view.aligned_frame, options)
        for number, cube in zip(chosen, cubes, strict=True)
    ]
    count = torch.full((len(targets),), len(views), dtype=torch.uint8)
    return Samples(volumes, torch.stack(targets), count)


def _target(
    truth: GroundTruthObject, cube: Cube, frame: GravityAlignedFrame, options: SampleOptions
) -> Tensor:
    """Return the target (R, R, R) int8 of one instance in its crop."""
    rotation = torch.from_numpy(frame.aligned_from_camera).float()
    center = torch.from_numpy(cube.center_aligned).float()

    def points(resolution: int) -> Tensor:
        axis = ((torch.arange(resolution) + 0.5) / resolution - 0.5) * cube.size
        return (torch.cartesian_prod(axis, axis, axis) + center) @ rotation

    side = options.resolution
    voxels = crop_distance(truth.distance, points, cube.size / side, side)
    return ((voxels / options.truncation).clamp(-1, 1) * 127).round().to(torch.int8)
