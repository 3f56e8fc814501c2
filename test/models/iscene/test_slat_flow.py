"""The SLAT flow against the same network on dense grids, one item at a time, in float64."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from published_file import safetensors_size
from random_weights import convert_torso
from sparse_cells import (
    DenseNetwork,
    at_cells,
    attention,
    dense,
    norm,
    random_cells,
    randomize,
    repeat,
)
from torch.testing import assert_close

from iscene_ros.models.iscene.config import ReleaseConfig, SlatFlowConfig
from iscene_ros.models.iscene.networks.layers import absolute_positions
from iscene_ros.models.iscene.networks.slat_flow import SlatFlow
from iscene_ros.models.iscene.sparse.tensor import CellGeometry, SparseTensor

TINY = replace(ReleaseConfig.tiny().slat_flow, resolution=8)
LENGTHS = (60, 1, 17)
TOKENS = 5


def tiny_flow(config: SlatFlowConfig = TINY) -> SlatFlow:
    return randomize(SlatFlow(config))


def tiny_inputs(lengths=LENGTHS):
    """Cells with noise, times and image tokens."""
    geometry = random_cells(lengths, TINY.resolution)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(len(geometry), TINY.in_channels, generator=generator).double()
    tokens = torch.randn(len(lengths), TOKENS, TINY.cond_channels, generator=generator).double()
    return SparseTensor(geometry, noise), torch.linspace(0.2, 1, len(lengths)), tokens


class DenseFlow(DenseNetwork):
    def __call__(self, coords, latents, time, tokens):
        side = self.config.resolution
        mask = dense(coords, latents.new_ones(len(coords), 1), side)[0]
        grid = dense(coords, self.linear("input_layer", latents), side)
        embedding = self.time_embedding(time)
        first = self.residual("input_blocks.0", grid, mask, embedding)
        pooled, coarse = self.pool(first, mask)
        second = self.residual("input_blocks.1", pooled, coarse, embedding)
        h = self.transform(second, coarse, embedding, tokens)
        h = repeat(torch.cat([h, second])) * mask
        h = self.residual("out_blocks.0", h, mask, embedding)
        h = self.residual("out_blocks.1", torch.cat([h, first]), mask, embedding)
        h = at_cells(h, coords)
        return self.linear("out_layer", F.layer_norm(h, h.shape[1:]))

    def time_embedding(self, time):
        frequencies = torch.exp(-math.log(10_000) * torch.arange(128) / 128)
        angles = 1000 * time * frequencies
        h = self.linear("t_embedder.mlp.0", torch.cat([angles.cos(), angles.sin()]).double())
        return self.linear("t_embedder.mlp.2", F.silu(h))

    def residual(self, name, grid, mask, embedding):
        coords = mask.nonzero()
        side = len(mask)
        x = at_cells(grid, coords)
        scale, shift = self.linear(f"{name}.emb_layers.1", F.silu(embedding)).chunk(2)
        h = F.silu(self.gained(f"{name}.norm1", x))
        h = norm(self.convolve_cells(f"{name}.conv1", h, coords, mask)) * (1 + scale) + shift
        h = self.convolve_cells(f"{name}.conv2", F.silu(h), coords, mask)
        if f"{name}.skip_connection.weight" in self.weights:
            x = self.linear(f"{name}.skip_connection", x)
        return dense(coords, h + x, side)

    def gained(self, name, x):
        """Each row normalised, with the gains and biases of a norm."""
        return norm(x) * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def convolve_cells(self, name, x, coords, mask):
        return at_cells(self.convolve(name, dense(coords, x, len(mask)), mask), coords)

    def pool(self, grid, mask):
        """Sums over 2^3 cells, over their number plus one."""
        counts = 8 * F.avg_pool3d(mask[None], 2)[0]
        return 8 * F.avg_pool3d(grid, 2) / (counts + 1), (counts > 0).double()

    def transform(self, grid, mask, embedding, tokens):
        coords = mask.nonzero()
        x = at_cells(grid, coords) + absolute_positions(coords, len(grid)).double()
        for i in range(self.config.num_blocks):
            x = self.block(f"blocks.{i}", x, embedding, tokens)
        return dense(coords, x, len(mask))

    def block(self, name, x, embedding, tokens):
        modulation = self.linear(f"{name}.adaLN_modulation.1", F.silu(embedding)).chunk(6)
        shift_attn, scale_attn, gate_attn, shift_mlp, scale_mlp, gate_mlp = modulation
        h = norm(x) * (1 + scale_attn) + shift_attn
        q, k, v = self.linear(f"{name}.self_attn.to_qkv", h).chunk(3, dim=1)
        q = self.head_norm(f"{name}.self_attn.q_rms_norm", q)
        k = self.head_norm(f"{name}.self_attn.k_rms_norm", k)
        h = self.linear(f"{name}.self_attn.to_out", attention(q, k, v, self.config.num_heads))
        x = x + h * gate_attn
        q = self.linear(f"{name}.cross_attn.to_q", self.gained(f"{name}.norm2", x))
        k, v = self.linear(f"{name}.cross_attn.to_kv", tokens).chunk(2, dim=1)
        x = x + self.linear(f"{name}.cross_attn.to_out", attention(q, k, v, self.config.num_heads))
        h = norm(x) * (1 + scale_mlp) + shift_mlp
        h = F.gelu(self.linear(f"{name}.mlp.mlp.0", h), approximate="tanh")
        return x + self.linear(f"{name}.mlp.mlp.2", h) * gate_mlp

    def head_norm(self, name, x):
        heads = x.unflatten(1, (self.config.num_heads, -1))
        rms = heads.square().mean(-1, keepdim=True).sqrt()
        return (heads / rms * self.weights[f"{name}.gamma"]).flatten(1)


def reference(flow, x, time, tokens):
    network = DenseFlow(flow)
    items = zip(x.coords.split(x.lengths), x.features.split(x.lengths), time, tokens, strict=True)
    return torch.cat([network(*item) for item in items])


def test_velocity_is_that_of_the_dense_network():
    flow, (x, time, tokens) = tiny_flow(), tiny_inputs()
    expected = reference(flow, x, time, tokens)
    assert_close(flow(x, time, tokens), expected, rtol=1e-9, atol=1e-9)


def test_float32_is_right_to_1e_5():
    flow, (x, time, tokens) = tiny_flow(), tiny_inputs()
    expected = reference(flow, x, time, tokens)
    out = flow.float()(replace(x, features=x.features.float()), time, tokens.float())
    assert (out - expected).abs().max() < 1e-5 * expected.abs().max()


def test_without_context_is_with_tokens_of_zeros():
    flow, (x, time, tokens) = tiny_flow(), tiny_inputs()
    assert_close(flow(x, time), reference(flow, x, time, torch.zeros_like(tokens)))


def test_context_can_be_kept_for_other_times_and_cells():
    flow, (x, time, tokens) = tiny_flow(), tiny_inputs()
    kept = flow.cached_context(tokens)
    assert_close(flow(x, time, kept), flow(x, time, tokens))
    assert_close(flow(x, 1 - time, kept), flow(x, 1 - time, tokens))


def test_conditional_and_unconditional_items_share_a_batch():
    flow, (x, time, tokens) = tiny_flow(), tiny_inputs()
    cells = CellGeometry(torch.cat([x.coords, x.coords]), 2 * x.lengths)
    both = SparseTensor(cells, torch.cat([x.features, x.features]))
    out = flow(both, torch.cat([time, time]), flow.cached_context(tokens))
    conditional, unconditional = out.chunk(2)
    assert_close(conditional, flow(x, time, tokens))
    assert_close(unconditional, flow(x, time))


def test_one_time_serves_all_items():
    flow, (x, _, tokens) = tiny_flow(), tiny_inputs()
    one = torch.tensor([0.3])
    assert_close(flow(x, one, tokens), flow(x, one.expand(3), tokens))


def test_patches_of_four_cells_go_through_two_poolings():
    config = replace(TINY, patch_size=4, io_block_channels=(16, 32))
    flow, (x, time, tokens) = tiny_flow(config), tiny_inputs()
    assert flow(x, time, tokens).shape == (len(x.coords), TINY.out_channels)
    assert len(x.geometry.coarse.coarse) < len(x.geometry.coarse) < len(x.geometry)
    with pytest.raises(ValueError, match="io_block_channels"):
        SlatFlow(replace(TINY, patch_size=4))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_of_the_torso_is_near(dtype):
    flow, (x, time, tokens) = tiny_flow(), tiny_inputs()
    expected = flow(x, time, tokens)
    flow.float()
    convert_torso(flow, dtype)
    out = flow(x, time, tokens)
    assert out.dtype == torch.float32
    assert (out - expected).abs().max() < 20 * torch.finfo(dtype).eps * expected.abs().max()


def test_the_release_has_the_tensors_of_the_published_file():
    with torch.device("meta"):
        flow = SlatFlow(SlatFlowConfig())
    convert_torso(flow, torch.float16)
    # slat_flow_img_dit_L_64l8p2_fp16.safetensors: names, shapes and types make its size.
    assert safetensors_size(flow.state_dict()) == 1_203_755_136
