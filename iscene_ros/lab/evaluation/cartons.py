"""Sizes of completed cartons: how far their extents are from the true ones, by depth sensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import SceneObject
from iscene_ros.lab.evaluation.reports import markdown_table, print_report
from iscene_ros.lab.synthetic.arrangement import Layout
from iscene_ros.lab.synthetic.primitives import box, pose
from iscene_ros.lab.synthetic.random_cameras import SimulatedCamera, pinhole
from iscene_ros.lab.synthetic.random_scenes import RandomScene
from iscene_ros.lab.synthetic.rendering import render
from iscene_ros.lab.synthetic.sensor import NOISE_FREE, SensorOptions, observe
from iscene_ros.lab.synthetic.shapes import Solid
from iscene_ros.lab.training.fused_views import with_ramps

# Edges of cartons [m], of which each gets three.
EDGE = (0.03, 0.22)
DISTANCE, ELEVATION = (0.5, 1.1), np.deg2rad((15.0, 60.0))
CAMERA = pinhole(640, 480, 610.0)
SENSORS: Mapping[str, SensorOptions] = {
    "ideal depth": NOISE_FREE,
    "noisy depth": SensorOptions(clean_share=0.0, focal=None),
    "noisy depth with ramps": SensorOptions(clean_share=0.0, focal=None),
    "block matching": SensorOptions(clean_share=0.0, stereo_share=1.0, focal=None),
}
WITH_RAMPS = "noisy depth with ramps"


def evaluate_cartons(completer: SceneCompleter, scenes: int, seed: int, out: Path) -> None:
    """Complete so many cartons on a table with each sensor, print their errors and write them.

    Raises:
        InputError: no scene.
    """
    if scenes < 1:
        raise InputError(f"evaluate cartons: no object in {scenes} scenes: take more")
    rows = [["sensor", "cartons", "median of the worst side [mm]", *HEADINGS]]
    for sensor in tqdm(SENSORS, unit="sensor"):
        errors = 1e3 * np.array(list(_errors(completer, sensor, scenes, seed))).reshape(-1, 3)
        sides, height = errors[:, :2], errors[:, 2]
        worst = np.median(np.abs(sides).max(axis=1))
        numbers = worst, np.abs(sides).mean(), sides.mean(), np.abs(height).mean(), height.mean()
        rows.append([sensor, str(len(errors)), *(f"{number:.1f}" for number in numbers)])
    print_report(out / "cartons.md", markdown_table(rows, 1))


HEADINGS = [
    f"{part}: mean {kind} error [mm]"
    for part in ("width and depth", "height")
    for kind in ("absolute", "signed")
]


def _errors(completer: SceneCompleter, sensor: str, scenes: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the errors (3,) of width, depth and height [m] of the cartons that were completed."""
    for number in range(scenes):
        rng = np.random.default_rng([seed, number])
        size = rng.uniform(*EDGE, 3)
        world_from_carton = pose((0, 0, size[2] / 2), yaw=rng.uniform(-np.pi, np.pi))
        observation = _view(size, world_from_carton, sensor, rng)
        for item in completer.complete(observation).objects:
            yield _extents(item, world_from_carton) - size


def _view(
    size: np.ndarray, world_from_carton: np.ndarray, sensor: str, rng: np.random.Generator
) -> Observation:
    table = Solid((box((8.0, 8.0, 0.03), pose((0, 0, -0.015))),))
    scene = RandomScene(
        [Solid((box(size),))],
        ["carton"],
        world_from_carton[None],
        np.ones(1, bool),
        table,
        Layout.SINGLE,
    )
    azimuth, elevation = rng.uniform(-np.pi, np.pi), rng.uniform(*ELEVATION)
    flat = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    back = np.cos(elevation) * flat + [0, 0, np.sin(elevation)]
    right = np.array([-flat[1], flat[0], 0.0])
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = np.stack([right, np.cross(-back, right), -back], axis=1)
    world_from_camera[:3, 3] = rng.uniform(*DISTANCE) * back + [0, 0, size[2] / 2]
    camera = SimulatedCamera(CAMERA, world_from_camera)
    frame = observe(render(scene, camera), scene.segmented, rng, SENSORS[sensor], camera)
    depth = with_ramps(frame.depth, rng) if sensor == WITH_RAMPS else frame.depth
    return Observation(
        depth=depth,
        masks=frame.masks,
        camera=CAMERA,
        labels=("carton",),
        world_from_camera=world_from_camera,
    )


def _extents(item: SceneObject, frame_from_carton: np.ndarray) -> np.ndarray:
    """Return the extents (3,) of a mesh along the axes of the true carton [m]."""
    carton_from_object = np.linalg.inv(frame_from_carton) @ item.frame_from_object
    vertices = item.mesh.vertices @ carton_from_object[:3, :3].T
    return np.ptp(vertices, axis=0)
