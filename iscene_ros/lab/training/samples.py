"""Training samples: a random scene seen once, the ground truth, and both on the crops' grids."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.lab.synthetic.random_cameras import (
    CameraOptions,
    SimulatedCamera,
    random_camera,
)
from iscene_ros.lab.synthetic.random_scenes import RandomScene, SceneOptions, random_scene
from iscene_ros.lab.synthetic.rendering import Rendering, render
from iscene_ros.lab.synthetic.sensor import SensedFrame, SensorOptions, observe
from iscene_ros.lab.synthetic.shape_families import (
    HELD_OUT_FAMILIES,
    TRAINING_FAMILIES,
    ShapeOptions,
)
from iscene_ros.lab.synthetic.shapes import Solid
from iscene_ros.preprocess.crops import fit_crops
from iscene_ros.preprocess.depth_cleaning import clean_observation
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps
from iscene_ros.preprocess.observation_volume import CropBatch, CropVolumes, crop_batch


@dataclass(frozen=True)
class SampleOptions:
    """What is drawn.

    Attributes:
        held_out: Whether to draw the shape families that training never sees; `shapes` must be the
            default.
        with_scene_crop: Whether samples have a scene crop.
        as_at_inference: Whether to resolve overlapping masks, trim their rims and drop implausible
            readings, as the completion does before the network sees an observation.
        scene, shapes, camera, sensor: Ranges of the generators.
    """

    held_out: bool = False
    with_scene_crop: bool = True
    as_at_inference: bool = False
    scene: SceneOptions = field(default_factory=SceneOptions)
    shapes: ShapeOptions = field(default_factory=ShapeOptions)
    camera: CameraOptions = field(default_factory=CameraOptions)
    sensor: SensorOptions = field(default_factory=SensorOptions)


@dataclass(frozen=True)
class GroundTruthObject:
    """Ground truth of one object.

    Attributes:
        solid: Its exact signed distance, in the object's frame.
        camera_from_object: (4, 4) float64.
        family: Name of the shape family.
    """

    solid: Solid
    camera_from_object: np.ndarray
    family: str

    def distance(self, points_camera: Tensor) -> Tensor:
        """Return the signed distance (M,) [m] of points_camera (M, 3)."""
        return self.solid.distance(self._in_object(points_camera))

    def near(self, points_camera: Tensor, reach: float) -> Tensor:
        """Return a mask (M,) of the points_camera (M, 3) within `reach` [m] of the bounds."""
        points_object = self._in_object(points_camera)
        low, high = (corner.to(points_camera.device) for corner in self.solid.bounds())
        return ((points_object > low - reach) & (points_object < high + reach)).all(dim=1)

    def _in_object(self, points_camera: Tensor) -> Tensor:
        inverse = torch.from_numpy(np.linalg.inv(self.camera_from_object)).float()
        inverse = inverse.to(points_camera.device)
        return points_camera @ inverse[:3, :3].T + inverse[:3, 3]


@dataclass(frozen=True)
class SceneView:
    """One observation of a random scene and the ground truth of each of its masks.

    Attributes:
        observation: Depth, masks, camera.
        truths: Ground truth of each mask, in order.
        layout: How the scene is arranged, a value of `Layout`.
    """

    observation: Observation
    truths: tuple[GroundTruthObject, ...]
    layout: str


@dataclass(frozen=True, eq=False)
class DrawnScene:
    """A random scene with its ideal rendering and the frame that the sensor gives.

    Attributes:
        scene: All objects, segmented or not, and their environment.
        camera: Camera that looks at the scene.
        rendering: Ideal depth and the object of each pixel.
        frame: Depth and masks as a robot gets them.
    """

    scene: RandomScene
    camera: SimulatedCamera
    rendering: Rendering
    frame: SensedFrame

    @property
    def rows(self) -> list[int]:
        """Index of the scene's object for each row of the view's masks."""
        return [int(i) for i in np.flatnonzero(self.scene.segmented)[self._has_mask()]]

    def view(self) -> SceneView:
        """Return the observation with the ground truth of each of its masks."""
        observation = Observation(
            depth=self.frame.depth,
            masks=self.frame.masks[self._has_mask()],
            camera=self.camera.intrinsics,
            world_from_camera=self.camera.world_from_camera,
        )
        objects = self.ground_truth()
        truths = tuple(objects[i] for i in self.rows)
        return SceneView(observation, truths, self.scene.layout.value)

    def ground_truth(self) -> list[GroundTruthObject]:
        """Return the ground truth of all of the scene's objects, segmented or not."""
        camera_from_world = np.linalg.inv(self.camera.world_from_camera)
        scene = self.scene
        return [
            GroundTruthObject(solid, camera_from_world @ pose, family)
            for solid, pose, family in zip(
                scene.solids, scene.world_from_object, scene.families, strict=True
            )
        ]

    def _has_mask(self) -> np.ndarray:
        """Return a mask (N,) of the segmented objects with any pixel in the masks."""
        return self.frame.masks.any(axis=(1, 2))


@dataclass(frozen=True)
class CropSamples:
    """Crops of one view on their grids; the scene crop comes first where there is one.

    Attributes:
        volumes: S quantised observation volumes.
        target: (S, R, R, R) int8 truncated signed distance (times 127), the ground truth.
        centers: (S, 3) float32 cube centres, gravity-aligned frame [m].
        sizes: (S,) float32 cube edges [m].
        has_scene_crop: Whether row 0 is the scene crop.
    """

    volumes: CropVolumes
    target: Tensor
    centers: Tensor
    sizes: Tensor
    has_scene_crop: bool


def draw_view(rng: np.random.Generator, options: SampleOptions, device: str = "cpu") -> SceneView:
    """Draw a random scene, a camera and a sensor; return the observation with ground truth."""
    return draw_scene(rng, options, device).view()


def draw_scene(rng: np.random.Generator, options: SampleOptions, device: str = "cpu") -> DrawnScene:
    """Draw a random scene, a camera and a sensor; distances are computed on a torch device.

    Raises:
        InputError: `shapes` is not the default although held-out families are drawn.
    """
    if options.held_out and options.shapes != ShapeOptions():
        raise InputError("`shapes` are for training; leave them out where `held_out` is true")
    families = HELD_OUT_FAMILIES if options.held_out else TRAINING_FAMILIES
    scene = random_scene(rng, families, options.scene, options.shapes, device)
    return look_at_scene(scene, rng, options, device)


def look_at_scene(
    scene: RandomScene, rng: np.random.Generator, options: SampleOptions, device: str = "cpu"
) -> DrawnScene:
    """Draw a camera and a sensor for a scene; distances are computed on a torch device."""
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
    """Sample a view on the grids of its crops; None where no instance has enough depth.

    Args:
        view: Observation and ground truth.
        options: Options that the view was drawn with.
        resolution: Voxels along a side.
        truncation: Truncation of the signed distance [voxels].
        device: Torch device to compute on; the samples are on the CPU.
    """
    observation = view.observation
    aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    if options.as_at_inference:
        observation = resolve_mask_overlaps(observation)
        cleaned = clean_observation(observation, aligned_frame)
        crops, observation = cleaned.crops, cleaned.observation
    else:
        crops = fit_crops(observation, aligned_frame)
    if not crops.instances:
        return None
    batch = crop_batch(observation, crops, options.with_scene_crop, device)
    truths = [view.truths[crop.index] for crop in crops.instances]
    target = _targets(truths, batch, aligned_frame, options.with_scene_crop, resolution, truncation)
    v = batch.observe(resolution, truncation).quantised()
    volumes = CropVolumes(v.surface.cpu(), v.gap.cpu(), v.pixel_class.cpu(), v.support.cpu())
    centers, sizes = batch.centers.cpu(), batch.sizes.cpu()
    return CropSamples(volumes, target.cpu(), centers, sizes, options.with_scene_crop)


def _targets(
    truths: list[GroundTruthObject],
    batch: CropBatch,
    aligned_frame: GravityAlignedFrame,
    with_scene_crop: bool,
    resolution: int,
    truncation: float,
) -> Tensor:
    """Return (S, R, R, R) int8: each instance in its own cube, their union in the scene's."""
    members = [[truth] for truth in truths]
    if with_scene_crop:
        members.insert(0, truths)
    targets = []
    for cube, inside in zip(batch.cubes, members, strict=True):
        points_aligned = cube.voxel_centers_aligned(resolution).reshape(-1, 3)
        points_camera = torch.from_numpy(aligned_frame.to_camera(points_aligned)).float()
        points_camera = points_camera.to(batch.centers.device)
        reach = cube.size * truncation / resolution
        distance = _union_distance(inside, points_camera, reach)
        voxels = distance * (resolution / (cube.size * truncation))
        targets.append((voxels.clamp(-1, 1) * 127).round().to(torch.int8))
    return torch.stack(targets).reshape(-1, resolution, resolution, resolution)


def _union_distance(truths: list[GroundTruthObject], points_camera: Tensor, reach: float) -> Tensor:
    """Return the distance (M,) [m] of points (M, 3) to the union, exact up to `reach` [m]."""
    if len(truths) == 1:
        return truths[0].distance(points_camera)
    distance = points_camera.new_full((len(points_camera),), reach)
    for truth in truths:
        # In the scene's cube most points are further than the truncation from most instances.
        near = truth.near(points_camera, reach).nonzero()[:, 0]
        distance[near] = torch.minimum(distance[near], truth.distance(points_camera[near]))
    return distance
