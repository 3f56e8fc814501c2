"""Drawn scenes of boxes made by hand: a camera at the origin that looks along x, 1 m away."""

import numpy as np

from iscene_ros.lab.synthetic.primitives import box, pose
from iscene_ros.lab.synthetic.random_cameras import SimulatedCamera, pinhole
from iscene_ros.lab.synthetic.random_scenes import Layout, RandomScene
from iscene_ros.lab.synthetic.rendering import render
from iscene_ros.lab.synthetic.scene_views import DrawnScene
from iscene_ros.lab.synthetic.sensor import SensedFrame
from iscene_ros.lab.synthetic.shapes import Solid

# Optical axes (right, down, ahead) in the world: -y, -z, x.
WORLD_FROM_CAMERA = np.array(
    [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=np.float64
)
WIDTH, HEIGHT, FOCAL = 160, 120, 150.0


def drawn_boxes(*boxes):
    """A scene of (size, position) boxes [m], all segmented, with clean depth and exact masks."""
    solids = [Solid((box(size),)) for size, _ in boxes]
    scene = RandomScene(
        solids=solids,
        families=["box"] * len(boxes),
        world_from_object=np.stack([pose(position) for _, position in boxes]),
        segmented=np.ones(len(boxes), bool),
        environment=Solid((box((0.01, 4, 4), pose((2, 0, 0))),)),
        layout=Layout.SPARSE,
    )
    camera = SimulatedCamera(pinhole(WIDTH, HEIGHT, FOCAL), WORLD_FROM_CAMERA)
    rendering = render(scene, camera)
    masks = np.stack([rendering.ids == i + 1 for i in range(len(boxes))])
    return DrawnScene(scene, camera, rendering, SensedFrame(rendering.depth, masks))
