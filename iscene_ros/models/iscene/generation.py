"""The whole published model: pictures in, one surface an instance in the cube of the scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.packages.loading import ReleaseModel
from iscene_ros.models.iscene.sampling.presets import Preset
from iscene_ros.models.iscene.sampling.progress import StageProgress
from iscene_ros.models.iscene.sampling.scene_stages import SceneLatents, sample_scene_latents
from iscene_ros.models.iscene.sparse.tensor import SparseTensor
from iscene_ros.models.iscene.surface.flexicubes import extract_mesh


@dataclass(frozen=True)
class CubeSurface:
    """A surface in the cube [-0.5, 0.5]^3 of its scene, as the mesh decoder gives it.

    Attributes:
        vertices: (V, 3) float32; faces: (F, 3) int64, counter-clockwise from outside.
        colors: (V, 3) float32 RGB in 0..1, or None.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None


@dataclass(frozen=True)
class CubeOccupancy:
    """Occupancy of the cube, where the second stage is left out.

    Attributes:
        logits: (R, R, R) float32 indexed x, y, z, positive where occupied.
    """

    logits: np.ndarray


Generated = CubeSurface | CubeOccupancy | None


def generate(
    model: ReleaseModel,
    pictures: np.ndarray,
    preset: Preset,
    seed: int = 0,
    pictures_at_once: int = 4,
    progress: StageProgress | None = None,
) -> list[Generated]:
    """Generate the N instances of a scene; None where the model found nothing.

    Args:
        model: the networks.
        pictures: (1 + N, 3, side, side) float32 from 0 to 1, row 0 the scene's.
        preset: how to sample.
        seed: same seed, same device: same result.
        pictures_at_once: pictures encoded together; bounds memory.
        progress: told after every call of a flow.

    Raises:
        ModelError: a network returned what is no number.
        StoppedError: `progress` said so.
    """
    context = picture_tokens(model, pictures, pictures_at_once)
    latents = sample_scene_latents(model, context, preset, seed, progress)
    _check_finite(latents, model.name)
    return decoded(model, latents, preset)


@torch.inference_mode()
def picture_tokens(model: ReleaseModel, pictures: np.ndarray, at_once: int = 4) -> Tensor:
    """(1 + N, M, C_cond) tokens of pictures (1 + N, 3, side, side) float32 from 0 to 1."""
    on_device = torch.from_numpy(np.ascontiguousarray(pictures)).to(model.device)
    return model.conditioner(on_device, at_once)


@torch.inference_mode()
def decoded(model: ReleaseModel, latents: SceneLatents, preset: Preset) -> list[Generated]:
    """What both stages found, as surfaces or, without the second one, as occupancy."""
    if preset.slat is None:
        return list(_occupancies(model, latents))
    return list(_surfaces(model, latents))


def _surfaces(model: ReleaseModel, latents: SceneLatents) -> Iterator[Generated]:
    """One instance after another: its million fine cells exist only in its turn."""
    for latent in latents.latents:
        yield None if latent is None else _surface(model, latent)


def _surface(model: ReleaseModel, latent: SparseTensor) -> CubeSurface | None:
    features = model.mesh_decoder(latent)
    resolution = model.config.mesh_decoder.out_resolution
    mesh = extract_mesh(features.coords, features.features, resolution)
    if not len(mesh.faces):
        return None
    colors = None if mesh.colors is None else _numpy(mesh.colors)
    return CubeSurface(_numpy(mesh.vertices), mesh.faces.cpu().numpy(), colors)


def _occupancies(model: ReleaseModel, latents: SceneLatents) -> Iterator[Generated]:
    instances = latents.structure.latents[1:]
    for latent, cells in zip(instances, latents.structure.cells, strict=True):
        if not len(cells):
            yield None
            continue
        yield CubeOccupancy(_numpy(model.structure_decoder(latent[None])[0, 0]))


def _check_finite(latents: SceneLatents, name: str) -> None:
    found = [latents.structure.latents, *(t.features for t in latents.latents if t is not None)]
    if not all(bool(torch.isfinite(tensor).all()) for tensor in found):
        raise ModelError(
            f"model {name}: its output is not finite; the weights are damaged or the precision of "
            "the device is too low (convert the model with --dtype float32)"
        )


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.float().cpu().numpy()
