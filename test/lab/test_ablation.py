"""Variants of a recipe: changed keys, equal budgets, finished runs kept, the table."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_run import CONFIG, SINGLES, make_samples

from iscene_ros.cli.main import main
from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.lab.synthetic.random_scenes import SceneOptions
from iscene_ros.lab.training.ablation import RunResult, Workplace, run_ablation
from iscene_ros.lab.training.ablation_config import (
    Ablation,
    Scoring,
    Variant,
    changed,
    read_ablation,
    recipe_key,
)
from iscene_ros.lab.training.ablation_report import ablation_csv, ablation_report, mean_and_spread
from iscene_ros.lab.training.equal_work import slot_work, step_work
from iscene_ros.lab.training.samples import SampleOptions, draw_view, sample_crops
from iscene_ros.lab.training.shards import write_shard
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions
from iscene_ros.preprocess.crops import CropOptions, fit_crops

ROOT = Path(__file__).parents[2]
CLUTTER = SceneOptions(
    single_share=0, sparse_share=0, stack_share=0, bin_share=0, shelf_share=0, max_objects=4
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return make_samples(tmp_path_factory.mktemp("cache"))


def ablation_of(scenes: int = 0, steps: int = 2) -> Ablation:
    flow = replace(CONFIG.model.flow, scene_context_blocks=0)
    without = replace(CONFIG, model=replace(CONFIG.model, flow=flow))
    variants = (Variant("full"), Variant("no_scene_context", "no SCA", against="full"))
    scoring = Scoring(scenes, unseen_layouts=("single",))
    return Ablation(variants, (CONFIG, without), scoring).with_budget(None, steps)


def test_finished_runs_are_kept_and_the_others_made(cache, tmp_path):
    place = Workplace(tmp_path, cache, workers=0)
    first = list(run_ablation(ablation_of(), 1, place))
    assert [(r.variant, r.seed, r.steps) for r in first] == [
        ("full", 0, 2),
        ("no_scene_context", 0, 2),
    ]
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("result.json")}
    more = list(run_ablation(ablation_of(), 2, place))
    assert repr(more[:2]) == repr(first) and [r.seed for r in more] == [0, 0, 1, 1]
    assert all(p.stat().st_mtime_ns == stamp for p, stamp in stamps.items())
    with pytest.raises(InputError, match="another recipe or budget"):
        list(run_ablation(ablation_of(steps=3), 1, place))


def test_a_run_is_scored_on_rendered_scenes_by_the_evaluation(cache, tmp_path):
    place = Workplace(tmp_path, cache, workers=0)
    ablation = ablation_of(scenes=1).only(["full"])
    (result,) = run_ablation(ablation, 1, place)
    assert result.objects >= 1 and 0 <= result.object_iou <= 1 and 0 <= result.voxel_iou <= 1
    assert json.loads((tmp_path / "full" / "seed_0" / "result.json").read_text())["steps"] == 2


def test_a_variant_asks_the_network_with_its_own_sampler(cache, tmp_path, monkeypatch):
    asked = []

    def nothing(completer, options):
        asked.append(completer.options.sampler.flow)
        return iter(())

    monkeypatch.setattr("iscene_ros.lab.training.ablation.evaluate_scenes", nothing)
    ablation = ablation_of(scenes=1)
    guided = Variant("guided", sampler=SamplerOptions(steps=2, guidance=0.5))
    ablation = replace(ablation, variants=(ablation.variants[0], guided))
    list(run_ablation(ablation, 1, Workplace(tmp_path, cache, workers=0)))
    assert asked == [SamplerOptions(), guided.sampler]
    keys = [recipe_key(CONFIG, Scoring(), v.sampler) for v in ablation.variants]
    assert keys[0] != keys[1]


def test_a_budget_of_time_begins_when_all_samples_are_made(tmp_path, monkeypatch):
    def train(config, folder, cache, *_):
        for phase in config.phases:
            options = config.shard_options(phase.data, cache)
            assert all(options.path(i).exists() for i in range(options.count))
        raise InterruptedError("begun")

    monkeypatch.setattr("iscene_ros.lab.training.ablation.Trainer", train)
    place = Workplace(tmp_path / "runs", tmp_path / "cache", workers=0)
    with pytest.raises(InterruptedError, match="begun"):
        list(run_ablation(ablation_of().with_budget(1.0, None), 1, place))


def result(variant: str, seed: int, iou: float) -> RunResult:
    return RunResult(variant, seed, 10, 3.0, iou / 2, iou, iou, iou, 5, 2)


def test_the_table_has_mean_spread_and_the_difference_seed_by_seed():
    results = [
        result("full", 0, 0.5),
        result("full", 1, 0.7),
        result("no_scene_context", 0, 0.4),
        result("no_scene_context", 1, 0.6),
    ]
    report = ablation_report(ablation_of(scenes=3), results, "iscene ablate")
    row = next(line for line in report.splitlines() if line.startswith("| no_scene_context"))
    assert "50.0 ± 14.1" in row and "-10.0 ± 0.0 against full" in row
    assert "commit" in report or "torch" in report
    assert "unseen layouts: single (2 objects)." in report
    seen = replace(ablation_of(scenes=3), scoring=Scoring(3))
    assert "(seed 1000)." in ablation_report(seen, results, "iscene ablate")
    assert ablation_csv(results).splitlines()[1].startswith("full,0,10,3.0,0.25,0.5")


def test_one_seed_has_no_spread_and_no_score_is_a_dash():
    assert mean_and_spread([0.5]) == "50.0"
    assert mean_and_spread([float("nan")]) == "-"
    assert mean_and_spread([]) == "-"


def test_changes_reach_nested_keys_and_phases_by_name():
    recipe = {"model": {"a": 1, "b": 2}, "phases": [{"name": "x", "share": 1}, {"name": "y"}]}
    new = changed(recipe, {"model": {"b": 3}, "phases": {"y": {"share": 2}}}, "here")
    assert new["model"] == {"a": 1, "b": 3}
    assert new["phases"] == [{"name": "x", "share": 1}, {"name": "y", "share": 2}]
    with pytest.raises(InputError, match="here: phases: no phase z"):
        changed(recipe, {"phases": {"z": {}}}, "here")


@pytest.mark.parametrize("name", ["ablations.yaml", "ablations_smoke.yaml"])
def test_the_shipped_ablations_differ_where_they_say(name):
    ablation = read_ablation(ROOT / "config" / name)
    configs = {v.name: c for v, c in zip(ablation.variants, ablation.configs, strict=True)}
    full = configs.pop("full")
    assert full.phases[0].data.name.startswith("instances-")
    for config in configs.values():
        assert (config.minutes, config.steps) == (full.minutes, full.steps)
        assert config != full
    assert configs["from_scratch"].phases[0].share == 0
    assert configs["from_scratch"].phases[1].data == full.phases[1].data
    assert configs["no_zoom"].phases[1].data.name != full.phases[1].data.name
    shares = configs["one_layout"].phases[1].data.samples.scene.shares()
    assert np.count_nonzero(shares) == 2  # single objects and one more


def test_the_shipped_recipes_have_equal_work_and_differ():
    ablation = read_ablation(ROOT / "config" / "recipes.yaml").with_budget(None, None)
    asked = [
        (config, variant.sampler)
        for config, variant in zip(ablation.configs, ablation.variants, strict=True)
    ]
    work = np.array([c.steps * step_work(c) for c, _ in asked])
    assert np.abs(work / work[0] - 1).max() < 0.01
    steps = {v.name: c.steps for v, (c, _) in zip(ablation.variants, asked, strict=True)}
    assert steps["voxels_32"] < steps["deep"] < steps["recipe"] < steps["small_batches"]
    assert all(a != b for i, a in enumerate(asked) for b in asked[:i])


def test_the_work_of_a_slot_is_that_of_its_products():
    model = replace(CONFIG.model, flow=replace(CONFIG.model.flow, num_blocks=1))
    more = replace(model, flow=replace(model.flow, num_blocks=2, scene_context_blocks=0))
    channels, tokens = model.flow.model_channels, model.flow.tokens_per_side**3
    hidden = int(channels * model.flow.mlp_ratio)
    products = 3 * channels + channels + 2 * hidden  # of a token with its weights
    block = 2 * tokens * channels * (products + 2 * tokens) + 2 * channels * 6 * channels
    one = replace(model, flow=replace(model.flow, scene_context_blocks=0))
    assert slot_work(more) - slot_work(one) == block


def test_equal_work_needs_steps():
    timed = replace(ablation_of(), equal_work=True)
    with pytest.raises(InputError, match="equal_work: needs a budget in steps"):
        timed.with_budget(1.0, None)


def test_a_wrong_ablation_is_refused(tmp_path, capsys):
    path = tmp_path / "a.yaml"
    path.write_text("variants: []\n")
    with pytest.raises(InputError, match="expected the keys recipe, variants"):
        read_ablation(path)
    ablation = ROOT / "config" / "ablations.yaml"
    assert main(["ablate", "--config", str(ablation), "--only", "nothing"]) == 2
    assert "no variant nothing; there are full, from_scratch" in capsys.readouterr().err


def clutter(seed: int = 3):
    return draw_view(np.random.default_rng(seed), SampleOptions(scene=CLUTTER))


def test_without_zoom_every_instance_has_the_cube_of_the_scene():
    observation = clutter().observation
    aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    zoomed, whole = (
        fit_crops(observation, aligned_frame, CropOptions(zoomed=z)) for z in (True, False)
    )
    assert len(whole.instances) == len(zoomed.instances) > 1
    assert whole.scene_cube.size == zoomed.scene_cube.size
    assert all(slot.cube is whole.scene_cube for slot in whole.instances)


def test_cubes_that_are_not_view_centric_lie_along_the_axes_of_the_world():
    """Same scene, same truth: the solid's volume is the same, its place in the cube is not."""
    view = clutter()
    options = SampleOptions(scene=CLUTTER)
    ours, yawed = (
        sample_crops(view, replace(options, view_centric=c), 24, 4.0) for c in (True, False)
    )
    axes = view.observation.world_from_camera[:3, :3]
    plan = fit_crops(view.observation, GravityAlignedFrame(axes), options.fit)
    assert np.allclose(yawed.centers[1], plan.instances[0].cube.center_aligned, atol=1e-6)
    volumes = [(s.target[1:] < 0).sum((1, 2, 3)) * (s.sizes[1:] / 24) ** 3 for s in (ours, yawed)]
    assert np.allclose(volumes[0], volumes[1], rtol=0.25)
    assert not np.allclose(ours.centers, yawed.centers, atol=1e-3)


def test_options_for_ablations_change_nothing_by_default(tmp_path):
    data = replace(CONFIG.phases[0].data, views=1, samples=SampleOptions(scene=SINGLES))
    options = CONFIG.shard_options(data, tmp_path)
    spelled = replace(options.samples, view_centric=True, fit=CropOptions(zoomed=True))
    first = write_shard(options, 0).read_bytes()
    again = write_shard(replace(options, directory=tmp_path / "b", samples=spelled), 0)
    assert again.read_bytes() == first
