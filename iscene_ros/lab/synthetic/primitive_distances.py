"""Signed distances of primitives in their own frames [m], negative inside, and rays at boxes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# For this many points at once, the intermediate results of all edges fit a CPU's cache.
_PIECE = 4096


def box_distance(points: Tensor, half_size: Tensor, rounding: float) -> Tensor:
    """Return the distance (M,) to a box of half sizes (3,) with rounded edges."""
    q = points.abs() - (half_size - rounding)
    return q.clamp_min(0.0).norm(dim=1) + q.amax(dim=1).clamp_max(0.0) - rounding


def ellipsoid_distance(points: Tensor, radii: Tensor) -> Tensor:
    """Return the distance (M,) to an ellipsoid, correct to first order at its surface."""
    scaled = points / radii
    k0 = scaled.norm(dim=1)
    k1 = (scaled / radii).norm(dim=1).clamp_min(1e-9)
    # Deep inside the estimate exceeds the inscribed radius, which no true distance can.
    return torch.maximum(k0 * (k0 - 1.0) / k1, -radii.min())


def cylinder_distance(points: Tensor, radius: float, half_height: float, rounding: float) -> Tensor:
    """Return the distance (M,) to a cylinder along z with rounded rims."""
    radial = points[:, :2].norm(dim=1) - (radius - rounding)
    axial = points[:, 2].abs() - (half_height - rounding)
    return _combine_two(radial, axial) - rounding


def torus_distance(points: Tensor, ring_radius: float, tube_radius: float) -> Tensor:
    """Return the distance (M,) to a torus around z."""
    radial = points[:, :2].norm(dim=1) - ring_radius
    return torch.hypot(radial, points[:, 2]) - tube_radius


def revolution_distance(
    points: Tensor, outline: Tensor, core_x: float, core_y: float, rounding: float
) -> Tensor:
    """Return the distance (M,) to a profile (K,2) of (r, z) swept around a rectangle.

    With a core of size zero this is a surface of revolution. Otherwise r is the distance to the
    rectangle |x| <= core_x, |y| <= core_y: oval and rounded rectangular cross sections, isometric.
    """
    x = (points[:, 0].abs() - core_x).clamp_min(0.0)
    y = (points[:, 1].abs() - core_y).clamp_min(0.0)
    # On the axis itself a point lies on the profile's edge, where inside and outside are undefined.
    radius = torch.hypot(x, y).clamp_min(1e-6)
    return polygon_distance(radius, points[:, 2], outline, skip_axis=True) - rounding


def extrusion_distance(
    points: Tensor, outline: Tensor, half_height: float, rounding: float
) -> Tensor:
    """Return the distance (M,) to a polygon (K, 2) extruded along z, grown by `rounding`."""
    planar = polygon_distance(points[:, 0], points[:, 1], outline, skip_axis=False)
    return _combine_two(planar, points[:, 2].abs() - half_height + rounding) - rounding


def sweep_distance(points: Tensor, chain: Tensor) -> Tensor:
    """Return the distance (M,) to balls (K, 4) of (x, y, z, r) joined by tapered capsules."""
    start, span = chain[:-1, None, :3], (chain[1:] - chain[:-1])[:, None, :3]
    slope = chain[1:, 3] - chain[:-1, 3]
    length_squared = span.square().sum(2).clamp_min(1e-12)
    # A tapered radius steepens the field along the axis: divide by its Lipschitz constant.
    lipschitz = (1.0 + slope.square()[:, None] / length_squared).sqrt()

    def of_piece(piece: Tensor) -> Tensor:
        offset = piece[None] - start
        along = ((offset * span).sum(2) / length_squared).clamp(0.0, 1.0)
        gap = (offset - along[..., None] * span).norm(dim=2)
        distance = gap - (chain[:-1, 3, None] + along * slope[:, None])
        return (distance / lipschitz).min(dim=0).values

    return _in_pieces(of_piece, points)


def ray_box_crossing(
    origins: Tensor, directions: Tensor, low: Tensor, high: Tensor, min_slope: float = 1e-9
) -> tuple[Tensor, Tensor]:
    """Return the ray parameters (R,) at which rays enter and leave a box (slab test).

    A ray misses the box where entry > leave.

    Args:
        origins: (3,) or (R, 3).
        directions: (R, 3) or (3,); components below `min_slope` are replaced by it.
        low, high: Corners (3,) of the box.
        min_slope: Keeps the test free of 0 * inf.
    """
    slope = torch.where(
        directions.abs() < min_slope, torch.full_like(directions, min_slope), directions
    )
    one, two = (low - origins) / slope, (high - origins) / slope
    return torch.minimum(one, two).amax(1), torch.maximum(one, two).amin(1)


def polygon_distance(u: Tensor, v: Tensor, outline: Tensor, skip_axis: bool) -> Tensor:
    """Return the signed distance (M,) of plane points (u, v) to a closed polygon (K,2).

    With skip_axis, edges on u = 0 are interior (axis of revolution) and have no distance.
    """
    return _in_pieces(lambda a, b: _polygon_distance(a, b, outline, skip_axis), u, v)


def _polygon_distance(u: Tensor, v: Tensor, outline: Tensor, skip_axis: bool) -> Tensor:
    following = outline.roll(-1, 0)
    au, av = outline[:, :1], outline[:, 1:]
    bu, bv = following[:, :1], following[:, 1:]
    eu, ev = bu - au, bv - av
    wu, wv = u - au, v - av
    crossing = ((av <= v) != (bv <= v)) & ((wu * ev < wv * eu) == (ev > 0))
    inside = (crossing.sum(0) % 2) == 1
    if skip_axis:
        keep = (outline[:, 0].abs() + following[:, 0].abs()) > 1e-7
        eu, ev, wu, wv = eu[keep], ev[keep], wu[keep], wv[keep]
    along = ((wu * eu + wv * ev) / (eu * eu + ev * ev).clamp_min(1e-14)).clamp(0.0, 1.0)
    du, dv = wu - along * eu, wv - along * ev
    distance = (du * du + dv * dv).min(dim=0).values.sqrt()
    return torch.where(inside, -distance, distance)


def _in_pieces(distance: Callable[..., Tensor], *points: Tensor) -> Tensor:
    """Compute a distance (M,) of tensors of length M piece by piece."""
    if len(points[0]) <= 2 * _PIECE:
        return distance(*points)
    pieces = zip(*(tensor.split(_PIECE) for tensor in points), strict=True)
    return torch.cat([distance(*piece) for piece in pieces])


def _combine_two(a: Tensor, b: Tensor) -> Tensor:
    outside = torch.hypot(a.clamp_min(0.0), b.clamp_min(0.0))
    return outside + torch.maximum(a, b).clamp_max(0.0)
