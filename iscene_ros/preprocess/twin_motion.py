"""Rigid motion that lays one instance of a view onto another one of the same shape.

Either instance's surface points, moved to the other, are compared with the view. This needs no
completed shape, and the edges of masks count where they are edges of the object: beyond them the
view shows free space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.geometry.point_registration import MotionLimits, register_points
from iscene_ros.preprocess.twin_agreement import ViewAgreement
from iscene_ros.preprocess.view_registration import sampled

# Points of an instance in the first and in the second part of the search.
COARSE_POINTS, FINE_POINTS = 120, 500
MIN_SPACING_M, AREA_SPACING_M = 0.003, 0.005
# Both stand on the same face: motions turn about the vertical, in the first look by such steps.
YAW_STEP_RAD = np.deg2rad(15.0)
# Motions that are improved in the first and in the second part; those of the second differ by so
# much at some point [m].
COARSE_MOTIONS, FINE_MOTIONS, DISTINCT_M = 40, 6, 0.006
# Steps of the improvement: share of the size, then metres, and angles [rad].
COARSE_STEPS = tuple(zip((1 / 8, 1 / 16, 1 / 32), np.deg2rad((7.0, 4.0, 2.0)), strict=True))
FINE_STEPS = tuple(zip((0.004, 0.002, 0.001), np.deg2rad((1.5, 0.7, 0.3)), strict=True))
REPEATS = 2
# What contradicts counts so much more than what agrees.
PENALTY = 2.0
# A lower agreement after the first part is no twin.
HOPELESS = 0.4
REGISTRATION = MotionLimits(translation=0.02, rotation=np.deg2rad(10.0))
# A registration may cost so much agreement: it is finer than the tolerance of the comparison.
REGISTRATION_LOSS = 0.02
# Rivals: shifts by shares of the size, and turns. One that moves less than this share of the
# surface into a contradiction with what was seen of the instance itself gives the same solid.
RIVAL_SHIFTS = (0.1, 0.2)
RIVAL_TURNS_RAD = np.deg2rad([-90.0, -45.0, -20.0, 20.0, 45.0, 90.0, 180.0])
SAME_SOLID = 0.03


@dataclass(frozen=True, eq=False)
class InstanceSurface:
    """What a view shows of an instance.

    Attributes:
        label: in the view's label image.
        points: (N, 3) float64, spread evenly, in the gravity-aligned frame [m].
        sample: (M, 3) some of them.
        area: about [m^2].
        floor: height below which the instance cannot reach [m].
    """

    label: int
    points: np.ndarray
    sample: np.ndarray
    area: float
    floor: float

    @classmethod
    def of(cls, label: int, points_aligned: np.ndarray, floor: float) -> InstanceSurface:
        """Return the surface of points (L, 3) [m], at least one."""
        spacing = MIN_SPACING_M
        points = sampled(points_aligned, spacing)
        while len(points) > FINE_POINTS:
            spacing *= 1.05 * (len(points) / FINE_POINTS) ** 0.5
            points = sampled(points_aligned, spacing)
        order = np.random.default_rng(0).permutation(len(points))
        area = len(sampled(points_aligned, AREA_SPACING_M)) * AREA_SPACING_M**2
        return cls(label, points, points[order[:COARSE_POINTS]], area, floor)

    @property
    def size(self) -> float:
        """Longest edge of its bounds [m]."""
        return float(np.ptp(self.points, axis=0).max())


@dataclass(frozen=True)
class TwinMotion:
    """The motion of one instance onto another one.

    Attributes:
        motion: (4, 4) float64 rigid transform in the gravity-aligned frame.
        agreement: about 1 where all that is seen of the other agrees.
        contradicted: largest share of the surface of either that contradicts the view.
        margin: agreement above that of the best motion that gives another solid.
    """

    motion: np.ndarray
    agreement: float
    contradicted: float
    margin: float


def find_motion(
    view: ViewAgreement, one: InstanceSurface, other: InstanceSurface
) -> TwinMotion | None:
    """Return the motion of an instance onto one that is seen worse; None where nothing fits."""
    pair = _Pair(view, one, other)
    starts = _starts(one.sample, other.sample)
    motions = starts[np.argsort(-pair.agreement(starts, coarse=True))[:COARSE_MOTIONS]]
    steps = [(share * other.size, angle) for share, angle in COARSE_STEPS]
    motions, agreement = pair.climbed(motions, steps, coarse=True)
    if agreement.max() < HOPELESS:
        return None
    motions = _distinct(motions[np.argsort(-agreement)], one.sample)[:FINE_MOTIONS]
    motions = np.array([pair.registered(motion) for motion in motions])
    motions, _ = pair.climbed(motions, FINE_STEPS)
    motions = np.array([pair.registered(motion) for motion in motions])
    agreement = pair.agreement(motions)
    best = int(agreement.argmax())
    contradicted = [share[0] for _, share in pair.compared(motions[best][None])]
    return TwinMotion(
        motions[best],
        float(agreement[best]),
        float(max(contradicted)),
        float(agreement[best]) - pair.best_rival(motions[best], motions),
    )


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two instances of a view; K motions (K, 4, 4) move the first one onto the other."""

    view: ViewAgreement
    one: InstanceSurface
    other: InstanceSurface

    def agreement(self, motions: np.ndarray, coarse: bool = False) -> np.ndarray:
        """Return (K,) what agrees less what contradicts, as a share of the smaller surface."""
        surfaces = (self.one, self.other)
        there, back = self.compared(motions, coarse)
        gains = (
            surface.area * (agrees - PENALTY * contradicts)
            for surface, (agrees, contradicts) in zip(surfaces, (there, back), strict=True)
        )
        return sum(gains) / (2 * min(surface.area for surface in surfaces))

    def compared(
        self, motions: np.ndarray, coarse: bool = False
    ) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Return `ViewAgreement.compare` of the first one moved there, and the other moved back."""
        one, other = (s.sample if coarse else s.points for s in (self.one, self.other))
        turns, shifts = motions[:, :3, :3], motions[:, None, :3, 3]
        there, back = one @ turns.transpose(0, 2, 1) + shifts, (other - shifts) @ turns
        return (
            self.view.compare(there, self.other.label, self.other.floor),
            self.view.compare(back, self.one.label, self.one.floor),
        )

    def climbed(
        self, motions: np.ndarray, steps: Sequence[tuple[float, float]], coarse: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Improve motions by steps of (shift [m], angle [rad]); return them and their agreement."""
        best = self.agreement(motions, coarse)
        center, rows = self.other.points.mean(axis=0), np.arange(len(motions))
        for shift, angle in steps:
            moves = np.array([_about(center, angle * d[3], shift * d[:3]) for d in DIRECTIONS])
            for _ in range(REPEATS):
                tried = moves @ motions[:, None]
                found = self.agreement(tried.reshape(-1, 4, 4), coarse).reshape(len(motions), -1)
                choice = found.argmax(axis=1)
                is_better = found[rows, choice] > best + 1e-6
                motions = np.where(is_better[:, None, None], tried[rows, choice], motions)
                best = np.maximum(best, found[rows, choice])
        return motions, best

    def registered(self, motion: np.ndarray) -> np.ndarray:
        """Return a motion (4, 4) corrected by ICP, unless it agrees less."""
        moved = self.one.points @ motion[:3, :3].T + motion[:3, 3]
        correction = register_points(moved, self.other.points, REGISTRATION)
        if correction is None:
            return motion
        corrected = correction @ motion
        before, after = self.agreement(np.array([motion, corrected]))
        return corrected if after >= before - REGISTRATION_LOSS else motion

    def best_rival(self, motion: np.ndarray, found: np.ndarray) -> float:
        """Return the best agreement of a motion that gives another solid than this one (4, 4)."""
        center = motion[:3, :3] @ self.one.points.mean(axis=0) + motion[:3, 3]
        shifts = DIRECTIONS[np.any(DIRECTIONS[:, :3] != 0, axis=1), :3] * self.one.size
        moves = [_about(center, 0.0, share * s) for s in shifts for share in RIVAL_SHIFTS]
        moves += [_about(center, angle, np.zeros(3)) for angle in RIVAL_TURNS_RAD]
        rivals = np.concatenate([found, np.array(moves) @ motion])
        # What a rival makes of the first instance in its own place.
        changes = np.linalg.inv(motion) @ rivals
        moved = self.one.points @ changes[:, :3, :3].transpose(0, 2, 1) + changes[:, None, :3, 3]
        _, contradicts = self.view.compare(moved, self.one.label, self.one.floor)
        differs = contradicts > SAME_SOLID
        return float(self.agreement(rivals[differs]).max()) if differs.any() else -np.inf


# Steps along x, y and z, and about the vertical.
DIRECTIONS = np.array(
    [(x, y, 0, 0) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]
    + [(0, 0, z, 0) for z in (-1, 1)]
    + [(0, 0, 0, angle) for angle in (-1, 1)],
    float,
)


def _starts(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return motions (K, 4, 4) that align the bounds of two sets of points at every yaw."""
    marks = _bounds_and_middle(other)
    starts = []
    for yaw in np.arange(0, 2 * np.pi - 1e-6, YAW_STEP_RAD):
        turned = _about(np.zeros(3), yaw, np.zeros(3))
        shift = marks - _bounds_and_middle(one @ turned[:3, :3].T)
        motions = np.repeat(turned[None], 27, axis=0)
        motions[:, :3, 3] = np.stack(np.meshgrid(*shift.T), -1).reshape(-1, 3)
        starts.append(motions)
    return np.concatenate(starts)


def _bounds_and_middle(points: np.ndarray) -> np.ndarray:
    low, high = points.min(axis=0), points.max(axis=0)
    return np.stack([low, 0.5 * (low + high), high])


def _distinct(motions: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the motions, in order, that move some point elsewhere than those before."""
    kept: list[int] = []
    moved = points @ motions[:, :3, :3].transpose(0, 2, 1) + motions[:, None, :3, 3]
    for number, places in enumerate(moved):
        apart = np.linalg.norm(moved[kept] - places, axis=-1)
        if (apart.max(axis=1, initial=0) > DISTINCT_M).all():
            kept.append(number)
    return motions[kept]


def _about(center: np.ndarray, yaw: float, shift: np.ndarray) -> np.ndarray:
    """Return the (4, 4) turn about a vertical axis through a centre, followed by a shift."""
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_euler("z", yaw).as_matrix()
    transform[:3, 3] = center + shift - transform[:3, :3] @ center
    return transform
