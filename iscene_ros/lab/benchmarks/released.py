"""Work, time and memory of the released I-Scene: each preset at several numbers of objects.

Operations are counted by torch while the networks run (2 a product), so that nothing here repeats
their structure. Without weights the networks have random ones, on which neither time nor work
depends; the number of occupied cells, which does matter, is then given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.models.iscene.condition_images import condition_images
from iscene_ros.models.iscene.config import (
    MeshDecoderConfig,
    ReleaseConfig,
    SceneFlowConfig,
    SlatFlowConfig,
    StructureDecoderConfig,
    VisionConfig,
)
from iscene_ros.models.iscene.packages.loading import ReleaseModel
from iscene_ros.models.iscene.sampling.flow_sampler import ReleaseNoise, slat_noise_of
from iscene_ros.models.iscene.sampling.presets import Preset
from iscene_ros.models.iscene.sampling.scene_stages import decode_cells
from iscene_ros.models.iscene.sampling.slat_stage import sample_slat
from iscene_ros.models.iscene.sampling.structure_stage import sample_structure
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

STAGES = ("conditioner", "structure", "structure decoder", "SLAT", "mesh decoder")
HEADINGS = ("objects", "preset", *(f"{stage} [s]" for stage in STAGES), "total [s]", "faster")
HEADINGS += ("work [TFLOP]", "less work", "SLAT cells", "GPU peak [GB]")
HEADINGS += ("structure differs", "same cells [%]")
# Radii of the spheres whose surfaces stand for objects, as shares of the grid's side.
SMALLEST_RADIUS, LARGEST_RADIUS = 0.2, 0.4
SEED = 0
Result = TypeVar("Result")


def small_release() -> ReleaseConfig:
    """Return the published architecture and schedule at sizes that a CPU runs in a minute."""
    width = 128
    flow = {"model_channels": width, "cond_channels": width, "num_blocks": 6, "num_heads": 4}
    return ReleaseConfig(
        vision=VisionConfig(
            channels=width, num_blocks=4, num_heads=4, trained_side=112, image_side=112
        ),
        structure_flow=SceneFlowConfig(
            tokens_per_side=6, in_channels=8, out_channels=8, scene_context_blocks=2, **flow
        ),
        structure_decoder=StructureDecoderConfig(channels=(32, 16, 8)),
        slat_flow=SlatFlowConfig(resolution=24, io_block_channels=(32,), **flow),
        mesh_decoder=MeshDecoderConfig(
            resolution=24, model_channels=256, num_blocks=2, num_heads=4, window_size=4
        ),
    )


@dataclass(frozen=True)
class ReleasedScene:
    """The input of a measurement.

    Attributes:
        images: (1 + N, 3, side, side) float32 in [0, 1], row 0 the scene's.
        cells: (M_i, 3) int64 occupied cells of each object; None = those that the model finds.
    """

    images: Tensor
    cells: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class PresetCost:
    """Cost and result of one preset on one scene.

    Attributes:
        objects: Number of objects.
        preset: Name of the preset.
        seconds: Time of each of `STAGES` [s].
        flops: Floating-point operations of the networks.
        peak_bytes: Peak GPU memory including the weights, 0 on a CPU.
        structure: (1 + N, C, T, T, T) latents of the first stage.
        found_cells: (M,) int64 codes of the cells that the first stage occupies, over all objects.
        slat_cells: Number of cells that the second stage samples.
    """

    objects: int
    preset: str
    seconds: dict[str, float]
    flops: int
    peak_bytes: int
    structure: Tensor
    found_cells: Tensor
    slat_cells: int

    @property
    def total(self) -> float:
        """Time of all stages [s]."""
        return sum(self.seconds.values())

    def row(self, exact: PresetCost) -> list[str]:
        """Return the cells under `HEADINGS`; `exact` is what the others are compared with."""
        seconds = [f"{s:.3g}" for s in (*self.seconds.values(), self.total)]
        difference = (self.structure - exact.structure).abs().max() / exact.structure.abs().max()
        both = torch.cat([self.found_cells, exact.found_cells])
        joint = len(torch.unique(both))
        shared = (len(both) - joint) / joint if joint else 1.0
        return [
            *(str(self.objects), self.preset, *seconds, f"{exact.total / self.total:.2f} x"),
            *(f"{self.flops / 1e12:.4g}", f"{exact.flops / self.flops:.2f} x"),
            *(str(self.slat_cells), f"{self.peak_bytes / 1e9:.1f}" if self.peak_bytes else "-"),
            *(f"{difference.item():.1e}", f"{100 * shared:.1f}"),
        ]


def demo_scene(model: ReleaseModel, objects: int) -> ReleasedScene:
    """Return the first objects of the demo's real frame, whose cells the model has to find."""
    frame = resolve_mask_overlaps(arc2017_observation())
    side = model.config.vision.image_side
    images = condition_images(frame.rgb, frame.masks[:objects], side)
    return ReleasedScene(torch.from_numpy(np.ascontiguousarray(images)))


def random_scene(model: ReleaseModel, objects: int, cells: int) -> ReleasedScene:
    """Return random images, and `cells` occupied cells of each object."""
    side = model.config.vision.image_side
    generator = torch.Generator().manual_seed(SEED)
    images = torch.rand(1 + objects, 3, side, side, generator=generator)
    return ReleasedScene(images, shell_cells(objects, cells, model.config.slat_flow.resolution))


def shell_cells(objects: int, cells: int, resolution: int) -> tuple[Tensor, ...]:
    """Return the (cells, 3) int64 grid cells closest to a sphere, of growing radius, an object."""
    axis = torch.arange(resolution)
    grid = torch.cartesian_prod(axis, axis, axis)
    distance = (grid + 0.5 - 0.5 * resolution).norm(dim=1)
    radii = np.linspace(SMALLEST_RADIUS, LARGEST_RADIUS, objects) * resolution
    nearest = [(distance - radius).abs().argsort(stable=True)[:cells] for radius in radii]
    return tuple(grid[chosen.sort().values] for chosen in nearest)


def measure_presets(
    model: ReleaseModel, scene: ReleasedScene, presets: Sequence[Preset]
) -> Iterator[PresetCost]:
    """Run each preset twice, first to warm up and to count, then to measure time and memory."""
    for preset in presets:
        flops = count_flops(lambda p=preset: _run(model, scene, p, StageClock(model.device)))
        on_gpu = model.device.startswith("cuda")
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        clock = StageClock(model.device)
        result = _run(model, scene, preset, clock)
        peak = torch.cuda.max_memory_allocated() if on_gpu else 0
        objects = len(scene.images) - 1
        yield PresetCost(objects, preset.name, clock.seconds, flops, peak, *result)


def count_flops(function: Callable[[], object]) -> int:
    """Return the operations of the matrix products, convolutions and attention of a call.

    On a CPU attention runs as plain products, since the counter does not know the CPU's kernel.
    """
    counter = FlopCounterMode(display=False)
    plain = nullcontext() if torch.cuda.is_available() else sdpa_kernel(SDPBackend.MATH)
    with counter, torch.inference_mode(), plain:
        function()
    return counter.get_total_flops()


@dataclass
class StageClock:
    """Accumulates the seconds of each of `STAGES`, waiting for the device's work."""

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


@torch.inference_mode()
def _run(
    model: ReleaseModel, scene: ReleasedScene, preset: Preset, clock: StageClock
) -> tuple[Tensor, Tensor, int]:
    """Return structure latents, found cells and the number of sampled cells of one run."""
    config, noise = model.config, ReleaseNoise(SEED)
    images = scene.images.to(model.device)
    context = clock("conditioner", lambda: model.conditioner(images))
    flow = config.structure_flow
    start = noise.structure(flow.in_channels, flow.tokens_per_side)
    latents = clock(
        "structure",
        lambda: sample_structure(model.structure_flow, context, start, preset.structure),
    )
    slots = latents if preset.release_noise else latents[1:]
    decoded = clock("structure decoder", lambda: decode_cells(model.structure_decoder, slots))
    if preset.release_noise:
        decoded = decoded[1:]
    # One number for each cell of each object.
    place = torch.tensor([1 << 32, 1 << 16, 1], device=model.device)
    codes = [(i << 48) + (cells * place).sum(1) for i, cells in enumerate(decoded)]
    found = torch.cat(codes)
    if preset.slat is None:
        return latents, found, 0
    given = decoded if scene.cells is None else scene.cells
    rows = [i for i, cells in enumerate(given) if len(cells)]
    cells = [given[i].to(model.device) for i in rows]
    if not cells:
        return latents, found, 0
    starts = slat_noise_of(tuple(map(len, cells)), config.slat_flow.in_channels, SEED)
    seen = context[[1 + i for i in rows]]
    slat = clock(
        "SLAT",
        lambda: sample_slat(
            model.slat_flow, cells, seen, starts, config.slat_normalization, preset.slat
        ),
    )
    clock("mesh decoder", lambda: [model.mesh_decoder(latent) for latent in slat])
    return latents, found, sum(map(len, cells))
