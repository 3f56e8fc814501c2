"""Shapes as sampled points, and the rotation or reflection that aligns two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import trimesh
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from iscene_ros.geometry.bodies import Body

POINTS = 2500
PROBES = 400

# Surfaces that are apart by less than this share of an object's size look the same; surfaces that
# are off by more than the other one could be of anything.
SAMENESS = 0.006
UNSURE = 0.012

# The surface that is hit by a transformed point is the nearest of so many whose normal agrees.
NEIGHBOURS = 4


# Shapes are aligned only where extents and volumes agree this well, or to so many standard
# deviations of the surfaces.
ALIKE = 0.08
ALIKE_SIGMAS = 2.0

# Principal extents closer than this share count as equal; then the axes are undetermined.
EQUAL_EXTENTS = 0.06

# Steps of the alignment, turns that are tried about an undetermined axis, and starts refined.
ALIGNMENT_STEPS = 16
TURNS = 12
BEST_STARTS = 4

# The first look at a start takes so many points.
START_PROBES = 80


@dataclass(frozen=True)
class ShapeSample:
    """Points of a surface, relative to the centre of mass.

    Attributes:
        points, normals: (N, 3) float64 [m]; any prefix is spread evenly.
        tree: of the points.
        axes: (3, 3) principal directions in the rows, the longest extent first.
        spread: (3,) standard deviations along them [m].
        size: length of the diagonal of the box along the axes [m].
        spacing: of the points [m].
        sigma: standard deviation by which a part of the surface may be off [m].
        volume: [m^3].
    """

    points: np.ndarray
    normals: np.ndarray
    tree: cKDTree
    axes: np.ndarray
    spread: np.ndarray
    size: float
    spacing: float
    sigma: float
    volume: float

    @classmethod
    def of(cls, body: Body) -> ShapeSample:
        """Sample a body's surface; the same body gives the same points."""
        mesh = trimesh.Trimesh(body.vertices, body.faces, process=False)
        points, faces = trimesh.sample.sample_surface(mesh, POINTS, seed=0)
        points = np.asarray(points) - body.center_of_mass
        # The mean of p p^T over the surface.
        a, b, c = np.moveaxis(mesh.triangles - body.center_of_mass, 1, 0)
        area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
        parts = sum(np.einsum("t,ti,tj->ij", area, p, p) for p in (a, b, c, a + b + c))
        spread, axes = np.linalg.eigh(parts / 12.0 / max(float(area.sum()), 1e-18))
        extent = np.ptp(points @ axes, axis=0)
        return cls(
            points,
            np.asarray(mesh.face_normals)[faces],
            cKDTree(points),
            axes.T[::-1],
            np.sqrt(np.maximum(spread, 0.0))[::-1],
            float(np.linalg.norm(extent)),
            float(np.sqrt(mesh.area / POINTS)),
            body.sigma,
            body.volume,
        )

    @property
    def tolerance(self) -> float:
        """How far two surfaces may be apart and still count as the same [m]."""
        unsure = min(self.sigma, UNSURE * self.size)
        return float(np.hypot(unsure, SAMENESS * self.size))

    def nearest(self, points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the surface near A sets of points.

        Args:
            points: (A, M, 3) [m].
            normals: (A, M, 3).

        Returns:
            (A,) the RMS distance of each set to the surface, and (A, M, 3) the nearest points [m].
        """
        distance, nearest = self.tree.query(points, k=NEIGHBOURS)  # [A, M, k]
        agrees = np.einsum("amkj,amj->amk", self.normals[nearest], normals) > 0.3
        choice = np.argmax(agrees, axis=2)[..., None]  # the nearest one where none agrees
        chosen = np.take_along_axis(nearest, choice, axis=2)[..., 0]
        offset = points - self.points[chosen]
        along = np.abs(np.einsum("amj,amj->am", offset, self.normals[chosen]))
        # Beyond the spacing of the points the plane through the nearest one says nothing more.
        far = np.take_along_axis(distance, choice, axis=2)[..., 0] > 3 * self.spacing
        errors = np.sqrt(np.mean(np.where(far, distance[..., 0], along) ** 2, axis=1))
        return errors, self.points[nearest[..., 0]]


@dataclass(frozen=True)
class ShapeMatch:
    """Two shapes of similar extents and how well one can be laid over the other.

    Attributes:
        one, other: their numbers, one < other.
        is_mirrored: whether a reflection is needed.
        error_m: root mean square distance of the aligned surfaces [m].
        tolerance_m: up to which they count as the same [m].
    """

    one: int
    other: int
    is_mirrored: bool
    error_m: float
    tolerance_m: float


def shape_matches(samples: Sequence[ShapeSample]) -> list[ShapeMatch]:
    """Align all pairs of shapes whose extents and volumes are similar."""
    found = []
    for one, other in combinations(range(len(samples)), 2):
        a, b = samples[one], samples[other]
        slack = np.maximum(
            ALIKE * np.maximum(a.spread, b.spread), ALIKE_SIGMAS * (a.sigma + b.sigma)
        )
        if np.any(np.abs(a.spread - b.spread) > slack):
            continue
        sizes = np.cbrt([a.volume, b.volume])
        if abs(sizes[0] - sizes[1]) > max(ALIKE * sizes.max(), slack.max()):
            continue
        tolerance = float(np.hypot(a.tolerance, b.tolerance))
        error, is_mirrored = alignment_error(a, b, mirrored=False), False
        if error > tolerance:
            mirrored = alignment_error(a, b, mirrored=True)
            is_mirrored = mirrored < 0.5 * error
            error = mirrored if is_mirrored else error
        found.append(ShapeMatch(one, other, is_mirrored, error, tolerance))
    return found


def alignment_error(one: ShapeSample, other: ShapeSample, mirrored: bool) -> float:
    """Return what remains [m] at the best rotation, or reflection, of one shape over another."""
    starts = np.stack(_starts(one, other))
    starts = starts[(np.linalg.det(starts) < 0) == mirrored]
    errors, _ = _laid_over(one, other, starts, START_PROBES)
    refined, errors = _refined(one, other, starts[np.argsort(errors, kind="stable")[:BEST_STARTS]])
    back, _ = _laid_over(other, one, refined.transpose(0, 2, 1), PROBES)
    return float(np.maximum(errors, back).min())


def _starts(one: ShapeSample, other: ShapeSample) -> list[np.ndarray]:
    """Return the alignments of principal axes with principal axes that their extents allow."""
    spread = one.spread
    close = [
        spread[i] - spread[i + 1] < 2 * EQUAL_EXTENTS * max(spread[0], 1e-12) for i in range(2)
    ]
    turns = [np.eye(3)]
    if all(close):
        turns += list(Rotation.random(4 * TURNS, random_state=0).as_matrix())
    elif any(close):
        axis = one.axes[2] if close[0] else one.axes[0]
        angles = 2 * np.pi * np.arange(TURNS) / TURNS
        turns = [Rotation.from_rotvec(angle * axis).as_matrix() for angle in angles]
    signs = [np.diag(s) for s in product((1.0, -1.0), repeat=3)]
    base = [other.axes.T @ sign @ one.axes for sign in signs]
    return [start @ turn for start in base for turn in turns]


def _laid_over(
    one: ShapeSample, other: ShapeSample, transforms: np.ndarray, probes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lay so many points of one shape over another; see `ShapeSample.nearest`.

    Args:
        one, other: the shapes.
        transforms: (A, 3, 3) rotations or reflections.
        probes: number of points.
    """
    turned = transforms.transpose(0, 2, 1)
    return other.nearest(one.points[:probes] @ turned, one.normals[:probes] @ turned)


def _refined(
    one: ShapeSample, other: ShapeSample, transforms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Refine alignments (A, 3, 3) by iterated closest points; the centres stay together.

    Returns:
        (A, 3, 3) and their errors (A,) [m].
    """
    best = transforms.copy()
    errors, nearest = _laid_over(one, other, transforms, PROBES)
    active = np.arange(len(best))
    for _ in range(ALIGNMENT_STEPS):
        points = one.points[:PROBES] @ transforms.transpose(0, 2, 1)
        transforms = _turns(points, nearest) @ transforms
        found, nearest = _laid_over(one, other, transforms, PROBES)
        better = found < 0.99 * errors[active]
        active, transforms, nearest = active[better], transforms[better], nearest[better]
        if not len(active):
            break
        best[active], errors[active] = transforms, found[better]
    return best, errors


def _turns(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the rotations (A, 3, 3) that bring points (A, M, 3) closest to targets (A, M, 3).

    From the singular value decomposition of their covariance (Kabsch, 1976).
    """
    u, _, vt = np.linalg.svd(targets.transpose(0, 2, 1) @ points)
    sign = np.ones((len(points), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[:, None]) @ vt
