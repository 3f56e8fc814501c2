"""`iscene benchmark --model` of a published model: what each preset costs and how far it strays.

All presets complete the same real frame from the same seed; `exact` is the measure.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iscene_ros.geometry.surface_distance import Surface, sample_surface
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.lab.evaluation.machine import this_machine
from iscene_ros.lab.evaluation.report import csv_of, markdown_table, write_text
from iscene_ros.models.iscene.condition_images import condition_images
from iscene_ros.models.iscene.generation import CubeSurface, Generated, decoded, image_tokens
from iscene_ros.models.iscene.mesh_finishing import finished_mesh
from iscene_ros.models.iscene.packages.loading import ReleaseModel, load_release
from iscene_ros.models.iscene.packages.parts import DTYPES
from iscene_ros.models.iscene.sampling.presets import Preset, preset
from iscene_ros.models.iscene.sampling.scene_stages import sample_scene_latents
from iscene_ros.models.iscene.sampling.structure_stage import StructureOptions
from iscene_ros.models.registry import resolved_device
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

EXACT = "exact"
# Of the meshes that are compared.
FACES, SAMPLES = 20_000, 5_000
HEADINGS = ("preset", "time [s]", "faster", "same cells [%]", "surfaces apart [% of the cube]")
HEADINGS += ("objects found", "GPU peak [GB]")


@dataclass(frozen=True)
class PresetResult:
    """One preset on one scene.

    Attributes:
        name: of the preset.
        seconds: of both stages and the meshes [s].
        cells: occupied cells (M, 3) of each instance.
        shapes: of each instance.
        peak_gpu_gigabytes: allocated by torch [1e9 bytes]; 0 without a GPU.
    """

    name: str
    seconds: float
    cells: tuple[Tensor, ...]
    shapes: tuple[Generated, ...]
    peak_gpu_gigabytes: float


def run(args: argparse.Namespace) -> int:
    """Measure all presets on the demo's frame, print and write the table."""
    device = resolved_device(args.device)
    dtype = DTYPES[args.dtype] if args.dtype else None
    model = load_release(args.model, device, dtype, args.base or None)
    print(f"{this_machine()}, device {device}, model {model.name}", file=sys.stderr)
    pictures = _pictures(model, max(args.objects) if args.objects else None)
    names = [EXACT, *(name for name in args.presets if name != EXACT)]
    presets = [preset(name, model.config) for name in names]
    results = list(measure(model, pictures, presets))
    table = [HEADINGS, *rows(results)]
    text = markdown_table(table, text_columns=1)
    print(text)
    if args.out is not None:
        write_text(args.out / "presets.md", f"{this_machine()}, {model.name}\n\n{text}")
        write_text(args.out / "presets.csv", csv_of(table))
    return 0


def measure(
    model: ReleaseModel, pictures: np.ndarray, presets: Sequence[Preset], seed: int = 0
) -> Iterator[PresetResult]:
    """Complete a scene with each preset, after one short run to warm up."""
    context = image_tokens(model, pictures)
    sample_scene_latents(model, context, _short(presets[0]), seed)
    for chosen in presets:
        _forget_peak(model.device)
        started = time.perf_counter()
        latents = sample_scene_latents(model, context, chosen, seed)
        shapes = decoded(model, latents, chosen)
        seconds = time.perf_counter() - started
        cells = latents.structure.cells
        yield PresetResult(chosen.name, seconds, cells, tuple(shapes), _peak(model.device))


def rows(results: Sequence[PresetResult]) -> list[list[str]]:
    """The cells under `HEADINGS`; the first result is the measure of the others."""
    exact = results[0]
    return [
        [
            result.name,
            f"{result.seconds:.2f}",
            f"{exact.seconds / result.seconds:.2f} x",
            f"{100 * _mean(map(shared_cells, result.cells, exact.cells)):.1f}",
            f"{100 * _mean(map(surface_distance, result.shapes, exact.shapes)):.3f}",
            str(sum(shape is not None for shape in result.shapes)),
            f"{result.peak_gpu_gigabytes:.2f}",
        ]
        for result in results
    ]


def shared_cells(one: Tensor, other: Tensor) -> float:
    """Shared over joint number of cells (M, 3) of two grids; 1 where both are empty."""
    both = torch.cat([one, other])
    joint = len(torch.unique(both, dim=0))
    return (len(both) - joint) / joint if joint else 1.0


def surface_distance(one: Generated, other: Generated) -> float:
    """Mean distance of two surfaces, both ways, in edges of the cube; NaN without both."""
    meshes = [_mesh(shape) for shape in (one, other)]
    if None in meshes:
        return float("nan")
    a, b = meshes
    there = Surface(b).distance(sample_surface(a, SAMPLES))
    back = Surface(a).distance(sample_surface(b, SAMPLES))
    return 0.5 * float(there.mean() + back.mean())


def _mesh(shape: Generated):
    if not isinstance(shape, CubeSurface):
        return None
    finished = finished_mesh(shape.vertices, shape.faces, None, FACES)
    return None if finished is None else finished.mesh


def _pictures(model: ReleaseModel, objects: int | None) -> np.ndarray:
    frame = resolve_mask_overlaps(arc2017_observation())
    side = model.config.vision.image_side
    return condition_images(frame.rgb, frame.masks[:objects], side).images


def _short(chosen: Preset) -> Preset:
    """One step of the first stage."""
    sampler = chosen.structure.sampler
    one = StructureOptions(type(sampler)(steps=1, guidance=sampler.guidance))
    return Preset("warm up", one, None)


def _mean(values) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _forget_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()


def _peak(device: str) -> float:
    return torch.cuda.max_memory_allocated() / 1e9 if device.startswith("cuda") else 0.0
