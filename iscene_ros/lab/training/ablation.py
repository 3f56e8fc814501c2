"""Train and score every variant of an ablation with every seed; finished runs are kept."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from iscene_ros.completion.scene_completer import CompletionOptions, SceneCompleter
from iscene_ros.core.errors import InputError
from iscene_ros.lab.evaluation.rendered_scenes import MODEL, EvaluationOptions, evaluate_scenes
from iscene_ros.lab.training.ablation_config import Ablation, Scoring, Variant, recipe_key
from iscene_ros.lab.training.shards import ShardSet
from iscene_ros.lab.training.stop_request import StopRequest
from iscene_ros.lab.training.train_config import TrainConfig
from iscene_ros.lab.training.trainer import Trainer
from iscene_ros.models.mini.scene_sampler import SceneSamplerOptions


@dataclass(frozen=True)
class RunResult:
    """One trained and scored network; overlaps and F-scores in [0, 1], NaN = not measured.

    Attributes:
        variant, seed: which run.
        steps, seconds: of training.
        voxel_iou: mean over instance slots of the held-out samples, in the run's own cubes.
        object_iou, f_5mm: means over the objects of the rendered scenes, meshes against truth.
        unseen_iou: mean over those in `Scoring.unseen_layouts`.
        objects, unseen_objects: how many.
    """

    variant: str
    seed: int
    steps: int
    seconds: float
    voxel_iou: float
    object_iou: float
    f_5mm: float
    unseen_iou: float
    objects: int
    unseen_objects: int


@dataclass(frozen=True)
class Workplace:
    """Where and on what runs are made.

    Attributes:
        directory: a folder a run below it.
        cache: samples.
        device: torch device name.
        workers: processes that make samples.
    """

    directory: Path
    cache: Path
    device: str = "cpu"
    workers: int = 1


def run_ablation(ablation: Ablation, seeds: int, place: Workplace) -> Iterator[RunResult | None]:
    """Result after result, seed by seed, so that a table of few seeds is there early.

    None ends it: a signal asked for a stop. Called again, it goes on where it was.

    Raises:
        InputError: a run there was made by another recipe.
    """
    for seed in range(seeds):
        for variant, config in zip(ablation.variants, ablation.configs, strict=True):
            folder = place.directory / variant.name / f"seed_{seed}"
            config = replace(config, seed=seed)
            run = _Run(variant, config, ablation.scoring, folder)
            result = run.finished()
            if result is None:
                result = run.made(place)
            yield result
            if result is None:
                return


@dataclass(frozen=True)
class _Run:
    variant: Variant
    config: TrainConfig
    scoring: Scoring
    folder: Path

    @property
    def key(self) -> str:
        return recipe_key(self.config, self.scoring, self.variant.sampler)

    def finished(self) -> RunResult | None:
        """The result in the folder, if there is one; raises InputError for another recipe's."""
        path, begun = self.folder / "result.json", self.folder / "recipe.txt"
        if begun.exists() and begun.read_text(encoding="utf-8").strip() != self.key:
            raise InputError(
                f"{self.folder}: a run of another recipe or budget; delete it, or choose "
                "another --out"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        begun.write_text(self.key + "\n", encoding="utf-8")
        if not path.exists():
            return None
        document = json.loads(path.read_text(encoding="utf-8"))
        del document["recipe"]
        return RunResult(**document)

    def made(self, place: Workplace) -> RunResult | None:
        """Train, score, and keep the result; None: a signal asked for a stop."""
        if self.config.steps is None and not self._samples_made(place):
            return None
        trainer = Trainer(self.config, self.folder, place.cache, place.device, place.workers)
        if not trainer.run():
            return None
        progress = trainer.progress
        overlaps, f_scores, unseen = self._scores(place)
        result = RunResult(
            variant=self.variant.name,
            seed=self.config.seed,
            steps=progress.total_steps,
            seconds=round(progress.total_seconds, 1),
            voxel_iou=_last_voxel_iou(self.folder / "metrics.csv"),
            object_iou=_mean(overlaps),
            f_5mm=_mean(f_scores),
            unseen_iou=_mean(overlaps[unseen]),
            objects=len(overlaps),
            unseen_objects=int(unseen.sum()),
        )
        document = {"recipe": self.key, **asdict(result)}
        temporary = self.folder / "result.part"
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, self.folder / "result.json")
        return result

    def _samples_made(self, place: Workplace) -> bool:
        """Make all samples first: a budget of time is for training, not for waiting.

        Returns:
            False: a signal asked for a stop.
        """
        wanted = [data for phase in self.config.phases if phase.share for data in phase.sets]
        for data in wanted:
            options = self.config.shard_options(data, place.cache)
            shards = ShardSet(options, place.workers)
            with StopRequest() as stop, closing(shards):
                for index in tqdm(range(len(shards)), f"samples {data.name}", unit="shard"):
                    if stop.signal is not None:
                        return False
                    if not options.path(index).exists():
                        shards.read(index)
        return True

    def _scores(self, place: Workplace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """IoU, F@5mm and whether the layout is an unseen one, (M,) each, of scenes' objects."""
        if not self.scoring.scenes:
            return np.zeros(0), np.zeros(0), np.zeros(0, bool)
        options = CompletionOptions(
            sampler=SceneSamplerOptions(flow=self.variant.sampler),
            relations=False,
            fit=self.config.held_out.samples.fit,
        )
        model = str(self.folder / "latest.safetensors")
        completer = SceneCompleter.from_pretrained(model, place.device, options)
        scenes = EvaluationOptions(
            scenes=self.scoring.scenes, seed=self.scoring.seed, baselines=False
        )
        scored = [s for s in evaluate_scenes(completer, scenes) if s is not None]
        objects = [o for scene in scored for o in scene.objects if o.method == MODEL]
        return (
            np.array([o.score.iou for o in objects]),
            np.array([o.score.f_5mm for o in objects]),
            np.array([o.layout in self.scoring.unseen_layouts for o in objects], bool),
        )


def _last_voxel_iou(metrics: Path) -> float:
    with metrics.open(encoding="utf-8") as file:
        return float(list(csv.DictReader(file))[-1]["held_out_iou"])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
