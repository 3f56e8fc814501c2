"""Observation volumes: what one posed depth image measures at every voxel of a crop.

A crop is the cube around one instance. Every voxel centre is projected into the image; what the
pixel there shows is kept as a projective signed distance, a gap, a pixel class and a weight.
`view_fusion.fuse` combines several views of the same crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from iscene_ros.core.observation import Observation

# Classes of the pixel in front of a voxel; the last one also holds voxels behind the camera.
OWN, OWN_HOLE, OTHER, OTHER_HOLE, ENVIRONMENT, ENVIRONMENT_HOLE, OUTSIDE = range(7)
PIXEL_CLASSES = 7
# Depths below this are taken as this in the estimate of a surface's slope [m].
NEAR_M = 0.01
# A pixel whose neighbours' depths span more than this lies at a jump [m + the same share of depth].
JUMP = 0.015
# Factor on the weight of a reading at a jump or at the edge of a mask.
EDGE_WEIGHT = 0.1
# Readings below this weight do not carve free space out of what other views measure.
TRUSTED = 0.15
# Depth at which the noise of a sensor has grown to twice its floor [m].
NOISE_DEPTH = 1.0


@dataclass(frozen=True)
class PosedDepthView:
    """One rectified depth image as tensors, and its pose in the frame of the crops.

    The crops lie in the gravity-aligned frame of a reference view. The images are flat, and have
    one pixel more, which stands for all that lies outside.

    Attributes:
        depth: (H * W + 1,) float32 [m]; 0 where there is no reading.
        weight: (H * W + 1,) float32 in [0, 1], the trust in each reading; see `reading_weights`.
        labels: (H * W + 1,) int16, the row of the pixel's instance in the masks plus 1; 0 for the
            surroundings, -1 outside.
        rows: (S,) int16, the label of each crop's instance; -2 where it is in no mask.
        size: height and width [pixels].
        k: (3, 3) float32 [pixels].
        rotation: (3, 3) float32; points_camera = (points_aligned + offset) @ rotation.
        offset: (3,) float32 [m]; zero for the reference view.
    """

    depth: Tensor
    weight: Tensor
    labels: Tensor
    rows: Tensor
    size: tuple[int, int]
    k: Tensor
    rotation: Tensor
    offset: Tensor

    @classmethod
    def from_observation(
        cls,
        observation: Observation,
        rows: list[int | None],
        camera_from_reference: np.ndarray,
        device: str = "cpu",
    ) -> PosedDepthView:
        """Return the view of a rectified observation whose masks do not overlap.

        Args:
            observation: Depth and masks.
            rows: For each of S crops the row of its instance in the observation's masks, or None
                where the instance is in none of them.
            camera_from_reference: (4, 4) transform from the gravity-aligned frame of the reference
                view.
            device: Torch device of the tensors.
        """
        depth = torch.from_numpy(observation.depth).to(device)
        numbers = np.arange(1, len(observation.masks) + 1, dtype=np.int16)
        labels = (observation.masks * numbers[:, None, None]).sum(axis=0, dtype=np.int16)
        labels = torch.from_numpy(labels).to(device)
        weight = reading_weights(depth, labels, float(observation.camera.k[0, 0]))
        rotation = camera_from_reference[:3, :3].T
        return cls(
            depth=F.pad(depth.flatten(), (0, 1)),
            weight=F.pad(weight.flatten(), (0, 1)),
            labels=F.pad(labels.flatten(), (0, 1), value=-1),
            rows=torch.tensor(
                [-2 if row is None else row + 1 for row in rows], dtype=torch.int16, device=device
            ),
            size=depth.shape,
            k=_float(observation.camera.k, device),
            rotation=_float(rotation, device),
            offset=_float(rotation @ camera_from_reference[:3, 3], device),
        )


@dataclass(frozen=True)
class ViewReadings:
    """The readings of one view, or of several fused ones, at the voxels of S crops.

    Attributes:
        surface: (S, R, R, R) float32 projective signed distance along the optical axis in units of
            the truncation, clipped to [-1, 1], positive in front of the surface; 0 = no reading.
        gap: (S, R, R, R) float32, the same distance in units of the crop's edge, clipped likewise.
        pixel_class: (S, R, R, R) uint8, constants of this module.
        weight: (S, R, R, R) float32, 0 where there is no reading.
    """

    surface: Tensor
    gap: Tensor
    pixel_class: Tensor
    weight: Tensor

    @classmethod
    def concatenated(cls, readings: Sequence[ViewReadings]) -> ViewReadings:
        """Return the readings of all crops in one."""
        names = ("surface", "gap", "pixel_class", "weight")
        return cls(*(torch.cat([getattr(r, name) for r in readings]) for name in names))

    def rows(self, rows: slice) -> ViewReadings:
        """Return some of the crops."""
        parts = (self.surface, self.gap, self.pixel_class, self.weight)
        return ViewReadings(*(part[rows] for part in parts))

    def quantised(self, support: Tensor) -> ObservationVolumes:
        """Return the volumes that the network reads; `support` (S,) as in `ObservationVolumes`."""
        gap = F.avg_pool3d(self.gap[:, None], 2)[:, 0]
        surface, gap = ((x * 127).round().to(torch.int8) for x in (self.surface, gap))
        return ObservationVolumes(surface, gap, self.pixel_class, support.float())


@dataclass(frozen=True)
class ObservationVolumes:
    """The readings of S crops, compact enough to be kept by the thousand.

    Attributes:
        surface: (S, R, R, R) int8, `ViewReadings.surface` times 127.
        gap: (S, R/2, R/2, R/2) int8, mean `ViewReadings.gap` of 2^3 voxels times 127.
        pixel_class: (S, R, R, R) uint8.
        support: (S,) float32 height of the support in crop coordinates (-0.5 = the floor).
    """

    surface: Tensor
    gap: Tensor
    pixel_class: Tensor
    support: Tensor

    def rows(self, rows: slice | Tensor) -> ObservationVolumes:
        """Return some of the crops."""
        return ObservationVolumes(
            self.surface[rows], self.gap[rows], self.pixel_class[rows], self.support[rows]
        )

    def mirrored(self) -> ObservationVolumes:
        """Return the volumes with left and right exchanged."""
        return ObservationVolumes(
            self.surface.flip(1), self.gap.flip(1), self.pixel_class.flip(1), self.support
        )

    def to(self, device: torch.device | str) -> ObservationVolumes:
        """Return the volumes on a device."""
        tensors = (self.surface, self.gap, self.pixel_class, self.support)
        return ObservationVolumes(*(t.to(device, non_blocking=True) for t in tensors))


def read_view(
    view: PosedDepthView,
    centers: Tensor,  # [S, 3] crop centres, gravity-aligned frame of the reference view [m]
    sizes: Tensor,  # [S] crop edges [m]
    resolution: int,
    truncation: float,  # [voxels]
) -> ViewReadings:
    """Read one view at the voxel centres of every crop."""
    pixel, z = _pixels(view, centers, sizes, resolution)
    depth = view.depth[pixel]
    labels = view.labels[pixel]
    own = labels == view.rows[:, None, None, None]
    pixel_class = torch.where(own, OWN, torch.where(labels > 0, OTHER, ENVIRONMENT))
    is_hole = depth == 0
    pixel_class = torch.where(labels < 0, OUTSIDE, pixel_class + is_hole)
    gap = torch.where(is_hole, 0.0, (depth - z) / sizes[:, None, None, None])
    return ViewReadings(
        surface=(gap * (resolution / truncation)).clamp_(-1, 1),
        gap=gap.clamp(-1, 1),
        pixel_class=pixel_class.to(torch.uint8),
        weight=view.weight[pixel],
    )


def _pixels(
    view: PosedDepthView, centers: Tensor, sizes: Tensor, resolution: int
) -> tuple[Tensor, Tensor]:
    """Return the flat pixel and the depth [m] of every voxel centre, both (S, R, R, R)."""
    # Camera coordinates of a grid are sums of one term along each of its axes.
    axis = (torch.arange(resolution, device=sizes.device) + 0.5) / resolution - 0.5
    steps = axis[:, None] * sizes[:, None, None]  # [S, R, 1]
    along_x, along_y, along_z = (steps * row for row in view.rotation)  # [S, R, 3]
    corner = (centers + view.offset) @ view.rotation
    along_x = along_x + corner[:, None]

    def coordinate(i: int) -> Tensor:
        lines = along_x[:, :, None, i] + along_y[:, None, :, i]
        return lines[..., None] + along_z[:, None, None, :, i]

    k, (height, width) = view.k, view.size
    x, y, z = (coordinate(i) for i in range(3))
    safe_z = z.clamp_min(NEAR_M)
    u = ((x * k[0, 0] + y * k[0, 1]) / safe_z + k[0, 2]).round_()
    v = ((y * k[1, 1]) / safe_z + k[1, 2]).round_()
    inside = (z > NEAR_M) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    pixel = torch.where(inside, v * width + u, height * width)
    return pixel.long(), z


def reading_weights(depth: Tensor, labels: Tensor, focal: float) -> Tensor:
    """Return the trust (H, W) in the readings of a depth image (H, W).

    It falls with the sensor noise, which grows with depth, with the angle between surface normal
    and ray, and at jumps of the depth and edges of the masks, where the labels (H, W) change.
    """
    known = depth > 0
    padded = F.pad(depth[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    across = 0.5 * (padded[1:-1, 2:] - padded[1:-1, :-2])
    down = 0.5 * (padded[2:, 1:-1] - padded[:-2, 1:-1])
    slope = focal * (across.square() + down.square()).sqrt() / depth.clamp_min(NEAR_M)
    cosine = 1 / (1 + slope.square()).sqrt()
    weight = cosine.clamp_min(0.2) / (1 + (depth / NOISE_DEPTH).square())
    span = _pooled_max(depth) + _pooled_max(-depth)
    edge = span > JUMP * (1 + depth)
    labels = labels.float()
    edge |= _pooled_max(labels) + _pooled_max(-labels) > 0
    return torch.where(edge, EDGE_WEIGHT * weight, weight) * known


def _pooled_max(image: Tensor) -> Tensor:
    return F.max_pool2d(image[None, None], 3, 1, 1)[0, 0]


def _float(array: np.ndarray, device: str) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32, device=device)
