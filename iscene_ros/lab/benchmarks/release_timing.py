"""How long a whole scene takes: in the release's schedule, and in each preset."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from iscene_ros.lab.benchmarks.benchmark_cells import BenchmarkCells
from iscene_ros.lab.benchmarks.release_schedule import (
    paired,
    release_slat,
    release_structure,
)
from iscene_ros.models.iscene.packages.loading import ReleaseModel
from iscene_ros.models.iscene.sampling.flow_sampler import ReleaseNoise
from iscene_ros.models.iscene.sampling.presets import Preset
from iscene_ros.models.iscene.sampling.scene_stages import decode_structure
from iscene_ros.models.iscene.sampling.slat_stage import sample_slat
from iscene_ros.models.iscene.sampling.structure_stage import sample_structure
from iscene_ros.models.iscene.sparse.tensor import SparseTensor

STAGES = ("conditioner", "structure", "structure decoder", "SLAT", "mesh decoder")
SEED = 0
Result = TypeVar("Result")


@dataclass
class StageClock:
    """Seconds of each of `STAGES`, with the device's work done."""

    device: str
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    def __call__(self, stage: str, function: Callable[[], Result]) -> Result:
        """Run and time one stage."""
        self._wait()
        start = time.perf_counter()
        result = function()
        self._wait()
        self.seconds[stage] += time.perf_counter() - start
        return result

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


@dataclass(frozen=True)
class Outcome:
    """What a run took and found.

    Attributes:
        seconds: by stage.
        peak_bytes: most GPU memory at once, weights included; 0 on a CPU.
        structure: (N, C, T, T, T) latents of the instances.
        slat: latents of the instances, without a second stage none.
    """

    seconds: dict[str, float]
    peak_bytes: int
    structure: Tensor
    slat: list[SparseTensor]

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())

    def differences(self, other: Outcome) -> tuple[float, float]:
        """Largest differences of both stages' latents, to the largest value of `other`'s.

        NaN where there is no second stage to compare.
        """
        structure = _relative(self.structure, other.structure)
        if not self.slat or not other.slat:
            return structure, float("nan")
        mine, theirs = (torch.cat([s.features for s in o.slat]) for o in (self, other))
        return structure, _relative(mine, theirs)


@dataclass(frozen=True)
class TimedScene:
    """A scene of random pictures, whose occupied cells are given.

    The structure decoder runs and its answer is dropped: of random weights it would say nothing
    about the number of cells. Meshes are not extracted.
    """

    model: ReleaseModel
    pictures: Tensor  # [1 + N, 3, side, side]
    cells: BenchmarkCells

    @classmethod
    def random(cls, model: ReleaseModel, cells: BenchmarkCells) -> TimedScene:
        """A scene for the objects of `cells`."""
        side = model.config.vision.image_side
        generator = torch.Generator().manual_seed(SEED)
        pictures = torch.rand(1 + len(cells.objects), 3, side, side, generator=generator)
        return cls(model, pictures.to(model.device), cells)

    def release(self) -> Outcome:
        """The published schedule."""
        model, config = self.model, self.model.config
        generator = torch.Generator().manual_seed(SEED)
        slots = [own for cells in self._objects() for own in (cells, self._on_device())]

        def run(clock: StageClock) -> tuple[Tensor, list[SparseTensor]]:
            context = clock("conditioner", lambda: model.conditioner(paired(self.pictures)))
            options = config.structure_sampler
            latents = clock(
                "structure",
                lambda: release_structure(model.structure_flow, context, generator, options),
            )
            clock("structure decoder", lambda: model.structure_decoder(latents))
            slat = clock(
                "SLAT",
                lambda: release_slat(
                    model.slat_flow,
                    slots,
                    context,
                    generator,
                    config.slat_sampler,
                    config.slat_normalization,
                ),
            )
            clock("mesh decoder", lambda: self._decode(slat[::2]))
            return latents[::2], slat[::2]

        return self._measured(run)

    def preset(self, preset: Preset) -> Outcome:
        """One of our ways."""
        model, config, noise = self.model, self.model.config, ReleaseNoise(SEED)
        objects = self._objects()
        counts = tuple(len(cells) for cells in objects)

        def run(clock: StageClock) -> tuple[Tensor, list[SparseTensor]]:
            context = clock("conditioner", lambda: model.conditioner(self.pictures))
            start = noise.structure(config.structure_flow)
            latents = clock(
                "structure",
                lambda: sample_structure(model.structure_flow, context, start, preset.structure),
            )
            clock(
                "structure decoder",
                lambda: decode_structure(model.structure_decoder, latents, preset.release_noise),
            )
            if preset.slat is None:
                return latents[1:], []
            starts = noise.slat(counts, len(self.cells.scene), config.slat_flow.in_channels)
            slat = clock(
                "SLAT",
                lambda: sample_slat(
                    model.slat_flow,
                    objects,
                    context[1:],
                    starts,
                    config.slat_normalization,
                    preset.slat,
                ),
            )
            clock("mesh decoder", lambda: self._decode(slat))
            return latents[1:], slat

        return self._measured(run)

    def _measured(self, run: Callable[[StageClock], tuple[Tensor, list[SparseTensor]]]) -> Outcome:
        on_gpu = self.model.device.startswith("cuda")
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        clock = StageClock(self.model.device)
        with torch.inference_mode():
            structure, slat = run(clock)
        peak = torch.cuda.max_memory_allocated() if on_gpu else 0
        return Outcome(clock.seconds, peak, structure, slat)

    def _decode(self, latents: list[SparseTensor]) -> None:
        for _ in self.model.mesh_decoder.decode_each(SparseTensor.joined(latents)):
            pass  # each is dropped before the next is made

    def _objects(self) -> list[Tensor]:
        return [cells.to(self.model.device) for cells in self.cells.objects]

    def _on_device(self) -> Tensor:
        return self.cells.scene.to(self.model.device)


def _relative(a: Tensor, b: Tensor) -> float:
    return ((a - b).abs().max() / b.abs().max()).item()
