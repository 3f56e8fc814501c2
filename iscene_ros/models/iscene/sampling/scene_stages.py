"""Both stages for the instances of a scene: from image tokens to the latents of their meshes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.models.base import Progress
from iscene_ros.models.iscene.networks.structure_decoder import StructureDecoder
from iscene_ros.models.iscene.packages.loading import ReleaseModel
from iscene_ros.models.iscene.sampling.flow_sampler import ReleaseNoise, slat_noise_of
from iscene_ros.models.iscene.sampling.presets import Preset
from iscene_ros.models.iscene.sampling.slat_stage import sample_slat
from iscene_ros.models.iscene.sampling.structure_stage import sample_structure
from iscene_ros.models.iscene.sparse.tensor import SparseTensor


@dataclass(frozen=True)
class SceneLatents:
    """Result of both stages for N instances.

    Attributes:
        structure: (1 + N, C, T, T, T) latents of the first stage, row 0 the scene's.
        cells: occupied cells x, y, z (M_i, 3) int64 of each instance; M_i may be 0.
        latents: of each instance for the mesh decoder; None for an instance without cells, and for
            all where the preset has no second stage.
    """

    structure: Tensor
    cells: tuple[Tensor, ...]
    latents: tuple[SparseTensor | None, ...]


@torch.inference_mode()
def sample_scene_latents(
    model: ReleaseModel,
    context: Tensor,  # [1 + N, M, C_cond] image tokens, row 0 the scene's
    preset: Preset,
    seed: int = 0,
    progress: Progress | None = None,
) -> SceneLatents:
    """Sample the latents of all N instances of a scene; the same seed gives the same result."""
    noise, config, flow = ReleaseNoise(seed), model.config, model.config.structure_flow
    first = noise.structure(flow.in_channels, flow.tokens_per_side)
    structure = sample_structure(model.structure_flow, context, first, preset.structure, progress)
    cells = decode_cells(model.structure_decoder, structure[1:])
    if preset.slat is None:
        return SceneLatents(structure, cells, (None,) * len(cells))
    counts = tuple(map(len, cells))
    channels = config.slat_flow.in_channels
    if preset.release_noise:
        (scene,) = decode_cells(model.structure_decoder, structure[:1])
        starts = noise.slat(counts, len(scene), channels)
    else:
        starts = slat_noise_of(counts, channels, seed)
    found = [i for i, count in enumerate(counts) if count > 0]
    sampled = sample_slat(
        model.slat_flow,
        [cells[i] for i in found],
        context[[1 + i for i in found]],
        [starts[i] for i in found],
        config.slat_normalization,
        preset.slat,
        progress,
    )
    by_instance = dict(zip(found, sampled, strict=True))
    return SceneLatents(structure, cells, tuple(by_instance.get(i) for i in range(len(counts))))


@torch.inference_mode()
def decode_cells(
    decoder: StructureDecoder,
    latents: Tensor,  # [N, C, T, T, T]
) -> tuple[Tensor, ...]:
    """Decode the sorted occupied cells x, y, z (M_i, 3) int64 of each slot, one after another."""
    return tuple(torch.nonzero(decoder(latent[None])[0, 0] > 0) for latent in latents)
