"""The planes of the surroundings, found in a depth image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Plane, Scene
from iscene_ros.geometry.surroundings_depth import readings_beside

MAX_POINTS = 6000
HYPOTHESES = 150
REFITS = 3
MAX_PLANES = 8
MIN_POINTS = 40
MIN_SHARE = 0.015

# Half widths of the windows around a pixel in which a plane is guessed, as shares of the image:
# small planes show in small windows, those of noisy depth in large ones.
WINDOW_SHARES = (0.02, 0.08)

# Readings of a window count as outliers this many median deviations off its median depth (those of
# a slanted plane lie within two), but never within this share of that depth.
WINDOW_OUTLIER, WINDOW_INLIER_SHARE = 3.0, 0.01

# Noise is taken to grow between these depths, in median depths: what lies further away holds no
# object, and with tolerances of decimetres planes would be found in anything.
NOISE_DEPTHS = (0.5, 2.0)

# A reading within so many standard deviations belongs to a plane.
INLIER = 3.0

# An object reaches through a plane with this share of its surface, deeper than this [m].
BEHIND_SHARE, BEHIND_M = 0.3, 0.02

# Hidden parts of a plane lie at most this far outside of what was seen, as a share of its extent.
MARGIN_SHARE = 0.15


def scene_planes(scene: Scene, observation: Observation) -> tuple[Plane, ...]:
    """Return the planes of a scene; they are looked for in the depth image if the scene has none.

    Args:
        scene: with the planes that were found at its completion, or None.
        observation: from which the scene was completed.
    """
    if scene.planes is not None:
        return scene.planes
    planes_camera = find_planes(observation.rectified())
    return tuple(plane.transformed(scene.frame_from_camera) for plane in planes_camera)


def solid_planes(planes: Sequence[Plane], bodies: Iterable[np.ndarray]) -> tuple[Plane, ...]:
    """Return the planes that no object reaches through: the rim of a bin is not solid inside of it.

    Args:
        planes: of the surroundings.
        bodies: points (P, 3) on each object, in the frame of the planes [m].
    """
    hollow = set()
    for points in bodies:
        for number, plane in enumerate(planes):
            behind = points @ plane.normal + plane.offset < -BEHIND_M
            if np.mean(behind) > BEHIND_SHARE and plane.reaches(points[behind]).mean() > 0.5:
                hollow.add(number)
    return tuple(plane for number, plane in enumerate(planes) if number not in hollow)


def find_planes(observation: Observation) -> tuple[Plane, ...]:
    """Find the strongest planes outside of all masks by guesses in small windows and refinement.

    The same view gives the same planes.

    Args:
        observation: rectified.

    Returns:
        The planes in the camera frame, the strongest guess first.
    """
    camera = observation.camera
    free = readings_beside(observation, observation.masks.any(axis=0))
    rows, columns = np.nonzero(free)
    if len(rows) < MIN_POINTS:
        return ()
    rng = np.random.default_rng(0)
    points = camera.unproject(np.column_stack([columns, rows]), observation.depth[free])
    # The noise of stereo and structured light grows with the square of the depth.
    scale = np.clip(points[:, 2] / np.median(points[:, 2]), *NOISE_DEPTHS) ** 2
    guesses, noise = _guesses(points, scale, rows, columns, free, rng)
    if not len(guesses):
        return ()
    picked = rng.permutation(len(points))[:MAX_POINTS]
    return tuple(_planes(points[picked], scale[picked], guesses, noise))


def _guesses(
    points: np.ndarray,
    scale: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    free: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float]:
    """Fit (G, 4) planes to windows; return them and the noise at the median depth [m]."""
    number = np.full(free.shape, -1, np.int64)
    number[rows, columns] = np.arange(len(rows))
    centers = rng.permutation(len(rows))[:HYPOTHESES]
    planes, deviations = [], []
    for share in WINDOW_SHARES:
        half = max(2, round(share * free.shape[1]))
        offsets = np.arange(-half, half + 1, max(1, half // 3))
        padded = np.pad(number, half, constant_values=-1)
        window = padded[
            rows[centers, None, None] + half + offsets[:, None],
            columns[centers, None, None] + half + offsets[None, :],
        ].reshape(len(centers), -1)
        enough = (window >= 0).sum(axis=1) >= max(6, 0.5 * window.shape[1])
        fitted, deviation = _window_planes(points, window[enough])
        deviation = deviation / scale[centers[enough]]
        planes.append(fitted)
        deviations.append(deviation)
    noise = next((float(np.median(d)) for d in deviations if len(d)), 0.0)
    return np.concatenate(planes), noise


def _window_planes(points: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit planes to the points of windows; return (G, 4) planes and (G,) deviations [m].

    Args:
        points: (P, 3) in the camera frame [m].
        window: (G, W) rows of points, -1 where there is none.
    """
    there = window >= 0
    around = points[np.maximum(window, 0)]
    # Readings far from the median depth of their window are outliers.
    depth = np.where(there, around[..., 2], np.nan)
    median = np.nanmedian(depth, axis=1, keepdims=True)
    off = np.abs(depth - median)
    deviation = np.nanmedian(off, axis=1, keepdims=True)
    there &= off <= np.maximum(WINDOW_OUTLIER * deviation, WINDOW_INLIER_SHARE * median)
    weight = there[..., None] / there.sum(axis=1)[:, None, None]
    middle = (around * weight).sum(axis=1)
    centred = (around - middle[:, None]) * np.sqrt(weight)
    spread, axes = np.linalg.eigh(np.einsum("gni,gnj->gij", centred, centred))
    normal = axes[:, :, 0]
    offset = -np.einsum("gi,gi->g", normal, middle)
    return np.column_stack([normal, offset]), np.sqrt(np.maximum(spread[:, 0], 0.0))


def _planes(
    points: np.ndarray, scale: np.ndarray, guesses: np.ndarray, noise: float
) -> Iterator[Plane]:
    tolerance = INLIER * max(noise, 1e-5) * scale
    rest = np.arange(len(points))
    for _ in range(MAX_PLANES):
        votes = np.abs(points[rest] @ guesses[:, :3].T + guesses[:, 3]) < tolerance[rest, None]
        best = guesses[int(np.argmax(votes.sum(axis=0)))]
        for _ in range(REFITS):
            inlier = np.abs(points[rest] @ best[:3] + best[3]) < tolerance[rest]
            if inlier.sum() < max(MIN_POINTS, MIN_SHARE * len(points)):
                return
            best = _fitted(points[rest[inlier]])
        plane = _plane(points[rest[inlier]], best, len(points))
        if plane is not None:
            yield plane
        # What lies a little off is the noise of this plane, not another one.
        rest = rest[np.abs(points[rest] @ best[:3] + best[3]) >= 2 * tolerance[rest]]
        if len(rest) < MIN_POINTS:
            return


def _fitted(points: np.ndarray) -> np.ndarray:
    middle = points.mean(axis=0)
    _, axes = np.linalg.eigh((points - middle).T @ (points - middle))
    return np.append(axes[:, 0], -axes[:, 0] @ middle)


def _plane(points: np.ndarray, plane: np.ndarray, total: int) -> Plane | None:
    if plane[3] < 0:  # the camera, which is the origin, lies behind it
        plane = -plane
    normal = plane[:3]
    reference = np.eye(3)[int(np.argmin(np.abs(normal)))]
    u = np.cross(normal, reference)
    u /= np.linalg.norm(u)
    axes = np.stack([u, np.cross(normal, u)])
    try:
        hull = ConvexHull(points @ axes.T)
    except (QhullError, ValueError):
        return None
    sigma = float(np.std(points @ normal + plane[3]))
    margin = MARGIN_SHARE * float(np.sqrt(hull.volume))
    share = len(points) / total
    corners = points[hull.vertices]
    corners = corners - np.outer(corners @ normal + plane[3], normal)
    return Plane(normal, float(plane[3]), sigma, axes, hull.equations, corners, margin, share)
