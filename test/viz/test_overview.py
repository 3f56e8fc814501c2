from dataclasses import replace

import frame_files
import numpy as np
import pytest
from fake_completer import FakeCompleter

from iscene_ros.core.camera import Camera
from iscene_ros.core.colors import instance_color, linear_from_srgb, srgb_from_linear
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import SkippedObject
from iscene_ros.geometry.rasteriser import render
from iscene_ros.planning.grasps import Grasps
from iscene_ros.planning.grippers import FRANKA_HAND
from iscene_ros.viz.camera_images import draw_completed, draw_masks, mask_anchor
from iscene_ros.viz.overview import draw_overview
from iscene_ros.viz.side_view import ViewedMesh, draw_side_view, look_at


@pytest.fixture
def observation() -> Observation:
    camera = Camera(frame_files.WIDTH, frame_files.HEIGHT, np.array(frame_files.K))
    ids = frame_files.id_image()
    return Observation(
        depth=frame_files.depth_mm() / 1000,
        masks=np.stack([ids == 1, ids == 7]),
        camera=camera,
        rgb=np.full((*ids.shape, 3), 128, np.uint8),
        instance_ids=(1, 7),
        gravity_camera=np.array([0, 1.0, 0.3]),
    )


def parts(observation: Observation) -> list[ViewedMesh]:
    scene = FakeCompleter().complete(observation)
    return [
        ViewedMesh(o.mesh.transformed(o.frame_from_object), np.zeros((0, 3)), o.color)
        for o in scene.objects
    ]


def test_colours_are_stable_and_differ():
    colors = np.array([instance_color(i) for i in range(1, 14)], np.float64)
    np.testing.assert_array_equal(colors[0], instance_color(1))
    distances = np.linalg.norm(colors[:, None] - colors[None], axis=-1) + 1e3 * np.eye(len(colors))
    assert distances.min() > 30


def test_linear_light_round_trip():
    values = np.linspace(0, 1, 101)
    np.testing.assert_allclose(srgb_from_linear(linear_from_srgb(values)), values, atol=1e-9)


def test_overview_size_and_determinism(observation):
    scene = FakeCompleter().complete(observation)
    image = np.asarray(draw_overview(scene, observation))
    assert image.shape[1:] == (1600, 3) and image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.asarray(draw_overview(scene, observation)))


def test_the_best_grasps_are_drawn_from_the_sides_alone(observation):
    scene = FakeCompleter().complete(observation)
    pose = np.eye(4)[None].copy()
    pose[0, :3, 3] = scene.objects[0].frame_from_object[:3, 3]
    grasps = [
        Grasps(1, FRANKA_HAND, pose, np.ones(1), openings=np.full(1, 0.08)),
        Grasps(7, FRANKA_HAND, reason="no clear way in"),
    ]
    bare, drawn = (np.asarray(draw_overview(scene, observation, g)) for g in ((), grasps))
    differs = np.flatnonzero((bare != drawn).any(axis=(1, 2)))
    assert len(differs) and differs.min() > len(bare) / 2 - 60


@pytest.mark.parametrize("size", [(20, 200), (200, 20)])
def test_overview_of_odd_frames(size):
    width, height = size
    k = np.array([[50.0, 0, width / 2], [0, 50, height / 2], [0, 0, 1]])
    odd = Observation(
        depth=np.full((height, width), 0.8, np.float32),
        masks=np.ones((1, height, width), bool),
        camera=Camera(width, height, k, np.array([0.1, 0, 0, 0, 0])),
        gravity_camera=np.array([0, 1.0, 0]),
        labels=("a very long label that does not fit into its column of the legend",),
    )
    draw_overview(FakeCompleter().complete(odd), odd)


def test_overview_without_depth_colour_or_objects(observation):
    scene = FakeCompleter().complete(observation)
    skipped = tuple(SkippedObject(o.id, o.label, "no depth") for o in scene.objects)
    for rgb in (observation.rgb, None):
        for drawn in (scene, replace(scene, objects=(), skipped=skipped)):
            image = np.asarray(draw_overview(drawn, replace(observation, depth=None, rgb=rgb)))
            assert image.any() and image.shape[1:] == (1600, 3)


def test_masks_are_tinted(observation):
    image = draw_masks(observation, skipped={7}, width=128, height=96).astype(int)
    assert np.abs(image[1, 1] - 128).max() <= 1
    tint = image[40, 32] - 128
    assert np.sign(tint).tolist() == np.sign(instance_color(1).astype(int) - 128).tolist()
    assert np.ptp(image[60, 92]) == 0


def test_completed_covers_the_masks(observation):
    scene = FakeCompleter().complete(observation)
    image = draw_completed(scene, observation, 128, 96)
    assert image[1, 1].max() < 60
    assert image[40, 32].max() > 60 and image[56, 92].max() > 60


def test_mask_anchor_lies_inside():
    mask = np.zeros((480, 640), bool)
    mask[100:400, 100:120] = mask[380:400, 100:500] = True
    u, v = mask_anchor(mask)
    assert mask[int(v * 480), int(u * 640)]
    single = np.zeros((480, 640), bool)
    single[7, 9] = True
    assert mask_anchor(single) == (9.5 / 640, 7.5 / 480)


@pytest.mark.parametrize("yaw_deg", [-90, 0, 65, 180])
def test_side_view_frames_the_scene(observation, yaw_deg):
    seen = parts(observation)
    viewpoint = look_at(seen, np.deg2rad(yaw_deg), 300, 200)
    rotation = viewpoint.camera_from_aligned[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) > 0
    # Up points up in the image, against the v axis.
    assert rotation[1, 2] < 0
    meshes = [part.mesh_aligned.transformed(viewpoint.camera_from_aligned) for part in seen]
    ids = render(meshes, viewpoint.camera).ids
    rows, columns = np.nonzero(ids >= 0)
    assert rows.min() > 5 and rows.max() < 195 and columns.min() > 5 and columns.max() < 295
    assert max(np.ptp(rows) / 200, np.ptp(columns) / 300) > 0.7


def test_side_view_from_the_right_sees_the_right(observation):
    viewpoint = look_at(parts(observation), np.deg2rad(90), 300, 200)
    camera_aligned = -viewpoint.camera_from_aligned[:3, :3].T @ viewpoint.camera_from_aligned[:3, 3]
    center = np.mean([p.mesh_aligned.vertices.mean(0) for p in parts(observation)], axis=0)
    assert camera_aligned[0] > center[0] + 0.1 and camera_aligned[2] > center[2]


def test_points_are_drawn_unless_hidden(observation):
    part = parts(observation)[0]
    plain = draw_side_view([part], 0.0, 300, 200)
    vertices = part.mesh_aligned.vertices
    toward, away = vertices[np.argmin(vertices[:, 1])], vertices[np.argmax(vertices[:, 1])]
    with_points = replace(part, points_aligned=np.array([toward, away], np.float64))
    changed = (draw_side_view([with_points], 0.0, 300, 200) != plain).any(-1)
    assert 1 <= changed.sum() <= 9
