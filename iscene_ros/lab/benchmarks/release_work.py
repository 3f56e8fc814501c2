"""How many operations a whole scene takes: in the release's schedule, and in each preset."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from iscene_ros.lab.benchmarks.benchmark_cells import BenchmarkCells
from iscene_ros.lab.benchmarks.flops import CountedFlow, count, on_meta
from iscene_ros.lab.benchmarks.release_schedule import release_structure
from iscene_ros.lab.benchmarks.sparse_flops import (
    SlatCall,
    linear,
    mesh_decoder_flops,
    slat_flow_flops,
)
from iscene_ros.models.iscene.config import ReleaseConfig, VisionConfig
from iscene_ros.models.iscene.networks.image_conditioner import ImageConditioner
from iscene_ros.models.iscene.networks.structure_decoder import StructureDecoder
from iscene_ros.models.iscene.sampling.flow_sampler import ReleaseNoise, SamplerOptions
from iscene_ros.models.iscene.sampling.presets import Preset
from iscene_ros.models.iscene.sampling.structure_stage import sample_structure
from iscene_ros.models.iscene.sparse.tensor import CellGeometry


@dataclass(frozen=True)
class Work:
    """Floating-point operations of the networks, 2 a product, and cells that SLAT samples."""

    conditioner: int
    structure: int
    structure_decoder: int
    slat: int
    mesh_decoder: int
    slat_cells: int

    @property
    def total(self) -> int:
        """All operations."""
        networks = self.conditioner + self.structure + self.structure_decoder
        return networks + self.slat + self.mesh_decoder


class WorkCounter:
    """Counts scenes of one model; shapes that were counted once are remembered."""

    def __init__(self, config: ReleaseConfig) -> None:
        self.config = config
        self.tokens = picture_tokens(config.vision)
        self._flow = CountedFlow(config.structure_flow)
        self._picture = _picture_flops(config.vision)
        self._decoded = _decoder_flops(config)

    def release(self, cells: BenchmarkCells) -> Work:
        """As published: two slots an instance throughout."""
        count = len(cells.objects)
        return Work(
            conditioner=2 * count * self._picture,
            structure=self._release_structure(count),
            structure_decoder=2 * count * self._decoded,
            slat=self._release_slat(cells),
            mesh_decoder=mesh_decoder_flops(self.config.mesh_decoder, _geometry(*cells.objects)),
            slat_cells=count * (len(cells.objects[0]) + len(cells.scene)),
        )

    def preset(self, preset: Preset, cells: BenchmarkCells) -> Work:
        """In one of our ways."""
        count, objects = len(cells.objects), _geometry(*cells.objects)
        return Work(
            conditioner=(1 + count) * self._picture,
            structure=self._structure(preset, count),
            structure_decoder=(count + preset.release_noise) * self._decoded,
            slat=self._slat(preset.slat.sampler, objects) if preset.slat else 0,
            mesh_decoder=mesh_decoder_flops(self.config.mesh_decoder, objects)
            if preset.slat
            else 0,
            slat_cells=len(objects) if preset.slat else 0,
        )

    def _structure(self, preset: Preset, instances: int) -> int:
        before = self._flow.flops
        noise = ReleaseNoise(0).structure(self.config.structure_flow)
        sample_structure(self._flow, self._context(1 + instances), noise, preset.structure)
        return self._flow.flops - before

    def _release_structure(self, instances: int) -> int:
        before = self._flow.flops
        context, sampler = self._context(2 * instances), self.config.structure_sampler
        release_structure(self._flow, context, torch.Generator(), sampler)
        return self._flow.flops - before

    def _slat(self, sampler: SamplerOptions, objects: CellGeometry) -> int:
        config, items = self.config.slat_flow, len(objects.lengths)
        keys_values = linear(items * self.tokens, config.cond_channels, 2 * config.model_channels)
        conditional = SlatCall(objects, 1, items, 0, self.tokens)
        unconditional = replace(conditional, seeing=0)
        fresh = sum(step.fresh for step in sampler.plan())
        total = config.num_blocks * keys_values
        total += sampler.steps * slat_flow_flops(config, conditional)
        return total + fresh * slat_flow_flops(config, unconditional)

    def _release_slat(self, cells: BenchmarkCells) -> int:
        config, sampler = self.config.slat_flow, self.config.slat_sampler
        items = len(cells.objects)
        own = SlatCall(_geometry(*cells.objects), items, items, items, self.tokens)
        scene = SlatCall(_geometry(cells.scene), 1, 1, 1, self.tokens)
        call = slat_flow_flops(config, own) + items * slat_flow_flops(config, scene)
        return sum(1 + step.fresh for step in sampler.plan()) * call

    def _context(self, rows: int) -> torch.Tensor:
        channels = self.config.structure_flow.cond_channels
        return torch.empty(rows, self.tokens, channels, device="meta")


def picture_tokens(vision: VisionConfig) -> int:
    """Tokens of a picture: class, registers, patches."""
    return 1 + vision.registers + (vision.image_side // vision.patch_size) ** 2


def _geometry(*cells: torch.Tensor) -> CellGeometry:
    return CellGeometry(torch.cat(cells), tuple(len(own) for own in cells))


def _picture_flops(vision: VisionConfig) -> int:
    conditioner = on_meta(ImageConditioner, vision)
    pictures = torch.empty(1, 3, vision.image_side, vision.image_side, device="meta")
    return count(lambda: conditioner(pictures))


def _decoder_flops(config: ReleaseConfig) -> int:
    decoder = on_meta(StructureDecoder, config.structure_decoder)
    side, channels = config.structure_flow.tokens_per_side, config.structure_flow.in_channels
    latents = torch.empty(1, channels, side, side, side, device="meta")
    return count(lambda: decoder(latents))
