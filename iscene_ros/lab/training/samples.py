"""A random scene seen once: the observation, the truth, and both on the grids of the slots."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from iscene_ros.core.camera import Camera
from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.lab.synthetic import random_cameras
from iscene_ros.lab.synthetic.random_cameras import CameraOptions, random_camera
from iscene_ros.lab.synthetic.random_scenes import RandomScene, SceneOptions, random_scene
from iscene_ros.lab.synthetic.random_shapes import ShapeOptions
from iscene_ros.lab.synthetic.rendering import Rendering, render
from iscene_ros.lab.synthetic.sensor import SensedFrame, SensorOptions, observe
from iscene_ros.lab.synthetic.shape_families import HELD_OUT_FAMILIES, TRAINING_FAMILIES
from iscene_ros.lab.synthetic.shapes import Solid
from iscene_ros.preprocess.cleaned_observation import crop_cleaned_observation
from iscene_ros.preprocess.crop_batch import CropBatch, crop_batch
from iscene_ros.preprocess.crops import CropOptions, fit_crops
from iscene_ros.preprocess.mask_overlaps import resolve_mask_overlaps
from iscene_ros.preprocess.observation_volume import CropVolumes


@dataclass(frozen=True)
class SampleOptions:
    """What is drawn: scenes, shapes, cameras, sensors, cubes.

    Attributes:
        held_out: the shape families that training never sees, without `shapes`.
        with_scene_slot: whether samples have one.
        as_at_inference: overlapping masks are resolved, their rims trimmed and readings that cannot
            be dropped, as the completion does before the network sees an observation.
        view_centric: False lays the cubes along the axes of the scene's world, which lie at any yaw
            to the camera, in place of the camera's heading (for ablations).
    """

    held_out: bool = False
    with_scene_slot: bool = True
    as_at_inference: bool = False
    view_centric: bool = True
    scene: SceneOptions = field(default_factory=SceneOptions)
    shapes: ShapeOptions = field(default_factory=ShapeOptions)
    camera: CameraOptions = field(default_factory=CameraOptions)
    sensor: SensorOptions = field(default_factory=SensorOptions)
    fit: CropOptions = field(default_factory=CropOptions)


@dataclass(frozen=True)
class TruePlacement:
    """The truth about one instance.

    Attributes:
        solid: its exact signed distance, in the object's frame.
        camera_from_object: (4, 4) float64.
        family: name of the shape family.
    """

    solid: Solid
    camera_from_object: np.ndarray
    family: str

    def distance(self, points_camera: Tensor) -> Tensor:
        """(M,) signed distance [m] of (M, 3) points_camera."""
        inverse = torch.from_numpy(np.linalg.inv(self.camera_from_object)).float()
        inverse = inverse.to(points_camera.device)
        return self.solid.distance(points_camera @ inverse[:3, :3].T + inverse[:3, 3])

    def near(self, points_camera: Tensor, reach: float) -> Tensor:
        """(M,) bool: which of the points (M, 3) are within a reach [m] of the bounding box."""
        inverse = torch.from_numpy(np.linalg.inv(self.camera_from_object)).float()
        inverse = inverse.to(points_camera.device)
        points = points_camera @ inverse[:3, :3].T + inverse[:3, 3]
        low, high = (corner.to(points.device) for corner in self.solid.bounds())
        return ((points > low - reach) & (points < high + reach)).all(dim=1)


@dataclass(frozen=True)
class SceneView:
    """One observation of a random scene and the truth of each of its instances, in mask order.

    Attributes:
        observation: what the camera saw.
        truths: one for each mask.
        layout: how the scene is arranged, a value of `Layout`.
    """

    observation: Observation
    truths: tuple[TruePlacement, ...]
    layout: str


@dataclass(frozen=True, eq=False)
class DrawnScene:
    """A random scene with all that is true about it, and what the sensor made of it.

    Attributes:
        scene: everything that stands there, segmented or not.
        camera: that looks at it.
        rendering: ideal depth and whose each pixel is.
        frame: depth and masks as a robot gets them.
    """

    scene: RandomScene
    camera: random_cameras.Camera
    rendering: Rendering
    frame: SensedFrame

    @property
    def rows(self) -> list[int]:
        """Which of the scene's objects have a mask: one for each row of the view's masks."""
        return [int(i) for i in np.flatnonzero(self.scene.segmented)[self._has_mask()]]

    def view(self) -> SceneView:
        """The observation, with the truth of each of its masks."""
        camera = self.camera
        observation = Observation(
            depth=self.frame.depth,
            masks=self.frame.masks[self._has_mask()],
            camera=Camera(camera.width, camera.height, camera.k),
            world_from_camera=camera.world_from_camera,
        )
        placements = self.placements()
        return SceneView(
            observation, tuple(placements[i] for i in self.rows), self.scene.layout.value
        )

    def placements(self) -> list[TruePlacement]:
        """Where each of the scene's objects is, segmented or not."""
        camera_from_world = np.linalg.inv(self.camera.world_from_camera)
        scene = self.scene
        return [
            TruePlacement(solid, camera_from_world @ pose, family)
            for solid, pose, family in zip(
                scene.solids, scene.world_from_object, scene.families, strict=True
            )
        ]

    def _has_mask(self) -> np.ndarray:
        """Which of the segmented objects have any pixel in the masks."""
        return self.frame.masks.any(axis=(1, 2))


@dataclass(frozen=True)
class CropSamples:
    """Slots of one view on their grids; the scene slot comes first where there is one.

    Attributes:
        volumes: S quantised slot volumes.
        target: (S, R, R, R) int8 truncated signed distance (times 127), the truth.
        centers: (S, 3) float32 cube centres, view space [m].
        sizes: (S,) float32 cube edges [m].
        has_scene_slot: whether row 0 is the scene slot.
    """

    volumes: CropVolumes
    target: Tensor
    centers: Tensor
    sizes: Tensor
    has_scene_slot: bool


def draw_view(rng: np.random.Generator, options: SampleOptions, device: str = "cpu") -> SceneView:
    """Draw a random scene, a camera and a sensor, and look."""
    return draw_scene(rng, options, device).view()


def draw_scene(rng: np.random.Generator, options: SampleOptions, device: str = "cpu") -> DrawnScene:
    """Draw a random scene, a camera and a sensor; distances are computed on a torch device.

    Raises:
        InputError: altered or further shapes are asked for held-out families.
    """
    if options.held_out and options.shapes != ShapeOptions():
        raise InputError("`shapes` are for training; leave them out where `held_out` is true")
    families = HELD_OUT_FAMILIES if options.held_out else TRAINING_FAMILIES
    scene = random_scene(rng, families, options.scene, options.shapes, device)
    camera = random_camera(rng, scene, options.camera)
    rendering = render(scene, camera, device)
    frame = observe(rendering, scene.segmented, rng, options.sensor, camera, device)
    return DrawnScene(scene, camera, rendering, frame)


def sample_crops(
    view: SceneView,
    options: SampleOptions,
    resolution: int,
    truncation: float,
    device: str = "cpu",
) -> CropSamples | None:
    """Put a view on the grids of its slots; None where no instance has enough depth.

    Computed on a torch device; the samples lie on the CPU.
    """
    observation = view.observation
    if options.as_at_inference:
        observation = resolve_mask_overlaps(observation)
    if options.view_centric:
        aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    else:
        aligned_frame = GravityAlignedFrame(observation.world_from_camera[:3, :3])
    if options.as_at_inference:
        plan, observation = crop_cleaned_observation(observation, aligned_frame, options.fit)
    else:
        plan = fit_crops(observation, aligned_frame, options.fit)
    if not plan.instances:
        return None
    batch = crop_batch(observation, plan, options.with_scene_slot, device)
    truths = [view.truths[slot.index] for slot in plan.instances]
    target = _targets(truths, batch, aligned_frame, options.with_scene_slot, resolution, truncation)
    v = batch.observe(resolution, truncation).quantised()
    volumes = CropVolumes(v.surface.cpu(), v.gap.cpu(), v.pixel_class.cpu(), v.support.cpu())
    centers, sizes = batch.centers.cpu(), batch.sizes.cpu()
    return CropSamples(volumes, target.cpu(), centers, sizes, options.with_scene_slot)


def _targets(
    truths: list[TruePlacement],
    batch: CropBatch,
    aligned_frame: GravityAlignedFrame,
    with_scene_slot: bool,
    resolution: int,
    truncation: float,
) -> Tensor:
    """(S, R, R, R) int8: each instance in its own cube, all of them together in the scene's."""
    targets = []
    members = [[truth] for truth in truths]
    if with_scene_slot:
        members.insert(0, truths)
    for cube, inside in zip(batch.cubes, members, strict=True):
        points_aligned = cube.voxel_centers_aligned(resolution).reshape(-1, 3)
        points_camera = torch.from_numpy(aligned_frame.to_camera(points_aligned)).float()
        points_camera = points_camera.to(batch.centers.device)
        reach = cube.size * truncation / resolution
        distance = _nearest(inside, points_camera, reach)
        voxels = distance * (resolution / (cube.size * truncation))
        targets.append((voxels.clamp(-1, 1) * 127).round().to(torch.int8))
    return torch.stack(targets).reshape(-1, resolution, resolution, resolution)


def _nearest(truths: list[TruePlacement], points_camera: Tensor, reach: float) -> Tensor:
    """(M,) distance [m] of points (M, 3) to the nearest instance, right up to a reach [m]."""
    if len(truths) == 1:
        return truths[0].distance(points_camera)
    distance = points_camera.new_full((len(points_camera),), reach)
    for truth in truths:
        # In the scene's cube most points are further than the truncation from most instances.
        near = truth.near(points_camera, reach).nonzero()[:, 0]
        distance[near] = torch.minimum(distance[near], truth.distance(points_camera[near]))
    return distance
