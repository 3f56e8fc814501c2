"""The planes of the surroundings, found in a depth image."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Plane, Scene

MAX_POINTS = 6000
HYPOTHESES = 150
MAX_PLANES = 8
MIN_POINTS = 40
MIN_SHARE = 0.015

# Half width of the window around a pixel in which a plane is guessed, as a share of the image.
WINDOW_SHARE = 0.02

# Readings so close to a mask may still be the object's, masks being a few pixels off [pixels of an
# image 640 wide].
MASK_MARGIN = 6.0

# A reading within so many standard deviations belongs to a plane.
INLIER = 3.0

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
    return find_planes(observation.rectified(), scene.frame_from_camera)


def find_planes(observation: Observation, frame_from_camera: np.ndarray) -> tuple[Plane, ...]:
    """Find the strongest planes outside of all masks by guesses in small windows and refinement.

    The same view gives the same planes.

    Args:
        observation: rectified.
        frame_from_camera: (4, 4) rigid transform into the frame of the planes.
    """
    camera = observation.camera
    masked = observation.masks.any(axis=0)
    reach = MASK_MARGIN * camera.width / 640
    free = (observation.depth > 0) & (ndimage.distance_transform_edt(~masked) > reach)
    rows, columns = np.nonzero(free)
    if len(rows) < MIN_POINTS:
        return ()
    rng = np.random.default_rng(0)
    points_camera = camera.unproject(np.column_stack([columns, rows]), observation.depth[free])
    rotation, origin = frame_from_camera[:3, :3], frame_from_camera[:3, 3]
    points = points_camera @ rotation.T + origin
    guesses, noise = _guesses(points, rows, columns, free, rng)
    if not len(guesses):
        return ()
    picked = rng.permutation(len(points))[:MAX_POINTS]
    points, depth = points[picked], observation.depth[rows[picked], columns[picked]]
    # The noise of stereo and structured light grows with the square of the depth.
    scale = np.maximum(depth / np.median(depth), 0.5).astype(np.float64) ** 2
    return tuple(_planes(points, scale, guesses, noise, origin))


def _guesses(
    points: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    free: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float]:
    """Fit (G, 4) planes to small windows; return them and the median deviation from them [m]."""
    number = np.full(free.shape, -1, np.int64)
    number[rows, columns] = np.arange(len(rows))
    half = max(2, round(WINDOW_SHARE * free.shape[1]))
    step = max(1, half // 3)
    offsets = np.arange(-half, half + 1, step)
    padded = np.pad(number, half, constant_values=-1)
    centers = rng.permutation(len(rows))[:HYPOTHESES]
    window = padded[
        rows[centers, None, None] + half + offsets[:, None],
        columns[centers, None, None] + half + offsets[None, :],
    ].reshape(len(centers), -1)
    there = window >= 0
    enough = there.sum(axis=1) >= max(6, 0.5 * window.shape[1])
    window, there = window[enough], there[enough]
    if not len(window):
        return np.zeros((0, 4)), 0.0
    around = points[np.maximum(window, 0)]
    weight = there[..., None] / there.sum(axis=1)[:, None, None]
    middle = (around * weight).sum(axis=1)
    centred = (around - middle[:, None]) * np.sqrt(weight)
    spread, axes = np.linalg.eigh(np.einsum("gni,gnj->gij", centred, centred))
    normal = axes[:, :, 0]
    deviation = np.sqrt(np.maximum(spread[:, 0], 0.0))
    offset = -np.einsum("gi,gi->g", normal, middle)
    # Windows across an edge deviate most; the middle of the better half is noise.
    good = deviation <= np.median(deviation)
    planes = np.column_stack([normal, offset])[good]
    return planes, float(np.median(deviation[good]))


def _planes(
    points: np.ndarray, scale: np.ndarray, guesses: np.ndarray, noise: float, eye: np.ndarray
):
    tolerance = INLIER * max(noise, 1e-5) * scale
    rest = np.arange(len(points))
    for _ in range(MAX_PLANES):
        votes = np.abs(points[rest] @ guesses[:, :3].T + guesses[:, 3]) < tolerance[rest, None]
        best = guesses[int(np.argmax(votes.sum(axis=0)))]
        for _ in range(3):
            inlier = np.abs(points[rest] @ best[:3] + best[3]) < tolerance[rest]
            if inlier.sum() < max(MIN_POINTS, MIN_SHARE * len(points)):
                return
            best = _fitted(points[rest[inlier]])
        plane = _plane(points[rest[inlier]], best, eye, len(points))
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


def _plane(points: np.ndarray, plane: np.ndarray, eye: np.ndarray, total: int) -> Plane | None:
    if plane[:3] @ eye + plane[3] < 0:
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
