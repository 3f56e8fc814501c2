"""The image encoder against the formulas of a vision transformer, slowly in float64."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from iscene_ros.models.iscene.config import ReleaseConfig, VisionConfig
from iscene_ros.models.iscene.networks.image_conditioner import ImageConditioner

TINY = ReleaseConfig.tiny().vision
TRAINED = TINY.trained_side
PATCH = TINY.patch_size


def conditioner(dtype: torch.dtype = torch.float64) -> ImageConditioner:
    torch.manual_seed(0)
    made = ImageConditioner(TINY)
    for name, parameter in made.named_parameters():
        torch.nn.init.normal_(parameter, std=0.3)
        if "norm" in name and name.endswith("weight"):
            parameter.data += 1
    return made.to(dtype)


def images(count: int = 2, height: int = TRAINED, width: int = TRAINED) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, height, width, generator=generator, dtype=torch.float64)


def norm(x: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Each row to mean 0 and variance 1."""
    rows = []
    for row in x:
        centred = row - row.mean()
        rows.append(centred / math.sqrt(float(centred.square().mean()) + epsilon))
    return torch.stack(rows)


def attention(x: torch.Tensor, part: dict[str, torch.Tensor]) -> torch.Tensor:
    q, k, v = (x @ part["attn.qkv.weight"].T + part["attn.qkv.bias"]).split(TINY.channels, dim=1)
    width = TINY.channels // TINY.num_heads
    heads = []
    for head in range(TINY.num_heads):
        own = slice(head * width, (head + 1) * width)
        scores = q[:, own] @ k[:, own].T / math.sqrt(width)
        scores = (scores - scores.max(1, keepdim=True).values).exp()
        heads.append(scores / scores.sum(1, keepdim=True) @ v[:, own])
    return torch.cat(heads, dim=1) @ part["attn.proj.weight"].T + part["attn.proj.bias"]


def feed_forward(x: torch.Tensor, part: dict[str, torch.Tensor]) -> torch.Tensor:
    hidden = x @ part["mlp.fc1.weight"].T + part["mlp.fc1.bias"]
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    return hidden @ part["mlp.fc2.weight"].T + part["mlp.fc2.bias"]


def resampled(grid: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Pillow's bicubic of a grid (h, w, C): antialiased where it shrinks."""
    channels = []
    for channel in grid.permute(2, 0, 1):
        image = Image.fromarray(channel.numpy().astype(np.float32))
        resized = image.resize((columns, rows), Image.Resampling.BICUBIC)
        channels.append(torch.from_numpy(np.array(resized)))
    return torch.stack(channels, dim=-1).double()


def first_tokens(image: torch.Tensor, state: dict[str, torch.Tensor]) -> torch.Tensor:
    """Class token, registers and patches (L, C) before the first block."""
    rows, columns, side = image.shape[1] // PATCH, image.shape[2] // PATCH, TRAINED // PATCH
    positions = state["pos_embed"][0]
    grid = positions[1:].reshape(side, side, -1)
    if (rows, columns) != (side, side):
        grid = resampled(grid, rows, columns)
    kernel, bias = state["patch_embed.proj.weight"], state["patch_embed.proj.bias"]
    tokens = [state["cls_token"][0, 0] + positions[0], *state["register_tokens"][0]]
    for row in range(rows):
        for column in range(columns):
            top, left = PATCH * row, PATCH * column
            patch = image[:, top : top + PATCH, left : left + PATCH]
            tokens.append((kernel * patch).sum(dim=(1, 2, 3)) + bias + grid[row, column])
    return torch.stack(tokens)


def reference(made: ImageConditioner, image: torch.Tensor) -> torch.Tensor:
    state = {
        name.removeprefix("base_img_conditioner."): tensor.double()
        for name, tensor in made.state_dict().items()
    }
    mean = torch.tensor([0.485, 0.456, 0.406]).double()[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225]).double()[:, None, None]
    x = first_tokens((image - mean) / deviation, state)
    for block in range(TINY.num_blocks):
        start = f"blocks.{block}."
        part = {name.removeprefix(start): state[name] for name in state if name.startswith(start)}
        normed = norm(x, 1e-6) * part["norm1.weight"] + part["norm1.bias"]
        x = x + part["ls1.gamma"] * attention(normed, part)
        normed = norm(x, 1e-6) * part["norm2.weight"] + part["norm2.bias"]
        x = x + part["ls2.gamma"] * feed_forward(normed, part)
    return norm(x, 1e-5)


def test_it_is_the_formula() -> None:
    made, given = conditioner(), images()
    expected = torch.stack([reference(made, image) for image in given])
    tokens = made(given)
    assert tokens.shape == (2, 1 + TINY.registers + (TRAINED // PATCH) ** 2, TINY.channels)
    assert_close(tokens, expected, rtol=1e-6, atol=1e-6)  # ImageNet's numbers come as float32
    single = conditioner(torch.float32)(given.float()).double()
    assert (single - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("size", [(PATCH, 2 * PATCH), (98, 98), (42, 84)])
def test_positions_of_other_sizes_are_resampled(size: tuple[int, int]) -> None:
    made, (image,) = conditioner(), images(1, *size)
    expected = reference(made, image)
    (tokens,) = made(image[None])
    assert (tokens - expected).abs().max() < 1e-5 * expected.abs().max()  # Pillow's is float32


def test_pictures_at_once_do_not_change_the_tokens() -> None:
    made, given = conditioner(), images(5)
    together = made(given, at_once=5)
    for at_once in (1, 2, 9):
        assert_close(made(given, at_once=at_once), together)
    assert_close(made(given[3:4])[0], together[3])
    assert made(given[:0]).shape == (0, *together.shape[1:])


@pytest.mark.parametrize("dtype, error", [(torch.bfloat16, 0.06), (torch.float16, 0.01)])
def test_half_precision_is_near(dtype: torch.dtype, error: float) -> None:
    exact, given = conditioner()(images()), images().float()
    rounded = conditioner(dtype)(given)
    assert rounded.dtype == dtype
    assert (rounded.double() - exact).abs().max() < error * exact.abs().max()


def test_the_published_model_has_its_names_shapes_and_size() -> None:
    with torch.device("meta"):
        made = ImageConditioner(VisionConfig()).base_img_conditioner
    shapes = {name: tuple(tensor.shape) for name, tensor in made.state_dict().items()}
    outside = {
        "cls_token": (1, 1, 1024),
        "pos_embed": (1, 1 + 37**2, 1024),
        "register_tokens": (1, 4, 1024),
        "mask_token": (1, 1024),
        "patch_embed.proj.weight": (1024, 3, 14, 14),
        "patch_embed.proj.bias": (1024,),
        "norm.weight": (1024,),
        "norm.bias": (1024,),
    }
    layers = {"attn.qkv": (3072, 1024), "attn.proj": (1024, 1024)}
    layers |= {"mlp.fc1": (4096, 1024), "mlp.fc2": (1024, 4096)}
    block = {f"norm{k}.{what}": (1024,) for k in (1, 2) for what in ("weight", "bias")}
    block |= {f"ls{k}.gamma": (1024,) for k in (1, 2)}
    block |= {f"{name}.weight": shape for name, shape in layers.items()}
    block |= {f"{name}.bias": shape[:1] for name, shape in layers.items()}
    blocks = {f"blocks.{k}.{name}": shape for k in range(24) for name, shape in block.items()}
    assert shapes == outside | blocks
    assert sum(p.numel() for p in made.parameters()) == 304_372_736
