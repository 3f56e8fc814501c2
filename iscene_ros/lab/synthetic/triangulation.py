"""What every sensor that triangulates along a baseline shares: disparity, shadows, slopes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.lab.synthetic.random_fields import dilated


@dataclass(frozen=True)
class Baseline:
    """Geometry of a rectified pair along the image rows.

    Attributes:
        focal: focal length of the rendered image [pixels].
        pixel_scale: pixels of the sensor in one pixel of the rendered image.
        length: distance of the two centres [m].
        cropped_columns: columns of the sensor that the rendered image leaves out on either side.
    """

    focal: float
    pixel_scale: float = 1.0
    length: float = 0.05
    cropped_columns: float = 0.0

    def disparity(self, depth: Tensor) -> Tensor:
        """Disparity (H,W) [pixels of the rendered image] of depth [m]; 0 without depth."""
        scaled = self.focal * self.length / depth.clamp_min(1e-3)
        return torch.where(depth > 0, scaled, torch.zeros_like(depth))

    def depth(self, disparity: Tensor) -> Tensor:
        """Depth (H,W) [m] of disparity [pixels of the rendered image]; 0 where it is not positive.

        Beyond ten metres nothing is reported.
        """
        depth = self.focal * self.length / disparity.clamp_min(1e-6)
        return torch.where((disparity > 0) & (depth < 10.0), depth, torch.zeros_like(depth))

    def out_of_view(self, disparity: Tensor) -> Tensor:
        """Mask (H,W) of pixels whose match lies left of the second image."""
        columns = torch.arange(disparity.shape[1], device=disparity.device, dtype=disparity.dtype)
        return columns + self.cropped_columns - disparity < -0.5

    def pixels(self, of_sensor: float) -> int:
        """Length in whole pixels of the rendered image, at least 1, of one in sensor pixels."""
        return max(1, round(of_sensor / self.pixel_scale))


def shadowed(disparity: Tensor, slack: float = 0.6) -> Tensor:
    """Mask (H,W) of pixels that the second centre, to the right, does not see.

    A pixel lies at column x - d in the second view; it is hidden where one further right, but
    nearer, lands on the same column or left of it. The shadow lies left of near things.
    """
    columns = torch.arange(disparity.shape[1], device=disparity.device, dtype=disparity.dtype)
    seen_at = columns - disparity
    known = torch.where(disparity > 0, seen_at, torch.full_like(seen_at, torch.inf))
    leftmost = known.flip(1).cummin(1).values.flip(1)
    beyond = torch.full_like(leftmost[:, :1], torch.inf)
    leftmost = torch.cat([leftmost[:, 1:], beyond], 1)
    return (disparity > 0) & (seen_at > leftmost + slack)


def fattened(disparity: Tensor, radius: int, jump: float) -> Tensor:
    """Disparity (H,W) with near things widened by a radius [pixels] where they stand off by a jump.

    A matching window that holds a near edge takes its disparity for all of its pixels.
    """
    nearest = dilated(disparity, radius)
    return torch.where((nearest - disparity > jump) & (disparity > 0), nearest, disparity)


def depth_edges(depth: Tensor, share: float = 0.02) -> Tensor:
    """Mask (H,W) of pixels beside which the depth jumps by more than a share of itself."""
    far = dilated(torch.where(depth > 0, depth, torch.full_like(depth, -torch.inf)), 1)
    near = -dilated(torch.where(depth > 0, -depth, torch.full_like(depth, -torch.inf)), 1)
    return (depth > 0) & (far - near > share * depth)


def slopes(depth: Tensor, focal: float) -> tuple[Tensor, Tensor]:
    """Slope (H,W) of the surface across and down the image, against a plane facing the camera."""
    scale = focal / depth.clamp_min(1e-3)
    across, down = torch.zeros_like(depth), torch.zeros_like(depth)
    across[:, 1:-1] = 0.5 * (depth[:, 2:] - depth[:, :-2])
    down[1:-1] = 0.5 * (depth[2:] - depth[:-2])
    return across * scale, down * scale
