"""Training runs small enough for tests, and the samples that they read."""

from dataclasses import replace
from pathlib import Path

from tiny_model import TINY

from iscene_ros.lab.synthetic.random_scenes import SceneOptions
from iscene_ros.lab.training.samples import SampleOptions
from iscene_ros.lab.training.shards import write_shard
from iscene_ros.lab.training.train_config import DataConfig, PhaseConfig, TrainConfig

SINGLES = SceneOptions(
    single_share=1, sparse_share=0, clutter_share=0, stack_share=0, bin_share=0, shelf_share=0
)
INSTANCES = DataConfig("instances", 1, 3, 1, SampleOptions(with_scene_crop=False, scene=SINGLES))
SCENES = DataConfig("scenes", 2, 2, 2, SampleOptions(scene=SceneOptions(max_objects=3)))
CONFIG = TrainConfig(
    model=TINY,
    phases=(PhaseConfig("scenes", SCENES, 1.0, warmup_steps=2),),
    held_out=DataConfig("held_out", 1, 1, 3, SampleOptions(held_out=True, scene=SINGLES)),
    minutes=1000.0,
    batch_crops=4,
    save_minutes=1000.0,
    evaluate_minutes=1000.0,
)
TWO_PHASES = replace(
    CONFIG, phases=(PhaseConfig("instances", INSTANCES, 0.5), PhaseConfig("scenes", SCENES, 0.5))
)


def make_samples(cache: Path) -> Path:
    """Make all shards of both configurations."""
    for data in (INSTANCES, SCENES, CONFIG.held_out):
        for index in range(data.shards):
            write_shard(CONFIG.shard_options(data, cache), index)
    return cache
