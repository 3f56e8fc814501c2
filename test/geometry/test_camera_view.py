"""What images say of points, for several images at once."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.geometry.camera_view import CameraView, Sight, sights


def wall(width: int, height: int, depth: float, shift: float = 0.0) -> CameraView:
    """A camera that looks along z at a wall, moved along x [m]."""
    focal = float(max(width, height))
    k = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    camera = Camera(width, height, k)
    pose = np.eye(4)
    pose[0, 3] = shift
    image = np.full((height, width), depth, np.float32)
    image[: height // 3] = 0
    masks = np.zeros((0, height, width), bool)
    return CameraView(Observation(image, masks, camera, world_from_camera=pose), pose)


def test_a_point_before_on_and_behind_a_wall_is_seen_through_fits_and_is_hidden():
    points = np.array([[0, 0.1, 0.9], [0, 0.1, 1.0], [0, 0.1, 1.1], [0, -0.4, 1.0], [0, 0, -1]])
    expected = [Sight.THROUGH, Sight.FITS, Sight.HIDDEN, Sight.UNKNOWN, Sight.UNKNOWN]
    assert wall(64, 48, 1.0).sight(points).tolist() == expected


def test_several_images_say_together_what_each_says_alone():
    views = [wall(64, 48, 1.0), wall(20, 30, 0.8, 0.1), wall(2, 40, 0.9), wall(1, 1, 0.9)]
    rng = np.random.default_rng(0)
    points = [rng.uniform([-0.6, -0.6, -0.2], [0.6, 0.6, 1.3], (n, 3)) for n in (300, 0, 200, 9)]
    alone = [view.sight(own) for view, own in zip(views, points, strict=True)]
    np.testing.assert_array_equal(sights(views, points), np.concatenate(alone))
    assert set(alone[0]) == set(Sight) and not alone[2].any()
