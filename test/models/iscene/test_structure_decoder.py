"""The structure decoder against its definition, voxel by voxel in float64."""

import pytest
import torch
from random_weights import convert_torso, randomised
from torch.testing import assert_close

from iscene_ros.models.iscene.config import StructureDecoderConfig
from iscene_ros.models.iscene.networks.structure_decoder import StructureDecoder

TINY = StructureDecoderConfig(
    latent_channels=3, channels=(16, 8, 8), num_res_blocks=1, num_res_blocks_middle=1
)


def slow_convolution(x, weight, bias):
    """3^3 neighbours, one shifted product each."""
    side = x.shape[-1]
    padded = torch.zeros(x.shape[0], *(side + 2,) * 3, dtype=x.dtype)
    padded[:, 1:-1, 1:-1, 1:-1] = x
    out = bias[:, None, None, None].expand(-1, side, side, side).clone()
    for i in range(3):
        for j in range(3):
            for k in range(3):
                part = padded[:, i : i + side, j : j + side, k : k + side]
                out += torch.einsum("oc,cxyz->oxyz", weight[:, :, i, j, k], part)
    return out


def slow_norm(x, weight, bias):
    mean = x.mean(0)
    variance = (x - mean).square().mean(0)
    scale, shift = weight[:, None, None, None], bias[:, None, None, None]
    return (x - mean) / (variance + 1e-5).sqrt() * scale + shift


def silu(x):
    return x / (1 + torch.exp(-x))


def slow_upsampling(x):
    """Channel c * 8 + 4 i + 2 j + k becomes voxel (2x + i, 2y + j, 2z + k) of channel c."""
    side = x.shape[-1]
    out = torch.zeros(x.shape[0] // 8, *(2 * side,) * 3, dtype=x.dtype)
    for channel in range(x.shape[0]):
        c, corner = divmod(channel, 8)
        out[c, corner // 4 :: 2, corner // 2 % 2 :: 2, corner % 2 :: 2] = x[channel]
    return out


def slow_decoder(weights, latent):
    """The tiny decoder by the names of its tensors."""

    def convolve(x, name):
        return slow_convolution(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(x, name):
        return slow_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def residual(x, name):
        h = convolve(silu(norm(x, f"{name}.norm1")), f"{name}.conv1")
        return x + convolve(silu(norm(h, f"{name}.norm2")), f"{name}.conv2")

    x = residual(convolve(latent, "input_layer"), "middle_block.0")
    x = slow_upsampling(convolve(residual(x, "blocks.0"), "blocks.1.conv"))
    x = slow_upsampling(convolve(residual(x, "blocks.2"), "blocks.3.conv"))
    return convolve(silu(norm(residual(x, "blocks.4"), "out_layer.0")), "out_layer.2")


def test_the_decoder_equals_its_definition():
    decoder = randomised(StructureDecoder(TINY))
    latents = torch.randn(2, 3, 3, 3, 3)
    weights = {name: tensor.double() for name, tensor in decoder.state_dict().items()}
    expected = torch.stack([slow_decoder(weights, latent.double()) for latent in latents])
    out = decoder(latents)
    assert out.shape == (2, 1, 12, 12, 12)
    scale = expected.abs().max().item()
    assert_close(out.double(), expected, rtol=0, atol=1e-5 * scale)
    assert_close(decoder.double()(latents), expected, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_of_the_torso_is_near(dtype):
    decoder = randomised(StructureDecoder(TINY))
    latents = torch.randn(1, 3, 3, 3, 3)
    exact = decoder(latents)
    convert_torso(decoder, dtype)
    out = decoder(latents)
    assert out.dtype == torch.float32
    assert_close(out, exact, rtol=0, atol=0.05 * exact.abs().max().item())
