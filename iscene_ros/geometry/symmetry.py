"""Planes and axes of symmetry of one object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from iscene_ros.core.scene import SceneObject
from iscene_ros.geometry.bodies import Body, surface_sigma
from iscene_ros.geometry.shape_alignment import EQUAL_EXTENTS, PROBES, ShapeSample

# Error [m] of a direction, or of a direction and a number of probes.
Error = Callable[..., float]

# Rotational orders that are looked for; 0 stands for any angle.
ORDERS = (2, 3, 4, 5, 6, 8)
ANY_ANGLE = 0
# Angles that no order above shares.
ODD_ANGLES = 2 * np.pi / np.array([7.0, 11.0, 4.7])

# Directions that are tried in an undetermined plane, and on an undetermined sphere.
IN_PLANE = 24
ON_SPHERE = 80

# A guess is refined where its error is below so many tolerances.
PROMISING = 4.0

# The first look at a guess takes so many points.
FEW_PROBES = 60

# A body with more mirror planes than a cube is round.
MOST_PLANES = 9
PERPENDICULAR = np.sin(np.deg2rad(8.0))

# Two directions closer than this are the same one.
SAME_DIRECTION = np.cos(np.deg2rad(8.0))


@dataclass(frozen=True)
class SymmetryPlane:
    """A mirror plane through the centre of mass.

    Attributes:
        normal: (3,) unit direction in the frame of the body.
        error_m: root mean square distance of the mirrored surface to the surface [m].
    """

    normal: np.ndarray
    error_m: float


@dataclass(frozen=True)
class SymmetryAxis:
    """An axis of rotation through the centre of mass.

    Attributes:
        direction: (3,) unit direction in the frame of the body.
        order: the surface returns so many times a turn; 0 = at any angle.
        error_m: root mean square distance of the turned surface to the surface [m].
    """

    direction: np.ndarray
    order: int
    error_m: float


def object_symmetry(
    item: SceneObject,
) -> tuple[tuple[SymmetryPlane, ...], tuple[SymmetryAxis, ...]]:
    """Return the mirror planes and the axes of rotation of an object in its own frame.

    This takes about 0.1 s for a completed mesh, so it is computed only on request.
    """
    body = Body.of(item.id, item.mesh.vertices, item.mesh.faces, surface_sigma(item))
    if body is None:
        return (), ()
    sample, up = ShapeSample.of(body), np.array([0.0, 0.0, 1.0])
    return symmetry_planes(sample, up), symmetry_axes(sample, up)


def symmetry_planes(sample: ShapeSample, up: np.ndarray | None = None) -> tuple[SymmetryPlane, ...]:
    """Mirror planes, the best ones first; of the endless planes of round bodies at most three."""

    def error(direction: np.ndarray, probes: int = PROBES) -> float:
        mirror = np.eye(3) - 2 * np.outer(direction, direction)
        return sample.transformed_error(mirror, probes)

    found = _best(sample, error, up)
    if len(found) > MOST_PLANES:
        found = _across(found, error, sample.tolerance)
    return tuple(SymmetryPlane(direction, value) for direction, value in found)


def symmetry_axes(sample: ShapeSample, up: np.ndarray | None = None) -> tuple[SymmetryAxis, ...]:
    """Axes of rotation, the highest orders first; of a ball's endless axes three."""

    def half_turn(direction: np.ndarray, probes: int = PROBES) -> float:
        return _turned(sample, direction, np.pi, probes)

    directions = [d for d, _ in _best(sample, half_turn, up)] + list(sample.axes)
    axes = []
    for direction in directions:
        order, value = _order(sample, direction)
        if order != 1:
            axes.append(SymmetryAxis(direction, order, value))
    axes.sort(key=lambda a: (1.0 / a.order if a.order else 0.0, a.error_m))
    kept: list[SymmetryAxis] = []
    for axis in axes:
        if all(abs(axis.direction @ k.direction) < SAME_DIRECTION for k in kept):
            kept.append(axis)
    round_ = [axis for axis in kept if axis.order == ANY_ANGLE]
    if len(round_) > 1:
        return tuple(SymmetryAxis(a, ANY_ANGLE, round_[0].error_m) for a in sample.axes)
    if round_:
        # All directions across a round body's axis are alike: one stands for them.
        return tuple([round_[0], *[axis for axis in kept if axis.order != ANY_ANGLE][:1]])
    return tuple(kept)


def _across(
    found: list[tuple[np.ndarray, float]], error: Error, tolerance: float
) -> list[tuple[np.ndarray, float]]:
    """Return the best direction and up to two that are perpendicular to those before."""
    kept: list[tuple[np.ndarray, float]] = []
    for direction, value in found:
        if all(abs(direction @ k) < PERPENDICULAR for k, _ in kept):
            kept.append((direction, value))
    if len(kept) < 3:
        u, v = _plane_axes(kept[0][0])
        others = [np.cross(kept[0][0], kept[1][0])] if len(kept) == 2 else [u, v]
        kept += [(d, error(d)) for d in others if error(d) <= tolerance]
    return kept


def _plane_axes(direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two unit directions perpendicular to a unit direction and to each other."""
    helper = np.eye(3)[int(np.argmin(np.abs(direction)))]
    u = np.cross(direction, helper)
    u /= np.linalg.norm(u)
    return u, np.cross(direction, u)


def _order(sample: ShapeSample, direction: np.ndarray) -> tuple[int, float]:
    """Return the highest order about a direction, and its error; 1 where there is none."""
    odd = _turned(sample, direction, ODD_ANGLES[0])
    if odd <= sample.tolerance:
        odd = max(odd, *(_turned(sample, direction, angle) for angle in ODD_ANGLES[1:]))
        if odd <= sample.tolerance:
            return ANY_ANGLE, odd
    for order in reversed(ORDERS):
        value = _turned(sample, direction, 2 * np.pi / order)
        if value <= sample.tolerance:
            return order, value
    return 1, float("inf")


def _turned(
    sample: ShapeSample, direction: np.ndarray, angle: float, probes: int = PROBES
) -> float:
    return sample.transformed_error(Rotation.from_rotvec(angle * direction).as_matrix(), probes)


def _best(
    sample: ShapeSample, error: Error, up: np.ndarray | None
) -> list[tuple[np.ndarray, float]]:
    """Return the directions with an error within tolerance, refined, each once."""
    kept: list[tuple[np.ndarray, float]] = []
    guesses = [(error(d, FEW_PROBES), tuple(d)) for d in _directions(sample, up)]
    for value, guess in sorted(guesses):
        direction = np.array(guess)
        if value > PROMISING * sample.tolerance or len(kept) > MOST_PLANES:
            break
        if any(abs(direction @ k) > SAME_DIRECTION for k, _ in kept):
            continue
        value = error(direction)
        if value > sample.tolerance:
            direction, value = _refined(error, direction)
        if value <= sample.tolerance and all(abs(direction @ k) < SAME_DIRECTION for k, _ in kept):
            kept.append((direction, value))
    return sorted(kept, key=lambda pair: pair[1])


def _refined(error: Error, direction: np.ndarray) -> tuple[np.ndarray, float]:
    u, v = _plane_axes(direction)

    def tilted(step: np.ndarray) -> np.ndarray:
        tilt = direction + step[0] * u + step[1] * v
        return tilt / np.linalg.norm(tilt)

    simplex = 0.06 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    options = {"maxfev": 24, "initial_simplex": simplex}
    found = minimize(lambda s: error(tilted(s)), np.zeros(2), method="Nelder-Mead", options=options)
    return tilted(found.x), float(found.fun)


def _directions(sample: ShapeSample, up: np.ndarray | None) -> list[np.ndarray]:
    """Return possible directions: principal axes, and a sampling where these are undetermined."""
    axes, spread = sample.axes, sample.spread
    directions = list(axes) + ([] if up is None else [np.asarray(up, np.float64)])
    close = [spread[i] - spread[i + 1] < EQUAL_EXTENTS * max(spread[0], 1e-12) for i in range(2)]
    if all(close):
        return directions + list(_sphere(ON_SPHERE))
    for i, pair in enumerate(((0, 1), (1, 2))):
        if close[i]:
            angles = np.pi * np.arange(IN_PLANE) / IN_PLANE
            one, other = axes[pair[0]], axes[pair[1]]
            directions += [np.cos(a) * one + np.sin(a) * other for a in angles]
    return directions


def _sphere(count: int) -> np.ndarray:
    """Return directions (count, 3) spread over a half sphere (Fibonacci lattice)."""
    number = np.arange(count) + 0.5
    z = number / count
    angle = np.pi * (1 + 5**0.5) * number
    radius = np.sqrt(1 - z * z)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), z])
