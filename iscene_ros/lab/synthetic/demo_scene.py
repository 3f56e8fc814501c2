"""A simulated scene of known objects, seen by a stereo camera that moves around it."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.lab.synthetic.arrangement import Layout
from iscene_ros.lab.synthetic.families import held_out
from iscene_ros.lab.synthetic.primitives import box, pose
from iscene_ros.lab.synthetic.random_cameras import SimulatedCamera, looking_down, pinhole
from iscene_ros.lab.synthetic.random_scenes import RandomScene
from iscene_ros.lab.synthetic.rendering import render
from iscene_ros.lab.synthetic.sensor import SensorOptions, observe
from iscene_ros.lab.synthetic.shapes import Solid

# Shapes that iscene-mini was not trained on, from left to right: family, seed, turn [degrees].
OBJECTS = (
    (held_out.milk_carton, 4, 20.0),
    (held_out.mug, 1, 130.0),
    (held_out.detergent_jug, 2, 75.0),
)
GAP_M = 0.03
TABLE = box((1.6, 1.2, 0.03), pose((0, 0, -0.015)))
# Cameras on a circle around the middle of the row; the last one looks at its front.
AZIMUTHS_DEG = (150.0, 25.0, -100.0)
ELEVATION_DEG, DISTANCE_M, HEIGHT_M = 32.0, 0.65, 0.07
WIDTH, HEIGHT, FOCAL = 640, 480, 610.0
SENSOR = SensorOptions(clean_share=0.0, stereo_share=1.0, focal=None)
SEED = 1


def demo_views() -> list[Observation]:
    """Return three views with equal instance ids; the last one is the reference."""
    scene = _scene()
    labels = tuple(family.__name__.replace("_", " ") for family, _, _ in OBJECTS)
    views = []
    for number, azimuth in enumerate(AZIMUTHS_DEG):
        at = np.eye(4)
        at[:3, :3] = looking_down(*np.deg2rad([azimuth, ELEVATION_DEG]))
        at[:3, 3] = (0, 0, HEIGHT_M) - DISTANCE_M * at[:3, 2]
        camera = SimulatedCamera(pinhole(WIDTH, HEIGHT, FOCAL), at)
        rng = np.random.default_rng([SEED, number])
        frame = observe(render(scene, camera), scene.segmented, rng, SENSOR, camera)
        views.append(
            Observation(
                depth=frame.depth,
                masks=frame.masks,
                camera=camera.intrinsics,
                labels=labels,
                world_from_camera=camera.world_from_camera,
            )
        )
    return views


def _scene() -> RandomScene:
    """Return the objects upright in a row along x, on a table at z = 0."""
    solids, poses, right = [], [], 0.0
    for family, seed, turn in OBJECTS:
        solid = family(np.random.default_rng(seed))
        corners, upright = solid.corners(), pose(yaw=np.deg2rad(turn))
        across = corners @ upright[0, :3]
        upright[:3, 3] = right - across.min(), 0.0, -corners[:, 2].min()
        right += np.ptp(across) + GAP_M
        solids.append(solid)
        poses.append(upright)
    poses = np.stack(poses)
    poses[:, 0, 3] -= 0.5 * (right - GAP_M)
    return RandomScene(
        solids=solids,
        families=[family.__name__ for family, _, _ in OBJECTS],
        world_from_object=poses,
        segmented=np.ones(len(solids), bool),
        environment=Solid((TABLE,)),
        layout=Layout.SPARSE,
    )
