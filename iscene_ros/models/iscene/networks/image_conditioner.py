"""Image tokens of both stages: DINOv2 ViT-L/14 with registers (arXiv 2304.07193, 2309.16588).

The names of the modules are those of the published weights, which are DINOv2's of torch.hub.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.iscene.config import VisionConfig

NORM_EPS = 1e-6
COLOUR_CHANNELS = 3
# Standard deviation of the initial tokens and positions, for random weights.
INITIAL_STD = 0.02
# Mean and standard deviation of ImageNet, RGB from 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageConditioner(nn.Module):
    """DINOv2's tokens before its last norm, normalised without learned gains.

    The unconditional tokens of the release are zeros of the same shape.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.base_img_conditioner = VisionTransformer(config)

    @torch.no_grad()
    def forward(self, images: Tensor, at_once: int = 4) -> Tensor:
        """Encode images, without gradients.

        Args:
            images: (S, 3, H, W) floating point from 0 to 1, H and W multiples of the patch size;
                518 x 518 in the release.
            at_once: number of images computed together, which bounds the memory and does not
                change the result beyond rounding.

        Returns:
            (S, 1 + registers + patches, C): 1374 tokens of 1024 channels in the release; on the
            device and in the precision of the weights.
        """
        weight = self.base_img_conditioner.cls_token
        encoded = []
        for part in images.split(at_once):
            part = part.to(weight.device)
            mean, std = (part.new_tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
            tokens = self.base_img_conditioner(((part - mean) / std).to(weight.dtype))
            encoded.append(F.layer_norm(tokens, tokens.shape[-1:]))
        return torch.cat(encoded)


class SelfAttention(nn.Module):
    """Multi-head attention of an image's tokens."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within x (S, L, C)."""
        images, length, channels = x.shape
        shape = images, length, 3, self.num_heads, channels // self.num_heads
        qkv = self.qkv(x).reshape(shape)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [S, heads, L, d]
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.proj(attended.transpose(1, 2).reshape(images, length, channels))


class LayerScale(nn.Module):
    """A learned gain for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Scale x (S, L, C)."""
        return x * self.gamma


class VisionBlock(nn.Module):
    """Attention and feed-forward on normalised tokens, each scaled and added."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        channels = config.channels
        self.norm1 = nn.LayerNorm(channels, NORM_EPS)
        self.attn = SelfAttention(channels, config.num_heads)
        self.ls1 = LayerScale(channels)
        self.norm2 = nn.LayerNorm(channels, NORM_EPS)
        hidden = int(config.mlp_ratio * channels)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(channels, hidden), act=nn.GELU(), fc2=nn.Linear(hidden, channels)
            )
        )
        self.ls2 = LayerScale(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Refine x (S, L, C)."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    """The transformer up to its last norm.

    `mask_token` and `norm` take no part in the result; the published state dict contains them.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        channels, side = config.channels, config.trained_side // config.patch_size
        self.cls_token = _tokens(1, 1, channels)
        self.pos_embed = _tokens(1, 1 + side**2, channels)
        self.register_tokens = _tokens(1, config.registers, channels)
        self.mask_token = _tokens(1, channels)
        # One token for each patch, by a convolution as wide as its stride.
        width = config.patch_size
        projection = nn.Conv2d(COLOUR_CHANNELS, channels, width, stride=width)
        self.patch_embed = nn.Sequential(OrderedDict(proj=projection))
        self.blocks = nn.ModuleList(VisionBlock(config) for _ in range(config.num_blocks))
        self.norm = nn.LayerNorm(channels, NORM_EPS)

    def forward(self, images: Tensor) -> Tensor:
        """Return the tokens before the last norm.

        Args:
            images: (S, 3, H, W), normalised; H and W are multiples of the patch's side.

        Returns:
            (S, 1 + registers + H / patch * W / patch, C): class token, registers, patches.
        """
        rows, columns = (side // self.config.patch_size for side in images.shape[2:])
        patches = self.patch_embed(images).flatten(2).transpose(1, 2)
        count = len(patches)
        x = torch.cat([self.cls_token.expand(count, -1, -1), patches], dim=1)
        x = x + self.positions(rows, columns)
        registers = self.register_tokens.expand(count, -1, -1)
        x = torch.cat([x[:, :1], registers, x[:, 1:]], dim=1)  # registers have no position
        for block in self.blocks:
            x = block(x)
        return x

    def positions(self, rows: int, columns: int) -> Tensor:
        """Return embeddings (1, 1 + rows * columns, C) of the class token and a grid of patches.

        A grid of another size than the trained one is resampled by an antialiased bicubic filter,
        as in the models with registers of torch.hub.
        """
        side = self.config.trained_side // self.config.patch_size
        if (rows, columns) == (side, side):
            return self.pos_embed
        # As in torch.hub's models: half precision is not enough to resample in.
        embedding = self.pos_embed.to(torch.promote_types(self.pos_embed.dtype, torch.float32))
        grid = embedding[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, size=(rows, columns), mode="bicubic", antialias=True)
        resampled = grid.flatten(2).transpose(1, 2)
        return torch.cat([embedding[:, :1], resampled], dim=1).to(self.pos_embed.dtype)


def _tokens(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(*shape), std=INITIAL_STD))
