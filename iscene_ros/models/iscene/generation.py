"""The whole published model: from images to one surface for each instance of a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iscene_ros.core.errors import ModelError
from iscene_ros.models.base import Progress
from iscene_ros.models.iscene.packages.loading import ReleaseModel
from iscene_ros.models.iscene.sampling.presets import Preset
from iscene_ros.models.iscene.sampling.scene_stages import sample_scene_latents
from iscene_ros.models.iscene.sparse.tensor import SparseTensor
from iscene_ros.models.iscene.surface.flexicubes import extract_mesh


@dataclass(frozen=True)
class CubeSurface:
    """Output of the mesh decoder: a surface in the cube [-0.5, 0.5]^3 of its scene.

    Attributes:
        vertices: (V, 3) float32; faces: (F, 3) int64, counter-clockwise from outside.
        colors: (V, 3) float32 RGB in 0..1, or None.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None


@dataclass(frozen=True)
class CubeOccupancy:
    """Occupancy of the cube, where the preset has no second stage.

    Attributes:
        logits: (R, R, R) float32 indexed x, y, z, positive where occupied.
    """

    logits: np.ndarray


Generated = CubeSurface | CubeOccupancy | None


@torch.inference_mode()
def generate(
    model: ReleaseModel,
    images: np.ndarray,
    preset: Preset,
    seed: int = 0,
    images_at_once: int = 4,
    progress: Progress | None = None,
) -> list[Generated]:
    """Generate the N instances of a scene; None where the model predicts nothing.

    Args:
        model: the networks.
        images: (1 + N, 3, side, side) float32 from 0 to 1, row 0 the scene's.
        preset: of the sampling.
        seed: same seed, same device: same result.
        images_at_once: images encoded together, which bounds memory.
        progress: is advanced after every call of a flow.

    Raises:
        ModelError: a network returned values that are not finite.
    """
    on_device = torch.from_numpy(np.ascontiguousarray(images)).to(model.device)
    context = model.conditioner(on_device, images_at_once)
    scene = sample_scene_latents(model, context, preset, seed, progress)
    latents = [scene.structure, *(t.features for t in scene.latents if t is not None)]
    if not all(bool(torch.isfinite(tensor).all()) for tensor in latents):
        raise ModelError(
            f"model {model.name}: its output is not finite; the weights are damaged or the "
            "precision of the device is too low (convert the model with --dtype float32)"
        )
    # One instance after another, as each has a million fine cells.
    if preset.slat is not None:
        return [None if latent is None else _surface(model, latent) for latent in scene.latents]
    return [
        CubeOccupancy(_numpy(model.structure_decoder(latent[None])[0, 0])) if len(cells) else None
        for latent, cells in zip(scene.structure[1:], scene.cells, strict=True)
    ]


def _surface(model: ReleaseModel, latent: SparseTensor) -> CubeSurface | None:
    features = model.mesh_decoder(latent)
    resolution = model.config.mesh_decoder.out_resolution
    mesh = extract_mesh(features.coords, features.features, resolution)
    if not len(mesh.faces):
        return None
    colors = None if mesh.colors is None else _numpy(mesh.colors)
    return CubeSurface(_numpy(mesh.vertices), mesh.faces.cpu().numpy(), colors)


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.float().cpu().numpy()
