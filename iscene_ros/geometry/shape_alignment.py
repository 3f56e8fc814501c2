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
        spread, axes = np.linalg.eigh(_surface_moment(mesh.triangles - body.center_of_mass))
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

    def error(self, points: np.ndarray, normals: np.ndarray) -> float:
        """Return the RMS distance of points (M, 3) with normals (M, 3) to the surface [m]."""
        distance, nearest = self.tree.query(points, k=NEIGHBOURS)
        agrees = np.einsum("mkj,mj->mk", self.normals[nearest], normals) > 0.3
        choice = np.where(agrees.any(axis=1), np.argmax(agrees, axis=1), 0)
        row = np.arange(len(points))
        chosen = nearest[row, choice]
        offset = points - self.points[chosen]
        along = np.abs(np.einsum("mj,mj->m", offset, self.normals[chosen]))
        # Beyond the spacing of the points the plane through the nearest one says nothing more.
        far = distance[row, choice] > 3 * self.spacing
        return float(np.sqrt(np.mean(np.where(far, distance[row, 0], along) ** 2)))


@dataclass(frozen=True)
class Alignment:
    """One shape laid over another one: rotation or reflection (3, 3), and what remains [m]."""

    transform: np.ndarray
    error_m: float


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
        if not _have_similar_extents(a, b):
            continue
        tolerance = float(np.hypot(a.tolerance, b.tolerance))
        same, mirrored = align(a, b, mirrored=False), align(a, b, mirrored=True)
        is_mirrored = mirrored.error_m < 0.5 * same.error_m and same.error_m > tolerance
        best = mirrored if is_mirrored else same
        found.append(ShapeMatch(one, other, is_mirrored, best.error_m, tolerance))
    return found


def align(one: ShapeSample, other: ShapeSample, mirrored: bool) -> Alignment:
    """Find the rotation, or reflection, about the centres that aligns two shapes best."""
    starts = [
        _error(one, other, start, START_PROBES)
        for start in _starts(one, other)
        if (np.linalg.det(start) < 0) == mirrored
    ]
    starts.sort(key=lambda s: s.error_m)
    refined = [_refined(one, other, start.transform) for start in starts[:BEST_STARTS]]
    return min(refined, key=lambda a: a.error_m)


def _have_similar_extents(one: ShapeSample, other: ShapeSample) -> bool:
    """Return whether extents and volumes agree well enough for an alignment."""
    slack = np.maximum(
        ALIKE * np.maximum(one.spread, other.spread), ALIKE_SIGMAS * (one.sigma + other.sigma)
    )
    if np.any(np.abs(one.spread - other.spread) > slack):
        return False
    sizes = np.cbrt([one.volume, other.volume])
    return bool(abs(sizes[0] - sizes[1]) <= max(ALIKE * sizes.max(), slack.max()))


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


def _error(
    one: ShapeSample, other: ShapeSample, transform: np.ndarray, probes: int = PROBES
) -> Alignment:
    points = one.points[:probes] @ transform.T
    return Alignment(transform, other.error(points, one.normals[:probes] @ transform.T))


def _refined(one: ShapeSample, other: ShapeSample, transform: np.ndarray) -> Alignment:
    """Refine an alignment by iterated closest points; the centres stay together."""
    best = _error(one, other, transform)
    for _ in range(ALIGNMENT_STEPS):
        points = one.points[:PROBES] @ transform.T
        _, nearest = other.tree.query(points)
        turn, _ = Rotation.align_vectors(other.points[nearest], points)
        transform = turn.as_matrix() @ transform
        found = _error(one, other, transform)
        if found.error_m >= 0.99 * best.error_m:
            break
        best = found
    back = _error(other, one, best.transform.T)
    return Alignment(best.transform, max(best.error_m, back.error_m))


def _surface_moment(triangles: np.ndarray) -> np.ndarray:
    """Return the mean (3, 3) of p p^T over the surface of triangles (T, 3, 3)."""
    a, b, c = np.moveaxis(triangles, 1, 0)
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    total = a + b + c
    parts = sum(np.einsum("t,ti,tj->ij", area, p, p) for p in (a, b, c, total))
    return parts / 12.0 / max(float(area.sum()), 1e-18)
