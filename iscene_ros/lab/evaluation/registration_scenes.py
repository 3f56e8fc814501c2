"""Rendered scenes with true shapes in a cube of unknown scale, and perturbations of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.decimation import decimated
from iscene_ros.lab.evaluation.bodies import true_body
from iscene_ros.lab.synthetic.random_scenes import SceneOptions
from iscene_ros.lab.synthetic.scene_views import DrawOptions, GroundTruthObject, draw_view
from iscene_ros.lab.synthetic.sensor import NOISE_FREE, SensorOptions
from iscene_ros.models.iscene.registration.result import CubeShape, Similarity
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

# Instances with fewer mask pixels are left out: a sliver does not determine a pose.
MIN_PIXELS = 100
RESOLUTION = 64
# A mesh smaller than this share of the true body lost walls thinner than its grid: left out, too.
LEAST_EXTENT = 0.9
FACES = 5000
# Voxels along an edge of the grid on which the released model predicts occupancy.
VOXELS = 64


class Perturbation(str, Enum):
    """Perturbation of the sensor or of the shapes."""

    NOTHING = "nothing"
    SENSOR = "sensor"
    HOLES = "holes"
    COARSE = "coarse shapes"
    JITTER = "half a voxel off"
    WRONG = "one wrong shape"
    OTHER_SCENE = "shapes of another scene"
    NO_DEPTH = "no depth"


@dataclass(frozen=True)
class RegistrationCase:
    """A view, shapes in a cube, and the true pose of the cube.

    Attributes:
        observation: Rectified observation; its masks do not overlap.
        aligned_frame: Gravity-aligned frame of the observation.
        shapes: Shapes in the cube, one for each row of the masks.
        truth: True similarity from the cube to the gravity-aligned frame.
        unperturbed: The true shapes in the cube.
        wrong: Rows whose shape is not the true one.
    """

    observation: Observation
    aligned_frame: GravityAlignedFrame
    shapes: tuple[CubeShape, ...]
    truth: Similarity
    unperturbed: tuple[CubeShape, ...]
    wrong: tuple[int, ...] = ()


def draw_case(seed: int, number: int, perturbation: Perturbation) -> RegistrationCase | None:
    """Draw a scene of a seed; None where too little of it is visible.

    One number gives the same scene and camera for every perturbation.
    """
    rng = np.random.default_rng([seed, number])
    clean = perturbation in (Perturbation.NOTHING, Perturbation.NO_DEPTH)
    sensor = NOISE_FREE if clean else SensorOptions(clean_share=0.0)
    scene = SceneOptions(single_share=0.1)
    view = draw_view(rng, DrawOptions(held_out=True, scene=scene, sensor=sensor))
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
    case = RegistrationCase(observation, aligned_frame, shapes, truth, shapes)
    return _perturbed(case, perturbation, seed, number, rng)


def true_mesh_aligned(truth: GroundTruthObject, aligned_frame: GravityAlignedFrame) -> Mesh | None:
    """Return the true surface in the gravity-aligned frame [m]; None if too thin for the grid."""
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
    """Put meshes into the cube, not quite filling it; return them and the way back."""
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


def _perturbed(
    case: RegistrationCase,
    perturbation: Perturbation,
    seed: int,
    number: int,
    rng: np.random.Generator,
) -> RegistrationCase | None:
    if perturbation is Perturbation.NO_DEPTH:
        return replace(case, observation=replace(case.observation, depth=None))
    if perturbation is Perturbation.HOLES:
        return replace(case, observation=_with_holes(case.observation, rng))
    if perturbation is Perturbation.COARSE:
        return replace(case, shapes=tuple(_coarse(shape) for shape in case.shapes))
    if perturbation is Perturbation.JITTER:
        shapes = (
            _moved(s, s.mesh.vertices + rng.uniform(-0.5, 0.5, 3) / VOXELS) for s in case.shapes
        )
        return replace(case, shapes=tuple(shapes))
    if perturbation is Perturbation.WRONG:
        return _with_one_wrong(case, rng) if len(case.shapes) >= 3 else None
    if perturbation is Perturbation.OTHER_SCENE:
        other = draw_case(seed, number + 500_000, Perturbation.NOTHING)
        if other is None:
            return None
        rows = range(len(case.shapes))
        meshes = [other.shapes[row % len(other.shapes)].mesh for row in rows]
        return replace(case, shapes=tuple(map(CubeShape, rows, meshes)), wrong=tuple(rows))
    return case


def _with_holes(observation: Observation, rng: np.random.Generator) -> Observation:
    """Remove half of the readings in patches of 6 x 6 pixels."""
    height, width = observation.depth.shape
    patches = rng.random((-(-height // 6), -(-width // 6))) < 0.5
    lost = np.kron(patches, np.ones((6, 6), bool))[:height, :width].astype(bool)
    return replace(observation, depth=np.where(lost, 0, observation.depth))


def _coarse(shape: CubeShape) -> CubeShape:
    """Snap vertices to the voxels of the released model and keep few triangles."""
    shape = replace(shape, mesh=decimated(shape.mesh, 300))
    return _moved(shape, (np.floor(shape.mesh.vertices * VOXELS) + 0.5) / VOXELS)


def _moved(shape: CubeShape, vertices: np.ndarray) -> CubeShape:
    return replace(shape, mesh=Mesh(vertices.astype(np.float32), shape.mesh.faces))


def _with_one_wrong(case: RegistrationCase, rng: np.random.Generator) -> RegistrationCase:
    """Make one shape twice as large and shift it by a fifth of the cube."""
    row = int(rng.integers(len(case.shapes)))
    shape = case.shapes[row]
    middle = shape.mesh.vertices.mean(axis=0)
    away = rng.normal(size=3)
    grown = middle + 2 * (shape.mesh.vertices - middle) + 0.2 * away / np.linalg.norm(away)
    shapes = (*case.shapes[:row], _moved(shape, grown), *case.shapes[row + 1 :])
    return replace(case, shapes=shapes, wrong=(row,))
