"""The scene-context flow, its volumes, its sampler and its file."""

import math
from dataclasses import replace

import pytest
import torch
from tiny_model import TINY, tiny_inputs, tiny_network
from torch.testing import assert_close

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions, sample, seeded_noise
from iscene_ros.models.iscene.scene_flow_config import MiniConfig, SceneFlowConfig
from iscene_ros.models.mini.checkpoint import load_model, save_weights
from iscene_ros.models.mini.confidence import Calibration, ConfidenceModel
from iscene_ros.models.mini.grid_blocks import depth_to_space, space_to_depth
from iscene_ros.models.mini.network import VolumeSceneFlow, token_positions
from iscene_ros.models.mini.scene_sampler import (
    SceneSampler,
    SceneSamplerOptions,
    sample_scene,
)
from iscene_ros.models.mini.uncertainty import UncertaintyModel
from iscene_ros.preprocess.observation_volume import (
    CHANNELS,
    ENVIRONMENT,
    OTHER,
    OUTSIDE,
    OWN,
    OWN_HOLE,
    DepthView,
    observe_volumes,
)


def test_the_released_configuration_has_the_published_tensors():
    with torch.device("meta"):
        network = SceneFlowTransformer(SceneFlowConfig.release())
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    # Names and sizes of the published checkpoint; pos_emb is its one buffer.
    assert len(shapes) == 489
    assert sum(math.prod(s) for s in shapes.values()) == 555_543_560 + 4_194_304
    assert shapes["pos_emb"] == (4096, 1024)
    assert shapes["blocks.23.self_attn.k_rms_norm.gamma"] == (16, 64)
    assert shapes["blocks.7.cross_attn.to_kv.weight"] == (2048, 1024)
    assert shapes["blocks.0.adaLN_modulation.1.weight"] == (6144, 1024)
    assert [i for i, b in enumerate(network.blocks) if b.scene_context] == [10, 11, 12, 13, 14]


def test_a_small_release_configuration_runs_with_image_tokens():
    config = SceneFlowConfig(
        tokens_per_side=2,
        in_channels=8,
        out_channels=8,
        model_channels=48,
        num_blocks=3,
        num_heads=4,
        cond_channels=12,
        scene_context_blocks=1,
        absolute_positions=True,
    )
    network = SceneFlowTransformer(config)
    tokens, context = torch.randn(1, 8, 8), torch.randn(3, 5, 12)
    scene_out, memory = network(tokens, torch.ones(1), context=context[:1])
    out, _ = network(
        tokens.repeat(2, 1, 1),
        torch.ones(2),
        scene=memory.rows(torch.tensor([0, 0])),
        context=context[1:],
    )
    assert scene_out.shape == (1, 8, 8) and out.shape == (2, 8, 8)
    assert len(memory.blocks) == 1


def test_space_to_depth_undoes_depth_to_space():
    x = torch.randn(2, 24, 3, 3, 3)
    up = depth_to_space(x)
    assert up.shape == (2, 3, 6, 6, 6)
    assert_close(up[:, :, ::2, ::2, ::2], x[:, ::8])
    assert_close(space_to_depth(up), x)
    cell = torch.arange(27.0)[None, :, None, None, None]
    assert_close(depth_to_space(cell, 3)[0, 0], torch.arange(27.0).reshape(3, 3, 3))


@pytest.mark.parametrize(("resolution", "side"), [(16, 4), (16, 8), (32, 4), (64, 8)])
@torch.no_grad()
def test_patches_of_any_even_size_give_a_grid_of_the_resolution(resolution, side):
    flow = replace(TINY.flow, tokens_per_side=side)
    network = VolumeSceneFlow(MiniConfig(resolution, 8, 1, 1, flow=flow))
    volume = torch.zeros(1, CHANNELS, *(resolution,) * 3)
    x0, _ = network(volume[:, 0], torch.ones(1), volume, torch.zeros(1, side**3, 4))
    assert x0.shape == (1, *(resolution,) * 3)


def test_options_of_ablations_are_read_at_their_one_value():
    numbers = TINY.to_dict()
    former = {"prediction": "x", "own_view": False, "grid_skip": True}
    assert MiniConfig.from_dict({**numbers, **former}) == TINY
    for name, value in (("prediction", "v"), ("own_view", True), ("grid_skip", False)):
        with pytest.raises(ModelError, match=name):
            MiniConfig.from_dict({**numbers, name: value})


def test_pure_noise_does_not_change_the_one_step_answer():
    network, inputs = tiny_network(), tiny_inputs(2)
    one = torch.ones(2)
    a, _ = network(torch.randn(2, 16, 16, 16), one, inputs.volume, inputs.positions)
    b, _ = network(torch.zeros(2, 16, 16, 16), one, inputs.volume, inputs.positions)
    assert_close(a, b)


@pytest.mark.parametrize("token_norm", [True, False])
def test_normalised_tokens_may_come_in_any_size(token_norm):
    torch.manual_seed(0)
    network = VolumeSceneFlow(replace(TINY, token_norm=token_norm)).eval()
    inputs = tiny_inputs(2)
    crops = (torch.zeros(2, 16, 16, 16), torch.ones(2), inputs.volume, inputs.positions)
    with torch.inference_mode():
        before, _ = network(*crops)
        for parameter in network.down_tokens.parameters():
            parameter.mul_(100)
        after, _ = network(*crops)
    assert torch.allclose(after, before, atol=1e-4) is token_norm


def test_token_positions_place_a_zoomed_crop_in_its_scene():
    centers, sizes = torch.tensor([[0.0, 2.0, 0.0], [0.5, 2.0, 0.0]]), torch.tensor([2.0, 0.25])
    scene = centers[:1].expand_as(centers), sizes[:1].expand_as(sizes)
    positions = token_positions(centers, sizes, *scene, 2)
    assert_close(positions[0, 0], torch.tensor([-0.25, -0.25, -0.25, 0.0]))
    assert_close(positions[1, 7], torch.tensor([0.25 + 0.03125, 0.03125, 0.03125, 3.0]))


def wall_aligned(hole: bool = False) -> DepthView:
    """A wall 1 m away; the left half is the own instance, a strip of the right one another's."""
    depth = torch.ones(100, 100)
    own, other = torch.zeros(2, 1, 100, 100, dtype=torch.bool)
    own[..., :50] = True
    other[..., 75:] = True
    if hole:
        depth[:, :50] = 0
    k = torch.tensor([[100.0, 0, 49.5], [0, 100, 49.5], [0, 0, 1]])
    aligned_from_camera = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    return DepthView(depth, own, other, k, aligned_from_camera)


def test_the_volume_holds_signed_distance_free_hidden_and_whose_pixel():
    center, size = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([0.64])
    volume = observe_volumes(wall_aligned(), center, size, torch.tensor([-0.32]), 32, 4.0)
    y = 1 + ((torch.arange(32) + 0.5) / 32 - 0.5) * 0.64
    expected = ((1 - y) / (4 * 0.02)).clamp(-1, 1)
    assert_close(volume.surface[0, 16, :, 16], expected, atol=1e-5, rtol=0)
    assert_close(volume.gap[0, 16, :, 16], (1 - y) / 0.64, atol=1e-5, rtol=0)
    assert volume.pixel_class[0, 2, 16, 16] == OWN
    assert volume.pixel_class[0, 20, 16, 16] == ENVIRONMENT
    assert volume.pixel_class[0, 31, 16, 16] == OTHER
    channels = volume.channels()
    assert channels.shape == (1, CHANNELS, 32, 32, 32)
    assert channels[0, 3, 16, 0, 16] == 1 and channels[0, 4, 16, 31, 16] == 1  # free, hidden
    assert channels[0, 2, 0, 0, 0] == pytest.approx(0.5 / 32, abs=1e-6)  # height over support


def test_pixels_without_reading_have_no_distance():
    center, size = torch.tensor([[-0.3, 1.0, 0.0]]), torch.tensor([0.2])
    volume = observe_volumes(wall_aligned(hole=True), center, size, torch.zeros(1), 8, 4.0)
    assert (volume.surface == 0).all() and (volume.gap == 0).all()
    assert (volume.pixel_class == OWN_HOLE).all()


def test_voxels_outside_the_image_or_behind_the_camera_are_outside():
    centers = torch.tensor([[5.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    view = wall_aligned()
    view = DepthView(
        view.depth,
        view.own.repeat(2, 1, 1),
        view.other.repeat(2, 1, 1),
        view.k,
        view.aligned_from_camera,
    )
    volume = observe_volumes(view, centers, torch.tensor([0.2, 0.2]), torch.zeros(2), 8, 4.0)
    assert (volume.pixel_class == OUTSIDE).all() and (volume.surface == 0).all()


def test_quantised_volumes_read_nearly_the_same():
    center, size = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([0.64])
    volume = observe_volumes(wall_aligned(), center, size, torch.zeros(1), 32, 4.0)
    difference = (volume.quantised().channels() - volume.channels()).abs()
    assert difference[:, :3].max() <= 0.5 / 127 + 1e-6


def test_the_release_schedule_has_19_guided_of_25_steps():
    options = SamplerOptions.release()
    calls = []

    def velocity(x, time, conditional):
        calls.append(conditional)
        return torch.zeros_like(x)

    sample(velocity, torch.zeros(1), options)
    assert calls.count(True) == 25 and calls.count(False) == 19
    times = options.times()
    assert times[0] == 1 and times[-1] == 0
    assert times[12] == pytest.approx(3 * 0.52 / (1 + 2 * 0.52))


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_an_x0_predictor_that_knows_the_answer_reaches_it_in_any_number_of_steps(steps):
    answer = torch.randn(5)
    result = sample(lambda x, t, _: (x - answer) / t, torch.randn(5), SamplerOptions(steps=steps))
    assert_close(result, answer, atol=1e-5, rtol=0)


def test_guidance_extrapolates_from_the_unconditional_velocity():
    options = SamplerOptions(steps=1, guidance=2.0)
    result = sample(lambda x, t, c: torch.tensor(1.0 if c else 0.5), torch.tensor(0.0), options)
    assert_close(result, torch.tensor(-(3 * 1.0 - 2 * 0.5)))


def test_noise_depends_on_seed_and_number_alone():
    assert_close(seeded_noise((4,), 3, 7), seeded_noise((4,), 3, 7))
    assert not torch.equal(seeded_noise((4,), 3, 7), seeded_noise((4,), 3, 8))
    assert not torch.equal(seeded_noise((4,), 3, 7), seeded_noise((4,), 4, 7))


@pytest.mark.parametrize("steps", [1, 2])
def test_instances_in_chunks_equal_instances_at_once(steps):
    network, inputs = tiny_network(), tiny_inputs(6)
    flow = SamplerOptions(steps=steps, guidance=1.0)
    together = sample_scene(network, inputs, SceneSamplerOptions(flow, chunk=8), 0).x0
    chunks = sample_scene(network, inputs, SceneSamplerOptions(flow, chunk=2), 0).x0
    assert together.shape == (5, 16, 16, 16)
    assert_close(chunks, together, atol=1e-5, rtol=1e-5)


def test_instances_depend_on_the_scene_crop():
    network, inputs = tiny_network(), tiny_inputs(2)
    before = sample_scene(network, inputs, SceneSamplerOptions(), 0).x0
    inputs.volume[0] += 1
    assert not torch.allclose(before, sample_scene(network, inputs, SceneSamplerOptions(), 0).x0)


def test_with_mirror_averaging_a_mirrored_scene_gives_the_mirrored_answer():
    network, inputs = tiny_network(), tiny_inputs(3)
    straight = sample_scene(network, inputs, SceneSamplerOptions(), 0).x0
    mirrored = sample_scene(network, inputs.mirrored(), SceneSamplerOptions(), 0).x0
    assert_close(mirrored.flip(1), straight, atol=1e-5, rtol=1e-5)


def test_the_disagreement_is_half_of_what_the_mirrored_view_changes():
    network, inputs = tiny_network(), tiny_inputs(3)
    sampled = sample_scene(network, inputs, SceneSamplerOptions(), 0)
    assert sampled.disagreement.abs().max() > 1e-3
    mirrored = sample_scene(network, inputs.mirrored(), SceneSamplerOptions(), 0)
    assert_close(mirrored.disagreement.flip(1), -sampled.disagreement, atol=1e-5, rtol=1e-5)
    alone = sample_scene(network, inputs, SceneSamplerOptions(mirror_average=False), 0)
    assert not alone.disagreement.any()


@pytest.mark.parametrize("steps", [1, 3])
def test_instances_may_be_looked_at_again_in_the_scene_that_is_remembered(steps):
    network, inputs = tiny_network(), tiny_inputs(4)
    options = SceneSamplerOptions(SamplerOptions(steps=steps))
    sampler = SceneSampler(network, options, 0)
    sampler.remember_scene(inputs.rows(slice(0, 1)))
    sampler.instances(inputs.rows(slice(1, None)))
    again = sampler.instances(inputs.rows(slice(2, 3)))
    assert_close(again.x0[0], sample_scene(network, inputs, options, 0).x0[1])


def test_what_is_remembered_of_a_crop_is_what_a_whole_pass_remembers():
    network, inputs = tiny_network(), tiny_inputs(2)
    crops = (inputs.volume[:, 0], torch.full((2,), 0.7), inputs.volume, inputs.positions)
    with torch.inference_mode():
        whole, part = network(*crops)[1], network.remember(*crops)
    assert len(part.blocks) == len(whole.blocks) > 0
    for one, other in zip(part.blocks, whole.blocks, strict=True):
        assert_close(one.keys, other.keys)
        assert_close(one.values, other.values)


def test_progress_counts_every_crop_and_step():
    counted = []
    options = SceneSamplerOptions(SamplerOptions(steps=3), chunk=2)
    sample_scene(tiny_network(), tiny_inputs(6), options, 0, counted.append)
    assert sum(counted) == 6 * 3


def test_a_checkpoint_round_trip_keeps_weights_and_calibration(tmp_path):
    network, path = tiny_network(), tmp_path / "tiny_model.safetensors"
    uncertainty = UncertaintyModel(0.1, 0.2, 0.3, 0.4, 0.5)
    calibration = Calibration(ConfidenceModel(0.1, 0.6, 0.3, size=0.2), 0.05, uncertainty)
    save_weights(network, path, calibration)
    model = load_model(path)
    assert model.name == "tiny-model" and len(model.checksum) == 64
    assert model.calibration == calibration
    assert model.network.config == TINY
    for name, tensor in network.state_dict().items():
        assert_close(model.network.state_dict()[name], tensor.half().float())


def test_missing_truncated_and_foreign_checkpoints_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(path)
    save_weights(tiny_network(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(path)
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="format"):
        load_model(path)


def test_a_checkpoint_with_other_tensors_lists_the_differences(tmp_path):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    path = tmp_path / "model.safetensors"
    save_weights(tiny_network(), path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors["head.bias"] = torch.zeros(3)
    tensors["unknown"] = tensors.pop("down_grid.bias")
    save_file(tensors, path, metadata)
    with pytest.raises(ModelError, match="3 tensors differ: .*missing down_grid.bias"):
        load_model(path)
