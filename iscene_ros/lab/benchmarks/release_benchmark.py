"""`iscene benchmark --model release-shape`: work, time and memory of the published model's sizes.

Weights are random, so nothing need be fetched; time does not depend on them. The release's own
schedule runs in the same process, with the same networks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from iscene_ros.core.errors import InputError
from iscene_ros.lab.benchmarks.benchmark_cells import BenchmarkCells, benchmark_cells
from iscene_ros.lab.benchmarks.release_arguments import check
from iscene_ros.lab.benchmarks.release_timing import STAGES, Outcome, TimedScene
from iscene_ros.lab.benchmarks.release_work import Work, WorkCounter
from iscene_ros.lab.evaluation.machine import this_machine
from iscene_ros.lab.evaluation.report import csv_of, markdown_table, write_text
from iscene_ros.models.iscene.config import (
    MeshDecoderConfig,
    ReleaseConfig,
    SlatFlowConfig,
    StructureDecoderConfig,
    VisionConfig,
)
from iscene_ros.models.iscene.packages.loading import ReleaseModel, random_release
from iscene_ros.models.iscene.packages.parts import DTYPES
from iscene_ros.models.iscene.sampling.presets import preset
from iscene_ros.models.iscene.scene_flow_config import SceneFlowConfig

RELEASE = "release"
WORK_HEADINGS = ("objects", "schedule", *(f"{stage} [TFLOP]" for stage in STAGES), "total [TFLOP]")
WORK_HEADINGS += ("less work", "SLAT cells")
TIME_HEADINGS = ("objects", "schedule", *(f"{stage} [s]" for stage in STAGES), "total [s]")
TIME_HEADINGS += ("faster", "GPU peak [GB]", "structure differs", "SLAT differs")


@dataclass(frozen=True)
class Shape:
    """Sizes of a model, and of the scenes that it is measured on."""

    config: ReleaseConfig
    objects: tuple[int, ...]
    cells: int


def tiny_release() -> ReleaseConfig:
    """The published architecture and schedule at a size that a CPU runs in a minute."""
    width = 128
    flow = {"model_channels": width, "cond_channels": width, "num_blocks": 6, "num_heads": 4}
    return ReleaseConfig(
        vision=VisionConfig(
            channels=width, num_blocks=4, num_heads=4, trained_side=112, image_side=112
        ),
        structure_flow=SceneFlowConfig(
            tokens_per_side=6,
            in_channels=8,
            out_channels=8,
            scene_context_blocks=2,
            absolute_positions=True,
            **flow,
        ),
        structure_decoder=StructureDecoderConfig(channels=(32, 16, 8)),
        slat_flow=SlatFlowConfig(resolution=24, io_block_channels=(32,), **flow),
        mesh_decoder=MeshDecoderConfig(
            resolution=24, model_channels=256, num_blocks=2, num_heads=4, window_size=4
        ),
    )


# For each of `release_arguments.SHAPES`.
SHAPES = {
    "release-shape": Shape(ReleaseConfig(), objects=(1, 5, 10), cells=8000),
    "tiny-release": Shape(tiny_release(), objects=(1, 5), cells=300),
}


def run(args: argparse.Namespace) -> int:
    """Print the table of work, then that of time; write both where asked to."""
    shape = SHAPES[args.model]
    check(args)
    objects, cells = args.objects or shape.objects, args.cells or shape.cells
    scenes = [benchmark_cells(n, cells, shape.config.slat_flow.resolution) for n in sorted(objects)]
    work = [WORK_HEADINGS]
    counter = WorkCounter(shape.config)
    for scene in scenes:
        work += work_lines(counter, scene, args.presets)
    _publish(args, "release-work", "", work)
    if args.count_only:
        return 0
    model = random_release(shape.config, 0, _device(args.device), DTYPES.get(args.dtype))
    setting = f"{this_machine()}, device {model.device}, {str(model.dtype).removeprefix('torch.')}"
    print(setting, file=sys.stderr)
    _warm_up(model, scenes[0])
    lines = [TIME_HEADINGS]
    for scene in scenes:
        for line in time_lines(model, scene, args.presets):
            print(" ".join(line), file=sys.stderr)
            lines.append(line)
    _publish(args, "release-time", setting, lines)
    return 0


def work_lines(
    counter: WorkCounter, cells: BenchmarkCells, presets: Sequence[str]
) -> list[list[str]]:
    """The cells under `WORK_HEADINGS` of one scene: the release first."""
    release = counter.release(cells)
    named = {RELEASE: release}
    for name in presets:
        named[name] = counter.preset(preset(name, counter.config), cells)
    return [_work_line(len(cells.objects), name, work, release) for name, work in named.items()]


def time_lines(
    model: ReleaseModel, cells: BenchmarkCells, presets: Sequence[str]
) -> Iterator[list[str]]:
    """Yield the cells under `TIME_HEADINGS` of one scene: the release first."""
    scene = TimedScene.random(model, cells)
    release = scene.release()
    yield _time_line(len(cells.objects), RELEASE, release, release)
    for name in presets:
        outcome = scene.preset(preset(name, model.config))
        yield _time_line(len(cells.objects), name, outcome, release)


def _work_line(objects: int, name: str, work: Work, release: Work) -> list[str]:
    stages = (work.conditioner, work.structure, work.structure_decoder, work.slat)
    numbers = (*stages, work.mesh_decoder, work.total)
    tera = [f"{flops / 1e12:.4g}" for flops in numbers]
    return [str(objects), name, *tera, f"{release.total / work.total:.2f} x", str(work.slat_cells)]


def _time_line(objects: int, name: str, outcome: Outcome, release: Outcome) -> list[str]:
    seconds = [f"{s:.3g}" for s in (*outcome.seconds.values(), outcome.total)]
    peak = f"{outcome.peak_bytes / 1e9:.1f}" if outcome.peak_bytes else "-"
    differences = [f"{d:.1e}" for d in outcome.differences(release)]
    return [str(objects), name, *seconds, f"{release.total / outcome.total:.2f} x", peak] + (
        differences
    )


def _warm_up(model: ReleaseModel, cells: BenchmarkCells) -> None:
    """Let libraries choose their kernels before anything is timed."""
    TimedScene.random(model, cells).preset(preset("fast", model.config))


def _publish(
    args: argparse.Namespace, name: str, setting: str, lines: Sequence[Sequence[str]]
) -> None:
    text = markdown_table(lines, text_columns=2)
    print(text)
    if args.out is not None:
        write_text(args.out / f"{name}.md", f"{setting}\n\n{text}" if setting else text)
        write_text(args.out / f"{name}.csv", csv_of(lines))


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch sees no GPU; use --device cpu")
    return name
