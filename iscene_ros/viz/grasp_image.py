"""A picture of grasps: the completed scene, and the gripper at the best grasp of each object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import trimesh
from PIL import Image

from iscene_ros.core.scene import Mesh, Scene
from iscene_ros.geometry.bodies import up_in_frame
from iscene_ros.geometry.object_frame import upright_axes
from iscene_ros.planning.grasps import Grasps
from iscene_ros.planning.grippers import Gripper
from iscene_ros.viz.side_view import ViewedMesh, draw_side_view

WIDTH, HEIGHT = 1200, 800
SUPERSAMPLING = 2
FINGER_COLOR, PALM_COLOR = np.array([40, 44, 52], np.uint8), np.array([150, 156, 166], np.uint8)
# Of the palm so much is drawn, that it hides little of the scene [m].
PALM_HEIGHT_M = 0.012
YAW_RAD = np.deg2rad(25.0)
# Thickness of the bars of a fork [m].
BAR_M = 0.004
_NO_POINTS = np.zeros((0, 3))


def draw_grasps(scene: Scene, grasps: Iterable[Grasps]) -> Image.Image:
    """Draw the objects of a scene and the best grasp of each, 1200 pixels wide.

    Args:
        scene: completed.
        grasps: of its objects; those without any are drawn without a gripper.
    """
    up = up_in_frame(scene)
    upright = np.eye(4)
    upright[:3, :3] = np.eye(3) if up is None else upright_axes(up).T
    parts = [
        ViewedMesh(item.mesh.transformed(upright @ item.frame_from_object), _NO_POINTS, item.color)
        for item in scene.objects
    ]
    for found in grasps:
        if len(found):
            pose = upright @ found.frame_from_grasp[0]
            parts += _drawn(found.gripper, float(found.openings[0]), pose)
    size = SUPERSAMPLING * WIDTH, SUPERSAMPLING * HEIGHT
    if not parts:
        return Image.new("RGB", (WIDTH, HEIGHT), "white")
    image = draw_side_view(parts, YAW_RAD, *size)
    return Image.fromarray(image).reduce(SUPERSAMPLING)


def best_forks(grasps: Iterable[Grasps], view_from_frame: np.ndarray) -> list[ViewedMesh]:
    """Return the best grasp of each object that has one, as a fork that hides little.

    Args:
        grasps: of the objects of a scene.
        view_from_frame: (4, 4), from the scene's frame to that of the view.
    """
    forks = []
    for found in grasps:
        if len(found):
            opening = float(found.openings[0])
            fork = replace(
                found.gripper,
                finger_thickness=BAR_M,
                finger_width=BAR_M,
                palm_size=(opening + 2 * BAR_M, BAR_M, BAR_M),
            )
            forks += _drawn(fork, opening, view_from_frame @ found.frame_from_grasp[0])
    return forks


def _drawn(gripper: Gripper, opening: float, pose: np.ndarray) -> list[ViewedMesh]:
    boxes = gripper.boxes(opening)
    low, high = boxes.low.copy(), boxes.high.copy()
    low[2, 2] = max(low[2, 2], high[2, 2] - PALM_HEIGHT_M)
    colors = FINGER_COLOR, FINGER_COLOR, PALM_COLOR
    parts = []
    for bounds, color in zip(zip(low, high, strict=True), colors, strict=True):
        box = trimesh.creation.box(bounds=bounds)
        mesh = Mesh(np.asarray(box.vertices, np.float32), np.asarray(box.faces, np.int32))
        parts.append(ViewedMesh(mesh.transformed(pose), _NO_POINTS, color))
    return parts
