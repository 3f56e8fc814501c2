"""Sensors that triangulate along a baseline: disparity, occlusion shadows, slopes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.lab.synthetic.random_fields import max_filter

# An occluder lies further left in the second view by more than this [rendered pixels].
SLACK = 0.6
# Least jump of the depth at an edge, as a share of the depth.
EDGE_SHARE = 0.02


@dataclass(frozen=True)
class Baseline:
    """Geometry of a rectified pair along the image rows.

    Attributes:
        focal: Focal length of the rendered image [pixels].
        pixel_scale: Pixels of the sensor in one pixel of the rendered image.
        length: Distance of the two centres [m].
        cropped_columns: Columns of the sensor that the rendered image leaves out on either side.
    """

    focal: float
    pixel_scale: float = 1.0
    length: float = 0.05
    cropped_columns: float = 0.0

    def disparity(self, depth: Tensor) -> Tensor:
        """Return disparity (H, W) [rendered pixels] of depth [m]; 0 without depth."""
        scaled = self.focal * self.length / depth.clamp_min(1e-3)
        return torch.where(depth > 0, scaled, torch.zeros_like(depth))

    def depth(self, disparity: Tensor) -> Tensor:
        """Return depth (H, W) [m] of disparity [rendered pixels].

        It is 0 where the disparity is not positive and beyond ten metres.
        """
        depth = self.focal * self.length / disparity.clamp_min(1e-6)
        return torch.where((disparity > 0) & (depth < 10.0), depth, torch.zeros_like(depth))

    def out_of_view(self, disparity: Tensor) -> Tensor:
        """Return a mask (H, W) of pixels whose match lies left of the second image."""
        columns = torch.arange(disparity.shape[1], dtype=disparity.dtype)
        return columns + self.cropped_columns - disparity < -0.5

    def pixels(self, sensor_pixels: float) -> int:
        """Convert a length from sensor pixels to whole rendered pixels, at least 1."""
        return max(1, round(sensor_pixels / self.pixel_scale))


def shadowed(disparity: Tensor) -> Tensor:
    """Return a mask (H, W) of pixels occluded from the second centre, to the right.

    A pixel at column x is at column x - d of the second view; it is occluded where a pixel further
    right, but nearer, lands on the same column or left of it. Shadows are left of near surfaces.
    """
    columns = torch.arange(disparity.shape[1], dtype=disparity.dtype)
    second_columns = columns - disparity
    known = second_columns.masked_fill(disparity <= 0, torch.inf)
    leftmost = known.flip(1).cummin(1).values.flip(1)
    beyond = torch.full_like(leftmost[:, :1], torch.inf)
    leftmost = torch.cat([leftmost[:, 1:], beyond], 1)
    return (disparity > 0) & (second_columns > leftmost + SLACK)


def fattened(disparity: Tensor, radius: int, jump: float) -> Tensor:
    """Return disparity (H, W) with near surfaces dilated by a radius [pixels] at jumps.

    A matching window that contains a near edge takes the edge's disparity (foreground fattening).
    """
    nearest = max_filter(disparity, radius)
    return torch.where((nearest - disparity > jump) & (disparity > 0), nearest, disparity)


def depth_edges(depth: Tensor) -> Tensor:
    """Return a mask (H, W) of pixels at which the depth jumps by a share of itself."""
    nearest, farthest = depth_range(depth)
    return (depth > 0) & (farthest - nearest > EDGE_SHARE * depth)


def depth_range(depth: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest depth (H, W) around each pixel, where there is any."""
    unknown = depth <= 0
    farthest = max_filter(depth.masked_fill(unknown, -torch.inf), 1)
    return -max_filter((-depth).masked_fill(unknown, -torch.inf), 1), farthest


def slopes(depth: Tensor, focal: float) -> tuple[Tensor, Tensor]:
    """Return the slopes (H, W) of the surface across and down the image; 0 faces the camera."""
    scale = focal / depth.clamp_min(1e-3)
    across, down = torch.zeros_like(depth), torch.zeros_like(depth)
    across[:, 1:-1] = 0.5 * (depth[:, 2:] - depth[:, :-2])
    down[1:-1] = 0.5 * (depth[2:] - depth[:-2])
    return across * scale, down * scale
