"""Depth sensors: stereo and structured light on planes and edges of known depth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from iscene_ros.lab.synthetic.random_cameras import (
    CameraOptions,
    SimulatedCamera,
    pinhole,
    random_camera,
)
from iscene_ros.lab.synthetic.random_scenes import SceneOptions, random_scene
from iscene_ros.lab.synthetic.rendering import Rendering
from iscene_ros.lab.synthetic.sensor import SensorOptions, observe
from iscene_ros.lab.synthetic.shape_families import TRAINING_FAMILIES
from iscene_ros.lab.synthetic.stereo import StereoOptions, stereo_depth
from iscene_ros.lab.synthetic.structured_light import StructuredLightOptions, structured_light_depth
from iscene_ros.lab.synthetic.triangulation import Baseline, fattened, shadowed, slopes

FOCAL = 400.0
# Nothing else: no noise, no holes, the second camera to the right.
QUIET_STEREO = StereoOptions(
    baseline=(0.05, 0.05),
    noise=(0.0, 0.0),
    steps=(1e4, 1e4),
    block=(1.0, 1.0),
    filled=(0.0, 0.0),
    largest_disparity=(1.0, 1.0),
    untextured_share=0.0,
    edge_dropout=(0.0, 0.0),
    random_dropout=(0.0, 0.0),
    right_share=0.0,
)
QUIET_LIGHT = StructuredLightOptions(
    baseline=(0.05, 0.05),
    noise=(0.0, 0.0),
    steps=(1e4, 1e4),
    speckle_size=(1.0, 1.0),
    edge_dropout=(0.0, 0.0),
    random_dropout=(0.0, 0.0),
    dark_share=0.0,
    shiny_share=0.0,
    right_share=0.0,
)


def plane(depth: float) -> torch.Tensor:
    return torch.full((120, 200), depth)


def edge(near: float = 0.5, far: float = 1.0) -> torch.Tensor:
    """A near square in front of a far plane, columns 100 to 139, rows 40 to 79."""
    depth = plane(far)
    depth[40:80, 100:140] = near
    return depth


def stereo(ideal: torch.Tensor, options: StereoOptions, seed: int = 0) -> torch.Tensor:
    ids = (ideal < ideal.max()).to(torch.int16)
    return stereo_depth(ideal, ids, np.random.default_rng(seed), Baseline(FOCAL), options)


def light(ideal: torch.Tensor, options: StructuredLightOptions, seed: int = 0) -> torch.Tensor:
    ids = (ideal < ideal.max()).to(torch.int16)
    return structured_light_depth(ideal, ids, np.random.default_rng(seed), Baseline(FOCAL), options)


@pytest.mark.parametrize("sensor, quiet", [(stereo, QUIET_STEREO), (light, QUIET_LIGHT)])
def test_a_quiet_sensor_measures_a_plane(sensor, quiet):
    found = sensor(plane(0.8), quiet)
    seen = found > 0
    # All but what lies left of the second view: f b / z = 25 columns.
    assert not seen[:, :24].any() and seen[:, 26:].all()
    np.testing.assert_allclose(found[seen], 0.8, rtol=1e-4)


@pytest.mark.parametrize("sensor, quiet", [(stereo, QUIET_STEREO), (light, QUIET_LIGHT)])
def test_noise_grows_with_the_square_of_the_depth(sensor, quiet):
    noisy = replace(quiet, noise=(0.1, 0.1))
    errors = []
    for depth in (0.5, 1.0, 2.0):
        found = torch.cat([sensor(plane(depth), noisy, seed) for seed in range(4)])
        errors.append(float((found[found > 0] - depth).std()))
    assert errors[1] / errors[0] == pytest.approx(4, rel=0.25)
    assert errors[2] / errors[1] == pytest.approx(4, rel=0.25)
    # z^2 / (f b) times about the disparity's deviation.
    assert errors[1] == pytest.approx(0.1 / (FOCAL * 0.05), rel=0.5)


@pytest.mark.parametrize("sensor, quiet", [(stereo, QUIET_STEREO), (light, QUIET_LIGHT)])
def test_near_things_throw_a_shadow_on_one_side(sensor, quiet):
    found = sensor(edge(), quiet)
    width = round(FOCAL * 0.05 * (1 / 0.5 - 1 / 1.0))
    row = found[60]
    assert width == 20
    assert (row[100 - width + 2 : 97] == 0).all()
    assert (row[40 : 100 - width - 2] > 0).all() and (row[143:] > 0).all()
    mirrored = sensor(edge(), replace(quiet, right_share=1.0))
    assert (mirrored[60][143 : 140 + width - 2] == 0).all()
    assert (mirrored[60][40:97] > 0).all()


def test_shadow_of_a_plane_is_empty_and_of_a_step_as_wide_as_its_disparity():
    baseline = Baseline(FOCAL, length=0.1)
    assert not shadowed(baseline.disparity(plane(0.7))).any()
    tilted = plane(0.7) + torch.linspace(0, 0.2, 200)
    assert not shadowed(baseline.disparity(tilted)).any()
    width = FOCAL * 0.1 * (2 - 1)
    assert shadowed(baseline.disparity(edge())).any(0).sum() == pytest.approx(width, abs=1.5)


def test_block_matching_fattens_near_things_by_half_a_block_at_most():
    options = replace(QUIET_STEREO, block=(4.0, 4.0))
    # The shadow hides the left side: look above and below the square.
    grown = 0
    for seed in range(8):
        found = stereo(edge(), options, seed)
        near = (found > 0) & (found < 0.75)
        assert near[42:78, 102:138].all()
        assert not near[:35].any() and not near[85:].any()
        grown += int(near[36:40, 100:140].sum())
    assert grown > 100


def test_small_steps_are_not_fattened():
    disparity = Baseline(FOCAL).disparity(edge(0.99, 1.0))
    assert torch.equal(fattened(disparity, 3, 1.0), disparity)


def test_untextured_surfaces_have_holes_and_others_do_not():
    options = replace(QUIET_STEREO, untextured_share=1.0, untextured_hole=(0.5, 0.5))
    found = stereo(edge(), options)[45:75, 105:135]
    assert 0.25 < (found == 0).float().mean() < 0.75
    assert (stereo(edge(), QUIET_STEREO)[45:75, 105:135] > 0).all()


def test_dark_objects_swallow_the_pattern_and_shiny_ones_lose_a_spot():
    dark = replace(QUIET_LIGHT, dark_share=1.0, dark_loss=(0.6, 0.6))
    found = light(edge(), dark)
    assert 0.4 < (found[45:75, 105:135] == 0).float().mean() < 0.8
    assert (found[100:, 60:] > 0).all()
    v, u = np.mgrid[-60:60, -100:100] / FOCAL
    ball = torch.tensor(1.0 - np.sqrt(np.maximum(0.05 - u**2 - v**2, 0)), dtype=torch.float32)
    shiny = replace(QUIET_LIGHT, shiny_share=1.0, shiny_spread=(0.3, 0.3))
    lost = [(light(ball, shiny, s) == 0) & (light(ball, QUIET_LIGHT, s) > 0) for s in range(6)]
    sizes = [float(spot.float().mean()) for spot in lost]
    assert max(sizes) > 0.001 and max(sizes) < 0.3


def test_what_is_too_near_has_no_disparity():
    options = replace(QUIET_STEREO, largest_disparity=(0.2, 0.2))
    assert (stereo(plane(0.4), options) == 0).all()
    assert (stereo(plane(0.6), options)[:, 40:] > 0).all()


def test_wrong_matches_are_islands_of_their_own_depth_about_the_objects():
    options = replace(
        QUIET_STEREO,
        island_share=1.0,
        islands=(1, 1),
        island_area=(200.0, 200.0),
        island_jump=(0.2, 0.2),
    )
    sizes = []
    for seed in range(8):
        right, found = (stereo(edge(), o, seed) for o in (QUIET_STEREO, options))
        wrong = (found > 0) & (found - right).abs().gt(1e-4)
        ratio = right[wrong] / found[wrong]  # of disparities
        assert abs(abs(float(ratio.median()) - 1) - 0.2) < 1e-3 and ratio.std() < 1e-3
        sizes.append(int(wrong.sum()))
        rows, columns = wrong.nonzero().double().mean(0).tolist()
        assert 20 < rows < 100 and 80 < columns < 160
    assert 60 < np.median(sizes) < 600
    no_islands = replace(options, island_share=0.0)
    assert_close(stereo(edge(), no_islands), stereo(edge(), QUIET_STEREO))


def test_a_coarser_rendering_has_the_same_noise_in_metres():
    fine, coarse = [], []
    options = replace(QUIET_STEREO, noise=(0.1, 0.1))
    for seed in range(4):
        rng = np.random.default_rng(seed)
        ids = torch.zeros((120, 200), dtype=torch.int16)
        half = Baseline(FOCAL / 2, pixel_scale=2.0)
        coarse.append(stereo_depth(plane(1.0), ids, rng, half, options)[:, 30:])
        fine.append(stereo(plane(1.0), options, seed)[:, 30:])
    assert torch.cat(coarse).std() == pytest.approx(float(torch.cat(fine).std()), rel=0.2)


def test_slopes_of_a_tilted_plane():
    v, u = np.mgrid[:120, :200] - np.array([60, 100])[:, None, None]
    tangent = 0.5
    depth = torch.tensor(1.0 / (1.0 - tangent * u / FOCAL), dtype=torch.float32)
    across, down = slopes(depth, FOCAL)
    # Seen in the middle of the image; at its border the ray is tilted, too.
    assert across[60, 100] == pytest.approx(tangent, rel=0.01)
    assert down[60, 100].abs() < 1e-3


def camera(focal: float) -> SimulatedCamera:
    return SimulatedCamera(pinhole(200, 120, focal), np.eye(4))


def test_the_generic_sensor_takes_the_camera_s_focal_length_where_asked():
    """A steep plane of a long lens: with the true focal length it is grazing."""
    v, u = np.mgrid[:120, :200]
    steep = (1.0 / (1.0 - 6.0 * (u - 10) / 4000)).astype(np.float32)
    rendering = Rendering(steep, np.zeros((120, 200), np.int16))
    options = SensorOptions(clean_share=0, random_dropout=(0, 0), edge_jump=1.0)
    lost = {}
    for focal in (280.0, None):
        frame = observe(
            rendering,
            np.zeros(0, bool),
            np.random.default_rng(0),
            replace(options, focal=focal),
            camera(4000.0),
        )
        lost[focal] = (frame.depth == 0).mean()
    assert lost[280.0] < 0.05 and lost[None] > 0.5


def test_sensors_that_need_a_camera_say_so():
    rendering = Rendering(plane(1.0).numpy(), np.zeros((120, 200), np.int16))
    for options in (SensorOptions(focal=None), SensorOptions(stereo_share=1.0)):
        options = replace(options, clean_share=0.0)
        with pytest.raises(ValueError, match="pass `camera`"):
            observe(rendering, np.zeros(0, bool), np.random.default_rng(0), options)


@pytest.mark.parametrize("kind", ["stereo_share", "structured_light_share"])
def test_sensors_are_deterministic_and_invent_no_depth(kind):
    options = SensorOptions(clean_share=0.0, **{kind: 1.0})
    ideal = edge().numpy()
    ideal[:30] = 0.0
    rendering = Rendering(ideal, (ideal == 0.5).astype(np.int16))
    one, other = (
        observe(rendering, np.ones(1, bool), np.random.default_rng(4), options, camera(FOCAL))
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.depth, other.depth)
    assert (one.depth[:30] == 0).all() and one.depth.max() < 5
    assert one.depth.dtype == np.float32


def test_cameras_of_several_sizes_are_rendered_within_a_budget():
    options = CameraOptions(sizes=((320, 240), (1280, 720)), max_pixels=30_000)
    seen = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        share = float(seed % 2)
        scenes = SceneOptions(
            single_share=share, clutter_share=1 - share, sparse_share=0, stack_share=0,
            bin_share=0, shelf_share=0, max_objects=2,
        )  # fmt: skip
        found = random_camera(rng, random_scene(rng, TRAINING_FAMILIES, scenes), options)
        width, height = found.intrinsics.width, found.intrinsics.height
        sensor = np.array([width, height]) * found.pixel_scale
        full = sensor * (2 if share else 1)
        np.testing.assert_allclose(min(abs(full[0] - 320), abs(full[0] - 1280)), 0, atol=1e-6)
        assert width * height <= 30_300
        assert found.cropped_columns == pytest.approx(0.5 * width if share else 0.0)
        half_view = np.arctan(0.5 * (width + 2 * found.cropped_columns) / found.intrinsics.k[0, 0])
        assert 45 <= 2 * np.degrees(half_view) <= 75
        seen.add(round(full[0]))
    assert seen == {320, 1280}
