"""Random scenes: arranged, rendered and sensed."""

import numpy as np
import pytest
import torch

from iscene_ros.lab.synthetic.collisions import PlacedSolid
from iscene_ros.lab.synthetic.primitives import box, ellipsoid, pose, revolution
from iscene_ros.lab.synthetic.random_cameras import SimulatedCamera, pinhole, random_camera
from iscene_ros.lab.synthetic.random_scenes import Layout, RandomScene, SceneOptions, random_scene
from iscene_ros.lab.synthetic.rendering import render
from iscene_ros.lab.synthetic.sensor import NOISE_FREE, SensorOptions, observe
from iscene_ros.lab.synthetic.shape_families import TRAINING_FAMILIES
from iscene_ros.lab.synthetic.shapes import Solid


def make_scene(seed, **options):
    return random_scene(
        np.random.default_rng(seed), TRAINING_FAMILIES, SceneOptions(max_objects=6, **options)
    )


def ball_scene(radius):
    table = box((2, 2, 0.1), pose((0, 0, -0.05)))
    return RandomScene(
        solids=[Solid((ellipsoid((radius,) * 3),))],
        families=["ball"],
        world_from_object=pose((0, 0, radius))[None],
        segmented=np.ones(1, bool),
        environment=Solid((table,)),
        layout=Layout.SINGLE,
    )


def test_same_seed_gives_same_bytes():
    def frame():
        rng = np.random.default_rng(5)
        scene = random_scene(rng, TRAINING_FAMILIES, SceneOptions(max_objects=4))
        rendering = render(scene, random_camera(rng, scene))
        sensed = observe(rendering, scene.segmented, rng, SensorOptions(clean_share=0.0))
        return [scene.world_from_object, rendering.depth, sensed.depth, sensed.masks]

    for first, second in zip(frame(), frame(), strict=True):
        assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("seed", range(8))
def test_objects_touch_without_interpenetration(seed):
    scene = make_scene(seed, single_share=0.0)
    rng = np.random.default_rng(seed)
    ground = PlacedSolid(scene.environment, np.eye(4), is_environment=True)
    placed = scene.placed()
    for index, item in enumerate(placed):
        others = [ground, *placed[:index], *placed[index + 1 :]]
        points = PlacedSolid(item.solid, item.world_from_object)
        random_points = item.solid.surface_points(800, rng)
        pose_tensor = torch.from_numpy(item.world_from_object).float()
        dense = random_points @ pose_tensor[:3, :3].T + pose_tensor[:3, 3]
        cover = torch.cat([dense, points.points_world])
        gaps = torch.stack([other.distance(cover) for other in others])
        assert gaps.min() > -1e-3
        supported = min(
            float(gaps.min()), min((_gap(item, o) for o in placed if o is not item), default=1.0)
        )
        assert supported < 2e-3


def _gap(item, other):
    return float(item.distance(other.points_world).min())


@pytest.mark.parametrize("seed", range(6))
def test_rendered_points_lie_on_their_object(seed):
    scene = make_scene(seed)
    camera = random_camera(np.random.default_rng(seed), scene)
    rendering = render(scene, camera)
    assert rendering.depth.dtype == np.float32 and rendering.ids.dtype == np.int16
    assert (rendering.ids > 0).sum() > 50
    v, u = np.nonzero(rendering.depth)
    depth = rendering.depth[v, u].astype(float)
    rays = np.stack([u, v, np.ones_like(u)], 1) @ np.linalg.inv(camera.intrinsics.k).T
    points_camera = depth[:, None] * rays
    transform = camera.world_from_camera
    points = torch.tensor(points_camera @ transform[:3, :3].T + transform[:3, 3]).float()
    ids = rendering.ids[v, u]
    surfaces = [scene.environment.distance, *(item.distance for item in scene.placed())]
    for identifier, distance in enumerate(surfaces):
        if (ids == identifier).any():
            assert distance(points[torch.from_numpy(ids == identifier)]).abs().max() < 1e-3


def test_rendering_of_a_ball_on_a_plane_is_exact():
    radius, height = 0.1, 1.0
    camera_pose = pose((0, 0, height), roll=np.pi)
    camera = SimulatedCamera(pinhole(161, 121, 200.0), camera_pose)
    rendering = render(ball_scene(radius), camera)
    v, u = np.mgrid[:121, :161]
    rays = np.stack([(u - 80) / 200, (v - 60) / 200, np.ones_like(u, float)], -1)
    squared, centre = (rays**2).sum(-1), height - radius
    discriminant = centre**2 - squared * (centre**2 - radius**2)
    hits = discriminant > 0
    expected = np.where(hits, (centre - np.sqrt(np.maximum(discriminant, 0))) / squared, height)
    agrees = np.abs(rendering.depth - expected) < 1e-3
    # The silhouette may differ by the tolerance of the tracing.
    assert agrees.mean() > 0.995
    assert (agrees | (np.abs(discriminant) < 5e-3)).all()
    assert ((rendering.ids == 1) == hits).mean() > 0.995


def test_camera_sees_objects_from_outside():
    for seed in range(10):
        scene = make_scene(seed)
        camera = random_camera(np.random.default_rng(seed), scene)
        origin = torch.tensor(camera.world_from_camera[None, :3, 3]).float()
        assert all(item.distance(origin) > 0.02 for item in scene.placed())
        assert scene.environment.distance(origin) > 0
        np.testing.assert_allclose(np.linalg.det(camera.world_from_camera[:3, :3]), 1.0)


def test_sensor_output_is_well_formed_and_invents_nothing():
    scene = make_scene(3, single_share=0.0)
    rendering = render(scene, random_camera(np.random.default_rng(1), scene))
    rendering.depth[:20] = 0.0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        sensed = observe(rendering, scene.segmented, rng, SensorOptions(clean_share=0.0))
        assert sensed.depth.dtype == np.float32 and sensed.masks.dtype == bool
        assert sensed.masks.shape == (scene.segmented.sum(), *rendering.depth.shape)
        assert np.isfinite(sensed.depth).all() and (sensed.depth >= 0).all()
        assert (sensed.depth[rendering.depth == 0] == 0).all()
        assert (sensed.depth > 0).sum() < (rendering.depth > 0).sum()


def test_noise_free_sensor_returns_the_rendering():
    scene = make_scene(3, single_share=0.0)
    rendering = render(scene, random_camera(np.random.default_rng(1), scene))
    sensed = observe(rendering, scene.segmented, np.random.default_rng(0), NOISE_FREE)
    np.testing.assert_array_equal(sensed.depth, rendering.depth)
    for mask, index in zip(sensed.masks, np.flatnonzero(scene.segmented), strict=True):
        np.testing.assert_array_equal(mask, rendering.ids == index + 1)


@pytest.mark.parametrize("layout", list(Layout))
def test_every_layout_can_be_chosen(layout):
    shares = {f"{other.value}_share": float(other is layout) for other in Layout}
    scene = make_scene(11, **shares)
    assert scene.layout is layout
    assert len(scene.solids) == len(scene.families) == len(scene.world_from_object)
    assert scene.segmented.any()


def test_the_axis_of_a_body_of_revolution_is_inside():
    for core in ((0.0, 0.0), (0.02, 0.0), (0.02, 0.01)):
        body = Solid((revolution([(0, 0), (0.05, 0), (0.05, 0.1), (0, 0.1)], core=core),))
        axis = torch.tensor([[0.0, 0.0, z] for z in (0.01, 0.05, 0.09)])
        assert (body.distance(axis) < 0).all()
