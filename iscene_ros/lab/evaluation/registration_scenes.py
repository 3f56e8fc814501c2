"""Rendered scenes whose true shapes are put into a cube of unknown scale, and spoilt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.decimation import decimated
from iscene_ros.lab.evaluation.truth import true_body
from iscene_ros.lab.synthetic.random_scenes import SceneOptions
from iscene_ros.lab.synthetic.sensor import NOISE_FREE, SensorOptions
from iscene_ros.lab.training.samples import SampleOptions, TruePlacement, draw_view
from iscene_ros.models.iscene.registration.result import CubeShape, Similarity
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

# Instances with fewer mask pixels are left out: nobody could say where a sliver belongs.
MIN_PIXELS = 100
RESOLUTION = 64
# A mesh smaller than this share of the true body lost walls thinner than its grid: left out, too.
LEAST_EXTENT = 0.9
FACES = 5000
# The release predicts occupancy on so many voxels an edge.
VOXELS = 64


class Spoiling(str, Enum):
    """What is wrong with the sensor or with the shapes."""

    NOTHING = "nothing"
    SENSOR = "sensor"
    HOLES = "holes"
    COARSE = "coarse shapes"
    JITTER = "half a voxel off"
    WRONG = "one wrong shape"
    FOREIGN = "shapes of another scene"
    NO_DEPTH = "no depth"


@dataclass(frozen=True)
class PlacementCase:
    """A view, shapes in a cube, and the truth.

    Attributes:
        observation: rectified, its masks do not overlap.
        aligned_frame: of its gravity.
        shapes: in the cube, one for each row of the masks.
        truth: of the scene; the shapes' own errors are not in it.
        unspoilt: the true shapes in the cube.
        wrong: rows whose shape is not the true one.
    """

    observation: Observation
    aligned_frame: GravityAlignedFrame
    shapes: tuple[CubeShape, ...]
    truth: Similarity
    unspoilt: tuple[CubeShape, ...]
    wrong: tuple[int, ...] = ()


def draw_case(seed: int, number: int, spoiling: Spoiling) -> PlacementCase | None:
    """Scene after scene of a seed; None where too little is seen.

    One number gives the same scene and camera whatever is spoilt.
    """
    rng = np.random.default_rng([seed, number])
    clean = spoiling in (Spoiling.NOTHING, Spoiling.NO_DEPTH)
    sensor = NOISE_FREE if clean else SensorOptions(clean_share=0.0)
    scene = SceneOptions(single_share=0.1)
    view = draw_view(rng, SampleOptions(held_out=True, scene=scene, sensor=sensor))
    observation = resolve_mask_overlaps(view.observation)
    aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    seen = np.flatnonzero(observation.masks.sum(axis=(1, 2)) >= MIN_PIXELS)
    found = {row: true_mesh_aligned(view.truths[row], aligned_frame) for row in seen}
    kept = [row for row, mesh in found.items() if mesh is not None]
    if not kept:
        return None
    observation = replace(
        observation, masks=observation.masks[kept], labels=(), scores=(), instance_ids=()
    )
    rng = np.random.default_rng([seed, number, 1])
    shapes, truth = into_cube([found[row] for row in kept], rng)
    case = PlacementCase(observation, aligned_frame, shapes, truth, shapes)
    return _spoilt(case, spoiling, seed, number, rng)


def true_mesh_aligned(truth: TruePlacement, aligned_frame: GravityAlignedFrame) -> Mesh | None:
    """The true surface in view space [m]; None where its walls are too thin for the grid."""
    low, high = (corner.numpy().astype(np.float64) for corner in truth.solid.bounds())

    def distance(points_object: np.ndarray) -> np.ndarray:
        return truth.solid.distance(torch.from_numpy(points_object).float()).numpy()

    body = true_body(distance, low, high, RESOLUTION)
    if body is None or np.any(np.ptp(body.mesh.vertices, axis=0) < LEAST_EXTENT * (high - low)):
        return None
    moved = body.mesh.transformed(truth.camera_from_object)
    return decimated(Mesh(aligned_frame.from_camera(moved.vertices), moved.faces), FACES)


def into_cube(
    meshes_aligned: list[Mesh], rng: np.random.Generator
) -> tuple[tuple[CubeShape, ...], Similarity]:
    """The meshes somewhere in the cube, not quite filling it, and the way back."""
    points = np.concatenate([mesh.vertices for mesh in meshes_aligned]).astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    filled = rng.uniform(0.7, 1.0)
    scale = float((high - low).max()) / filled
    room = np.maximum(0.5 - 0.5 * (high - low) / scale, 0)
    truth = Similarity(scale, 0.5 * (low + high) - scale * rng.uniform(-room, room))
    shapes = [
        CubeShape(row, Mesh(truth.to_cube(mesh.vertices).astype(np.float32), mesh.faces))
        for row, mesh in enumerate(meshes_aligned)
    ]
    return tuple(shapes), truth


def _spoilt(
    case: PlacementCase, spoiling: Spoiling, seed: int, number: int, rng: np.random.Generator
) -> PlacementCase | None:
    if spoiling is Spoiling.NO_DEPTH:
        return replace(case, observation=without_depth(case.observation))
    if spoiling is Spoiling.HOLES:
        return replace(case, observation=_with_holes(case.observation, rng))
    if spoiling is Spoiling.COARSE:
        return replace(case, shapes=tuple(_coarse(shape) for shape in case.shapes))
    if spoiling is Spoiling.JITTER:
        return replace(case, shapes=tuple(_jittered(shape, rng) for shape in case.shapes))
    if spoiling is Spoiling.WRONG:
        return _with_one_wrong(case, rng) if len(case.shapes) >= 3 else None
    if spoiling is Spoiling.FOREIGN:
        other = draw_case(seed, number + 500_000, Spoiling.NOTHING)
        return None if other is None else _foreign(case, other)
    return case


def without_depth(observation: Observation) -> Observation:
    """The same view of a camera without depth."""
    return replace(observation, depth=None)


def _with_holes(observation: Observation, rng: np.random.Generator) -> Observation:
    """Half of the readings are gone, in blotches of some pixels."""
    height, width = observation.depth.shape
    blotches = rng.random((-(-height // 6), -(-width // 6))) < 0.5
    lost = np.kron(blotches, np.ones((6, 6), bool))[:height, :width].astype(bool)
    return replace(observation, depth=np.where(lost, 0, observation.depth))


def _coarse(shape: CubeShape) -> CubeShape:
    """Vertices on the release's voxels, few triangles."""
    mesh = decimated(shape.mesh, 300)
    vertices = (np.floor(mesh.vertices * VOXELS) + 0.5) / VOXELS
    return replace(shape, mesh=Mesh(vertices.astype(np.float32), mesh.faces))


def _jittered(shape: CubeShape, rng: np.random.Generator) -> CubeShape:
    offset = rng.uniform(-0.5, 0.5, 3) / VOXELS
    return replace(shape, mesh=_shifted(shape.mesh, offset))


def _with_one_wrong(case: PlacementCase, rng: np.random.Generator) -> PlacementCase:
    """One shape is twice as large and a good way off."""
    row = int(rng.integers(len(case.shapes)))
    shape = case.shapes[row]
    middle = shape.mesh.vertices.mean(axis=0)
    away = rng.normal(size=3)
    grown = middle + 2 * (shape.mesh.vertices - middle) + 0.2 * away / np.linalg.norm(away)
    wrong = replace(shape, mesh=Mesh(grown.astype(np.float32), shape.mesh.faces))
    shapes = (*case.shapes[:row], wrong, *case.shapes[row + 1 :])
    return replace(case, shapes=shapes, wrong=(row,))


def _foreign(case: PlacementCase, other: PlacementCase) -> PlacementCase:
    count = len(case.shapes)
    meshes = [other.shapes[row % len(other.shapes)].mesh for row in range(count)]
    shapes = tuple(CubeShape(row, mesh) for row, mesh in enumerate(meshes))
    return replace(case, shapes=shapes, wrong=tuple(range(count)))


def _shifted(mesh: Mesh, offset: np.ndarray) -> Mesh:
    return Mesh((mesh.vertices + offset).astype(np.float32), mesh.faces)
