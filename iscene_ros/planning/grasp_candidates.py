"""Candidates of grasps: opposite places of a surface, and the ways in to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.planning.grippers import Gripper
from iscene_ros.planning.surface_samples import SurfaceSamples

# Coefficient of friction that contacts have at least; the cone of plain plastics.
FRICTION = 0.5
# Points at one side of pairs and at the other, pairs of each point, and turns about their axis.
SEEDS, OPPOSITE, PER_SEED, TURNS = 160, 1600, 2, 12
# Ways in that come from further below than this (sine of the angle) meet the support anyway.
FROM_BELOW = 0.3
# How far the contact lies in front of the middle of the pads, as shares of the tip: in the middle,
# and near the tip, which is what flat things on a table need.
TOWARDS_TIP = (0.0, 0.75)
# Opposite places nearer than this are the two sides of a sheet that does not exist [m].
LEAST_WIDTH_M = 0.001
# A contact is what lies within this of the outermost point between the pads [m].
CONTACT_M = 0.002
# Free space on either side of an object between the open pads [m].
SIDE_M, LEAST_SIDE_M = 0.008, 0.002
# By so much more the pads are open on either side where there is space [m].
WIDER_M = 0.01
# Points of the target between the pads.
TARGET_POINTS = 700
# Stands for no point at all [m].
_FAR = np.float32(1e3)


@dataclass(frozen=True)
class Candidates:
    """Grasps of one object, N of them.

    Attributes:
        frame_from_grasp: (N, 4, 4) float32 poses.
        opening: (N,) distance of the pads on the way in [m].
        width: (N,) distance of the contacts [m].
        inner_width: (N,) the same between the inner surfaces, which are surely solid [m].
        alignment: (N,) cosine of the angle between normal and axis at the worse contact.
        patch: (N,) share of a pad that the smaller contact covers, in [0, 1].
        sigma: (N,) standard deviation of the surface at the worse contact [m].
        observed: (N,) how much of the contacts was seen, in [0, 1].
    """

    frame_from_grasp: np.ndarray
    opening: np.ndarray
    width: np.ndarray
    inner_width: np.ndarray
    alignment: np.ndarray
    patch: np.ndarray
    sigma: np.ndarray
    observed: np.ndarray

    def __len__(self) -> int:
        return len(self.opening)

    def chosen(self, which: np.ndarray) -> Candidates:
        """Return the candidates of a mask (N,) or of numbers (K,)."""
        return Candidates(**{name: values[which] for name, values in vars(self).items()})


def antipodal_poses(
    samples: SurfaceSamples, gripper: Gripper, up: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return (N, 4, 4) poses at opposite places, their (N,) widths, and the least of any place [m].

    The least width is infinite where no two places lie opposite each other; there are no poses
    where it is more than the gripper's. The first of many poses are spread over the whole object.

    Args:
        samples: of the object.
        gripper: whose pads close.
        up: (3,) unit direction against gravity; None = unknown, any way in will do.
    """
    seeds, others = samples.first(SEEDS), samples.first(OPPOSITE)
    # Products of matrices about the middle of the object are exact enough, and fast.
    p, q = (part.points - others.points.mean(axis=0) for part in (seeds, others))
    squared = (p * p).sum(axis=1)[:, None] + (q * q).sum(axis=1) - 2 * (p @ q.T)
    distance = np.sqrt(np.maximum(squared, 0))
    reach = np.maximum(distance, LEAST_WIDTH_M) / np.float32(np.sqrt(1 + FRICTION**2))
    opposite = seeds.normals @ q.T - (seeds.normals * p).sum(axis=1)[:, None] < -reach
    opposite &= (others.normals * q).sum(axis=1) - p @ others.normals.T > reach
    opposite &= distance > LEAST_WIDTH_M
    if not opposite.any():
        return np.zeros((0, 4, 4)), np.zeros(0), np.inf
    least = float(distance[opposite].min())
    rng = np.random.default_rng(0)
    lot = rng.random(distance.shape, np.float32)
    lot[~(opposite & (distance < gripper.max_width))] = 2.0
    # The first of every seed comes first.
    other = np.argpartition(lot, PER_SEED, axis=1)[:, :PER_SEED].T
    one = np.broadcast_to(np.arange(len(seeds.points)), other.shape)
    kept = lot[one, other] < 2.0
    one, other = one[kept], other[kept]
    axis = (others.normals[other] - seeds.normals[one]).astype(np.float64)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    middle = 0.5 * (seeds.points[one] + others.points[other])
    poses, row = _ways_in(middle, axis, gripper, up)
    return poses, distance[one, other][row], least


def _ways_in(
    middle: np.ndarray, axis: np.ndarray, gripper: Gripper, up: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return poses (N, 4, 4) that close along axes (K, 3) at points (K, 3), and numbers (N,)."""
    reference = np.array([0.0, 0.0, 1.0]) if up is None else up
    down = -reference + axis * (axis @ reference)[:, None]
    vertical = np.linalg.norm(down, axis=1) < 0.1
    down[vertical] = np.cross(axis[vertical], [1.0, 0.0, 0.0] + 0.1 * axis[vertical, ::-1])
    down /= np.linalg.norm(down, axis=1, keepdims=True)
    side = np.cross(axis, down)
    angles = 2 * np.pi * np.arange(TURNS) / TURNS
    z = np.cos(angles)[:, None, None] * down + np.sin(angles)[:, None, None] * side
    x = np.broadcast_to(axis, z.shape)
    poses = np.tile(np.eye(4), (len(TOWARDS_TIP), *z.shape[:2], 1, 1))
    poses[..., :3, :3] = np.stack([x, np.cross(z, x), z], axis=-1)
    for number, share in enumerate(TOWARDS_TIP):
        poses[number, ..., :3, 3] = middle - share * gripper.tip * z
    poses = poses.transpose(2, 0, 1, 3, 4).reshape(-1, 4, 4)
    row = np.repeat(np.arange(len(axis)), len(poses) // max(len(axis), 1))
    kept = slice(None) if up is None else poses[:, :3, 2] @ up <= FROM_BELOW
    return poses[kept], row[kept]


def closed_on(
    poses: np.ndarray, widths: np.ndarray, samples: SurfaceSamples, gripper: Gripper
) -> tuple[Candidates, float]:
    """Return the poses at which a gripper closes on an object, moved to the middle of it.

    Args:
        poses: (M, 4, 4).
        widths: (M,) distances of the places that they are for; what is further away is not held.
        samples: of the object.
        gripper: whose open fingers and palm have to miss the object on the way in.

    Returns:
        The candidates, and the least opening that one of the poses needs [m].
    """
    some, poses = samples.first(TARGET_POINTS), poses.astype(np.float32)
    reach, half_pad = some.sigma, 0.5 * gripper.finger_width
    x, y, z = in_grasp_frames(poses, some.points.T)
    between = (np.abs(y) < half_pad) & (np.abs(z) < gripper.tip)
    between &= np.abs(x) < 0.5 * widths[:, None].astype(np.float32) + SIDE_M
    held = between.any(axis=1)
    outer_low = np.where(between, x - reach, _FAR).min(axis=1)
    outer_high = np.where(between, x + reach, -_FAR).max(axis=1)
    need = outer_high - outer_low + 2 * LEAST_SIDE_M
    least = float(np.min(need[held], initial=np.inf))
    rows = np.flatnonzero(held & (need <= gripper.max_width))
    x, y, z, between = x[rows], y[rows], z[rows], between[rows]
    middle = 0.5 * (outer_low[rows] + outer_high[rows])
    opening = np.minimum(need[rows] + 2 * (SIDE_M - LEAST_SIDE_M), gripper.max_width)
    # The coarse points leave most of what cannot be to a quick check.
    aside = np.abs(x - middle[:, None])
    finger = (np.abs(y) < half_pad) & (z < gripper.tip) & (aside > 0.5 * opening[:, None])
    finger &= aside < 0.5 * opening[:, None] + gripper.finger_thickness
    palm = (z < reach - gripper.palm_depth) & (np.abs(y) < 0.5 * gripper.palm_size[1])
    palm &= aside < 0.5 * gripper.palm_size[0]
    free = ~(finger | palm).any(axis=1)
    moved = poses[rows[free]]
    moved[:, :3, 3] += middle[free, None] * moved[:, :3, 0]
    found = _contacts(moved, opening[free], x[free], between[free], some, gripper)
    # As they are, and opened wider, which forgives more errors.
    both = found.chosen(np.tile(np.arange(len(found)), 2))
    both.opening[len(found) :] = np.minimum(found.opening + 2 * WIDER_M, gripper.max_width)
    return both, least


def in_grasp_frames(poses: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return x, y and z, three (N, Q), of points (3, Q) in the frames of poses (N, 4, 4) [m]."""
    axes = poses[:, :3, :3].transpose(2, 0, 1)
    offsets = np.einsum("kni,ni->kn", axes, poses[:, :3, 3])
    return tuple(a @ points - o[:, None] for a, o in zip(axes, offsets, strict=True))


def _contacts(
    poses: np.ndarray,
    opening: np.ndarray,
    x: np.ndarray,
    between: np.ndarray,
    some: SurfaceSamples,
    gripper: Gripper,
) -> Candidates:
    """Return the poses (N, 4, 4) at which both pads touch points that face them.

    Args:
        poses, opening: of the gripper.
        x: (N, P) of the points along the axes of closing [m].
        between: (N, P) bool, which points lie between the pads.
        some: the points.
        gripper: whose pads touch.
    """
    low = np.where(between, x, _FAR).min(axis=1)
    high = np.where(between, x, -_FAR).max(axis=1)
    normal_x = poses[:, :3, 0] @ some.normals.T
    left = between & (x < low[:, None] + CONTACT_M) & (normal_x < 0)
    right = between & (x > high[:, None] - CONTACT_M) & (normal_x > 0)
    counts = np.stack([left.sum(axis=1), right.sum(axis=1)])
    weights = [
        side / np.maximum(n, 1)[:, None] for side, n in zip((left, right), counts, strict=True)
    ]
    sigmas = np.stack([weight @ some.sigma for weight in weights])
    aligned = np.stack([np.abs((weight * normal_x).sum(axis=1)) for weight in weights]).min(axis=0)
    pad = 2 * gripper.tip * gripper.finger_width / some.spacing**2
    found = Candidates(
        frame_from_grasp=poses,
        opening=opening,
        width=high - low,
        inner_width=np.maximum(high - low - sigmas.sum(axis=0), 0.0),
        alignment=aligned,
        patch=np.clip(counts.min(axis=0) / pad, 0, 1),
        sigma=sigmas.max(axis=0),
        observed=np.mean([weight @ some.observed for weight in weights], axis=0),
    )
    return found.chosen((counts.min(axis=0) > 0) & (aligned > 1 / np.sqrt(1 + FRICTION**2)))
