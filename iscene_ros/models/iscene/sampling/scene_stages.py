"""Both stages of a scene, one after the other: from image tokens to structured latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from iscene_ros.models.base import Progress
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.networks.slat_flow import SlatFlow
from iscene_ros.models.iscene.networks.structure_decoder import StructureDecoder, occupied_cells
from iscene_ros.models.iscene.sampling.flow_sampler import ReleaseNoise, slat_noise_of
from iscene_ros.models.iscene.sampling.presets import Preset
from iscene_ros.models.iscene.sampling.slat_stage import sample_slat
from iscene_ros.models.iscene.sampling.structure_stage import sample_structure
from iscene_ros.models.iscene.sparse.tensor import SparseTensor


class StageNetworks(Protocol):
    """The fields of a `ReleaseModel` that the stages use."""

    config: ReleaseConfig
    structure_flow: SceneFlowTransformer
    structure_decoder: StructureDecoder
    slat_flow: SlatFlow


@dataclass(frozen=True)
class SceneStructure:
    """Result of the first stage.

    Attributes:
        latents: (1 + N, C, T, T, T), row 0 the scene's.
        cells: occupied cells x, y, z (M_i, 3) int64 of each instance; M_i may be 0.
        scene_cells: number of occupied cells of the scene slot; None where it was not decoded.
    """

    latents: Tensor
    cells: tuple[Tensor, ...]
    scene_cells: int | None


@dataclass(frozen=True)
class SceneLatents:
    """Result of both stages.

    Attributes:
        structure: result of the first stage.
        latents: of each instance for the mesh decoder; None for an instance without cells, and for
            all where the preset has no second stage.
    """

    structure: SceneStructure
    latents: tuple[SparseTensor | None, ...]


@torch.inference_mode()
def sample_scene_latents(
    networks: StageNetworks,
    context: Tensor,  # [1 + N, M, C_cond] image tokens, row 0 the scene's
    preset: Preset,
    seed: int = 0,
    progress: Progress | None = None,
) -> SceneLatents:
    """Sample the latents of all N instances of a scene; the same seed gives the same result."""
    noise, config = ReleaseNoise(seed), networks.config
    latents = sample_structure(
        networks.structure_flow,
        context,
        noise.structure(config.structure_flow),
        preset.structure,
        progress,
    )
    with_scene = preset.release_noise and preset.slat is not None
    structure = decode_structure(networks.structure_decoder, latents, with_scene)
    if preset.slat is None:
        return SceneLatents(structure, (None,) * len(structure.cells))
    counts = tuple(len(cells) for cells in structure.cells)
    channels = config.slat_flow.in_channels
    if preset.release_noise:
        starts = noise.slat(counts, structure.scene_cells, channels)
    else:
        starts = slat_noise_of(counts, channels, seed)
    found = [i for i, count in enumerate(counts) if count > 0]
    sampled = sample_slat(
        networks.slat_flow,
        [structure.cells[i] for i in found],
        context[[1 + i for i in found]],
        [starts[i] for i in found],
        config.slat_normalization,
        preset.slat,
        progress,
    )
    by_instance = dict(zip(found, sampled, strict=True))
    return SceneLatents(structure, tuple(by_instance.get(i) for i in range(len(counts))))


@torch.inference_mode()
def decode_structure(
    decoder: StructureDecoder,
    latents: Tensor,  # [1 + N, C, T, T, T]
    with_scene: bool = False,
) -> SceneStructure:
    """Decode the occupied cells of the instances, and of the scene slot with `with_scene`."""
    cells = _cells(decoder, latents[1:])
    scene_cells = len(_cells(decoder, latents[:1])[0]) if with_scene else None
    return SceneStructure(latents, cells, scene_cells)


def _cells(decoder: StructureDecoder, latents: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(occupied_cells(decoder(latent[None]))[0] for latent in latents)
