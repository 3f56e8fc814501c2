"""Views of random scenes: a scene seen once by a simulated camera, with the ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.lab.synthetic.random_cameras import CameraOptions, SimulatedCamera, random_camera
from iscene_ros.lab.synthetic.random_scenes import RandomScene, SceneOptions, random_scene
from iscene_ros.lab.synthetic.rendering import Rendering, render
from iscene_ros.lab.synthetic.sensor import SensedFrame, SensorOptions, observe
from iscene_ros.lab.synthetic.shape_families import (
    HELD_OUT_FAMILIES,
    PLAIN_SHAPES,
    TRAINING_FAMILIES,
    ShapeOptions,
)
from iscene_ros.lab.synthetic.shapes import Solid


@dataclass(frozen=True)
class DrawOptions:
    """What is drawn.

    Attributes:
        held_out: Whether to draw the shape families that training never sees; `shapes` must be the
            default.
        scene, shapes, camera, sensor: Ranges of the generators.
    """

    held_out: bool = False
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
        inverse = torch.from_numpy(np.linalg.inv(self.camera_from_object)).float()
        return self.solid.distance(points_camera @ inverse[:3, :3].T + inverse[:3, 3])


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


def draw_view(rng: np.random.Generator, options: DrawOptions) -> SceneView:
    """Draw a random scene, a camera and a sensor; return the observation with ground truth."""
    return draw_scene(rng, options).view()


def draw_scene(rng: np.random.Generator, options: DrawOptions) -> DrawnScene:
    """Draw a random scene, a camera and a sensor.

    Raises:
        InputError: `shapes` is not the default although held-out families are drawn.
    """
    if options.held_out and options.shapes != PLAIN_SHAPES:
        raise InputError("`shapes` are for training; leave them out where `held_out` is true")
    families = HELD_OUT_FAMILIES if options.held_out else TRAINING_FAMILIES
    scene = random_scene(rng, families, options.scene, options.shapes)
    return look_at_scene(scene, rng, options)


def look_at_scene(scene: RandomScene, rng: np.random.Generator, options: DrawOptions) -> DrawnScene:
    """Draw a camera and a sensor for a scene."""
    camera = random_camera(rng, scene, options.camera)
    rendering = render(scene, camera)
    frame = observe(rendering, scene.segmented, rng, options.sensor, camera)
    return DrawnScene(scene, camera, rendering, frame)
