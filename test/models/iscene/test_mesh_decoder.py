"""The mesh decoder against the same network on dense grids, one item at a time, in float64."""

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

from iscene_ros.models.iscene.config import MeshDecoderConfig, ReleaseConfig
from iscene_ros.models.iscene.networks.layers import absolute_positions
from iscene_ros.models.iscene.networks.mesh_decoder import MeshDecoder
from iscene_ros.models.iscene.sparse.tensor import SparseTensor

# The second block's windows are shifted; a group norm of 32 groups needs 256 channels.
TINY = replace(ReleaseConfig.tiny().mesh_decoder, resolution=7)
LENGTHS = (45, 1, 16)


def tiny_decoder() -> MeshDecoder:
    return randomize(MeshDecoder(TINY))


def tiny_latents() -> SparseTensor:
    geometry = random_cells(LENGTHS, TINY.resolution)
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(len(geometry), TINY.latent_channels, generator=generator)
    return SparseTensor(geometry, latents.double())


class DenseDecoder(DenseNetwork):
    def __call__(self, coords, latents):
        """Features (C, 4 X, 4 Y, 4 Z)."""
        x = self.linear("input_layer", latents)
        x = x + absolute_positions(coords, x.shape[1])
        for i in range(self.config.num_blocks):
            shift = self.config.window_size // 2 * (i % 2)
            windows = (coords + shift) // self.config.window_size
            x = self.block(f"blocks.{i}", x, windows.tolist())
        grid = dense(coords, x, self.config.resolution)
        mask = dense(coords, x.new_ones(len(x), 1), self.config.resolution)[0]
        for i in range(2):
            grid, mask = self.subdivide(f"upsample.{i}", grid, mask)
        return (
            torch.einsum("oc,cxyz->oxyz", self.weights["out_layer.weight"], grid)
            + (self.weights["out_layer.bias"][:, None, None, None])
        )

    def block(self, name, x, windows):
        q, k, v = self.linear(f"{name}.attn.to_qkv", norm(x)).chunk(3, dim=1)
        attended = torch.zeros_like(x)
        for window in {tuple(w) for w in windows}:
            own = [i for i, w in enumerate(windows) if tuple(w) == window]
            attended[own] = attention(q[own], k[own], v[own], self.config.num_heads)
        x = x + self.linear(f"{name}.attn.to_out", attended)
        h = F.gelu(self.linear(f"{name}.mlp.mlp.0", norm(x)), approximate="tanh")
        return x + self.linear(f"{name}.mlp.mlp.2", h)

    def subdivide(self, name, grid, mask):
        h = F.silu(self.group_norm(f"{name}.act_layers.0", grid, mask))
        h, grid, mask = (repeat(t) for t in (h * mask, grid, mask[None]))
        h = self.convolve(f"{name}.out_layers.0", h, mask[0])
        h = F.silu(self.group_norm(f"{name}.out_layers.1", h, mask[0])) * mask
        h = self.convolve(f"{name}.out_layers.3", h, mask[0])
        # spconv reads the kernel of one cell as (C_in, C_out), whatever its shape says.
        kernel = self.weights[f"{name}.skip_connection.conv.weight"]
        skip = torch.einsum("co,cxyz->oxyz", kernel.reshape(len(grid), -1), grid)
        skip = skip + self.weights[f"{name}.skip_connection.conv.bias"][:, None, None, None]
        return (h + skip) * mask, mask[0]

    def group_norm(self, name, grid, mask):
        coords = mask.nonzero()
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        normed = F.group_norm(at_cells(grid, coords).T[None], 32, weight, bias)[0].T
        return dense(coords, normed, len(mask))


def reference(decoder: MeshDecoder, x: SparseTensor) -> torch.Tensor:
    """Features at all cells that the decoder names."""
    network = DenseDecoder(decoder)
    parts = zip(x.coords.split(x.lengths), x.features.split(x.lengths), strict=True)
    finer = x.geometry.subdivided.subdivided
    cells = finer.coords.split(finer.lengths)
    return torch.cat([at_cells(network(*p), c) for p, c in zip(parts, cells, strict=True)])


@pytest.fixture(scope="module")
def expected() -> torch.Tensor:
    return reference(tiny_decoder(), tiny_latents())


def test_features_are_those_of_the_dense_network(expected):
    out = tiny_decoder()(tiny_latents())
    assert_close(out.features, expected, rtol=1e-9, atol=1e-9)


def test_each_cell_becomes_64_of_a_quarter_of_its_side():
    x = tiny_latents()
    out = tiny_decoder()(x)
    assert out.features.shape == (64 * len(x.coords), 101)
    assert out.lengths == tuple(64 * length for length in LENGTHS)
    assert (out.coords // 4).equal(x.coords.repeat_interleave(64, dim=0))
    for item in out.items():
        assert len(item.coords.unique(dim=0)) == len(item.coords)


def test_float32_is_right_to_1e_5(expected):
    x = tiny_latents()
    out = tiny_decoder().float()(replace(x, features=x.features.float())).features
    assert (out - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_of_the_torso_is_near(dtype, expected):
    decoder, x = tiny_decoder().float(), tiny_latents()
    convert_torso(decoder, dtype)
    out = decoder(x).features
    assert out.dtype == torch.float32
    assert (out - expected).abs().max() < 20 * torch.finfo(dtype).eps * expected.abs().max()


def test_the_release_has_the_tensors_of_the_published_file():
    with torch.device("meta"):
        decoder = MeshDecoder(MeshDecoderConfig())
    convert_torso(decoder, torch.float16)
    # slat_dec_mesh_swin8_B_64l8m256c_fp16.safetensors: names, shapes and types make its size.
    assert safetensors_size(decoder.state_dict()) == 181_903_412
