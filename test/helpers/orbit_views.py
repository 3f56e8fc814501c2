"""Clean views of solids on a table, two boxes at first, from cameras around them."""

from collections.abc import Sequence

import numpy as np
from made_scenes import look_from

from iscene_ros.core.observation import Observation
from iscene_ros.lab.synthetic.primitives import box, pose
from iscene_ros.lab.synthetic.random_cameras import SimulatedCamera, pinhole
from iscene_ros.lab.synthetic.random_scenes import Layout, RandomScene
from iscene_ros.lab.synthetic.rendering import render
from iscene_ros.lab.synthetic.shapes import Solid

# Edges [m] and centres [m] of the boxes; instance ids are 1 and 2.
BOXES = {1: ((0.16, 0.06, 0.10), (0.0, 0.0, 0.05)), 2: ((0.05, 0.05, 0.08), (0.16, 0.05, 0.04))}
DISTANCE_M, HEIGHT_M = 0.5, 0.35


def orbit_view(azimuth_deg: float, ids: tuple[int, ...] = (1, 2)) -> Observation:
    """Return the view from one side, with the masks of some of the boxes."""
    placed = [(Solid((box(edges),)), pose(center)) for edges, center in BOXES.values()]
    labels = {i: f"box {i}" for i in ids}
    return table_view(placed, azimuth_deg, labels)


def table_view(
    placed: Sequence[tuple[Solid, np.ndarray]], azimuth_deg: float, labels: dict[int, str]
) -> Observation:
    """Return the view of solids at their poses (4, 4); the i-th one has the id i if labelled."""
    scene = RandomScene(
        solids=[solid for solid, _ in placed],
        families=["solid"] * len(placed),
        world_from_object=np.stack([at for _, at in placed]),
        segmented=np.ones(len(placed), bool),
        environment=Solid((box((2, 2, 0.02), pose((0, 0, -0.01))),)),
        layout=Layout.SPARSE,
    )
    azimuth = np.radians(azimuth_deg)  # 90 degrees = from +y
    position = np.array([DISTANCE_M * np.cos(azimuth), DISTANCE_M * np.sin(azimuth), HEIGHT_M])
    camera = SimulatedCamera(pinhole(160, 120, 150.0), look_from(position))
    rendering = render(scene, camera)
    return Observation(
        depth=rendering.depth,
        masks=np.stack([rendering.ids == i for i in labels]),
        camera=camera.intrinsics,
        labels=tuple(labels.values()),
        instance_ids=tuple(labels),
        world_from_camera=camera.world_from_camera,
    )
