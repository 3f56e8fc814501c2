"""From pictures to the tokens that both stages of the release look at."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.core.errors import InputError
from iscene_ros.models.iscene.config import VisionConfig
from iscene_ros.models.iscene.networks.vision_transformer import COLOUR_CHANNELS, VisionTransformer

# Mean and standard deviation of ImageNet's pictures, red, green, blue from 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageConditioner(nn.Module):
    """DINOv2's tokens before its last norm, normed without learned gains.

    The unconditional tokens of the release are zeros of the same shape.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.base_img_conditioner = VisionTransformer(config)

    @torch.no_grad()
    def forward(self, pictures: Tensor, at_once: int = 4) -> Tensor:
        """Encode pictures; frozen, so without gradients.

        Args:
            pictures: (S, 3, H, W) floating point from 0 to 1, H and W multiples of a patch's side;
                518 x 518 in the release.
            at_once: how many pictures run together; it bounds the memory and does not change the
                result beyond rounding.

        Returns:
            (S, 1 + registers + patches, C): 1374 tokens of 1024 channels in the release; on the
            device and in the precision of the weights.

        Raises:
            InputError: pictures of another shape or type, or `at_once` below 1.
        """
        self._check(pictures)
        if at_once < 1:
            raise InputError(f"at_once: {at_once}, expected at least 1")
        parts = [self._encode(part) for part in pictures.split(at_once)]
        return torch.cat(parts)

    def _encode(self, pictures: Tensor) -> Tensor:
        weight = self.base_img_conditioner.cls_token
        pictures = normalised(pictures.to(weight.device)).to(weight.dtype)
        tokens = self.base_img_conditioner(pictures)
        return F.layer_norm(tokens, tokens.shape[-1:])

    def _check(self, pictures: Tensor) -> None:
        config, shape = self.base_img_conditioner.config, tuple(pictures.shape)
        if not pictures.is_floating_point():
            raise InputError(f"pictures: {pictures.dtype}, expected floating point from 0 to 1")
        if len(shape) != 4 or shape[1] != COLOUR_CHANNELS or not shape[2] * shape[3]:
            raise InputError(f"pictures: shape {shape}, expected (S, {COLOUR_CHANNELS}, H, W)")
        if any(side % config.patch_size for side in shape[2:]):
            raise InputError(
                f"pictures: {shape[3]} x {shape[2]} pixels, expected multiples of "
                f"{config.patch_size}: resize them to {config.image_side} x {config.image_side}"
            )


def normalised(pictures: Tensor) -> Tensor:
    """Pictures (S, 3, H, W) from 0 to 1, by ImageNet's mean and standard deviation."""
    mean, std = (pictures.new_tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (pictures - mean) / std
