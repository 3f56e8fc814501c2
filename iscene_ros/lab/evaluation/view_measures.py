"""What makes a view of an object hard: what of it is hidden, unread, cut off or somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from iscene_ros.core.camera import Camera
from iscene_ros.core.frames import Cube
from iscene_ros.core.scene import Mesh
from iscene_ros.lab.evaluation.occupancy import Grid, mesh_occupancy
from iscene_ros.lab.evaluation.shape_measures import volume_grid
from iscene_ros.lab.synthetic import rendering
from iscene_ros.lab.synthetic.random_cameras import SimulatedCamera
from iscene_ros.lab.synthetic.shapes import Solid
from iscene_ros.lab.training.samples import DrawnScene, TruePlacement

# Grid points along the longest edge of a prediction, to ask how much of it is inside neighbours.
PREDICTION_GRID = 40
FAR = float("inf")


@dataclass(frozen=True)
class MaskMeasures:
    """Of one instance's mask.

    Attributes:
        visible_share: share of the true silhouette (unhidden and beyond the image's border, too)
            that is seen as part of the object in its mask.
        unread_share: share of the mask's pixels without a depth reading.
        foreign_share: share of the mask's pixels that show something else.
        foreign_readings: share of the mask's depth readings that are something else's.
        pixels: in the mask.
    """

    visible_share: float
    unread_share: float
    foreign_share: float
    foreign_readings: float = 0.0
    pixels: int = 0


@dataclass(frozen=True)
class CropMeasures:
    """Of one instance's zoomed cube.

    Attributes:
        outside_share: share of the true volume outside the cube.
        cube_ratio: edge of the cube over the longest edge of the true box, in view space.
    """

    outside_share: float
    cube_ratio: float


@dataclass(frozen=True)
class ContactMeasures:
    """Of one instance and the objects around it, segmented or not.

    Attributes:
        gap: true distance to the nearest of them [m]; infinite where there is none.
        intrusion_share: share of the predicted volume inside their true volumes.
    """

    gap: float = FAR
    intrusion_share: float = 0.0


def measure_mask(drawn: DrawnScene, index: int, mask: np.ndarray) -> MaskMeasures:
    """Measure the mask (H, W) bool of one of the scene's objects."""
    pixels = max(np.count_nonzero(mask), 1)
    own = drawn.rendering.ids == index + 1
    read = mask & (drawn.frame.depth > 0)
    silhouette = max(_silhouette_pixels(drawn, index), 1)
    return MaskMeasures(
        visible_share=min(np.count_nonzero(mask & own) / silhouette, 1.0),
        unread_share=1 - np.count_nonzero(read) / pixels,
        foreign_share=np.count_nonzero(mask & ~own) / pixels,
        foreign_readings=np.count_nonzero(read & ~own) / max(np.count_nonzero(read), 1),
        pixels=pixels,
    )


def measure_crop(solid: Solid, aligned_from_object: np.ndarray, cube: Cube) -> CropMeasures:
    """Measure a cube against the solid at its pose (4, 4) in view space."""
    grid, cell = volume_grid(solid)
    points = grid.reshape(-1, 3)
    # Half a cell more than the body, so that walls thinner than a cell count.
    inside = points[solid.distance(points) < 0.5 * cell].numpy().astype(np.float64)
    inside_view = inside @ aligned_from_object[:3, :3].T + aligned_from_object[:3, 3]
    surface = solid.contact_points.numpy().astype(np.float64)
    extent = np.ptp(surface @ aligned_from_object[:3, :3].T, axis=0).max()
    outside = (np.abs(cube.from_aligned(inside_view)) > 0.5).any(axis=1)
    return CropMeasures(float(outside.mean()), cube.size / float(extent))


def measure_contact(
    own: TruePlacement, others: Sequence[TruePlacement], predicted_camera: Mesh | None
) -> ContactMeasures:
    """Measure the true gap to the others, and how far a prediction grows into them."""
    if not others:
        return ContactMeasures()
    pose = torch.from_numpy(own.camera_from_object).float()
    surface_camera = own.solid.contact_points @ pose[:3, :3].T + pose[:3, 3]
    gap = min(float(other.distance(surface_camera).min()) for other in others)
    if predicted_camera is None:
        return ContactMeasures(gap)
    vertices = predicted_camera.vertices
    grid = Grid.around(vertices.min(axis=0), vertices.max(axis=0), PREDICTION_GRID)
    inside = grid.points()[mesh_occupancy(predicted_camera)(grid)]
    if not len(inside):
        return ContactMeasures(gap)
    points_camera = torch.from_numpy(inside).float()
    nearest = torch.stack([other.distance(points_camera) for other in others]).amin(0)
    return ContactMeasures(gap, float((nearest < 0).float().mean()))


def _silhouette_pixels(drawn: DrawnScene, index: int) -> int:
    """Pixels that the object would cover alone, in a picture of twice the width and height."""
    camera, scene = drawn.camera.intrinsics, drawn.scene
    k = camera.k.copy()
    k[:2, 2] += 0.5 * np.array([camera.width, camera.height])
    intrinsics = Camera(2 * camera.width, 2 * camera.height, k)
    wide = SimulatedCamera(intrinsics, drawn.camera.world_from_camera)
    alone = replace(
        scene,
        solids=[scene.solids[index]],
        world_from_object=scene.world_from_object[index : index + 1],
        environment=Solid(()),
    )
    return int(np.count_nonzero(rendering.render(alone, wide).ids))
