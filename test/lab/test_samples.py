"""Training samples: crops of random scenes of one or several views, their files, their pool."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_samples import empty_samples

from iscene_ros.core.errors import InputError
from iscene_ros.lab.synthetic.everyday_families import EVERYDAY_GROUPS
from iscene_ros.lab.synthetic.pack_rows import rows_of_packs
from iscene_ros.lab.synthetic.random_scenes import SceneOptions
from iscene_ros.lab.synthetic.scene_views import DrawOptions, draw_scene
from iscene_ros.lab.synthetic.shape_families import HELD_OUT_FAMILIES, ShapeOptions
from iscene_ros.lab.training import shards
from iscene_ros.lab.training.fused_views import with_ramps
from iscene_ros.lab.training.samples import SampleOptions, draw_samples
from iscene_ros.lab.training.shards import ShardSet, read_shard, write_shard
from iscene_ros.lab.training.sprint import SamplePool
from iscene_ros.lab.training.thick_walls import WALL_VOXELS, crop_distance
from iscene_ros.preprocess.view_readings import OWN

ALONE = DrawOptions(scene=SceneOptions(single_share=1.0, max_objects=1))


def test_a_shard_is_the_same_each_time_it_is_made(tmp_path):
    options = SampleOptions(base=ALONE, resolution=16, truncation=2.0, single_share=1.0)
    first = ShardSet(tmp_path / "a", 1, 2, 5, options)
    again = ShardSet(tmp_path / "b", 1, 2, 5, options)
    one, other = (read_shard(write_shard(s, 0)) for s in (first, again))
    assert len(one.target) > 0
    assert torch.equal(one.target, other.target)
    assert torch.equal(one.volumes.surface, other.volumes.surface)
    assert one.volumes.gap.shape[1:] == (8, 8, 8)
    assert (one.views == 1).all()


def test_a_shard_of_empty_scenes_gets_the_next_that_is_not(tmp_path, monkeypatch):
    drawn = iter([[], [], [empty_samples(1, 7)], [empty_samples(1)]])
    monkeypatch.setattr(shards, "draw_samples", lambda rng, options: next(drawn))
    path = write_shard(ShardSet(tmp_path, 1, 2, 5, SampleOptions()), 0)
    assert (read_shard(path).volumes.surface == 7).all()
    monkeypatch.setattr(shards, "draw_samples", lambda rng, options: [])
    with pytest.raises(InputError, match="00001.z: no object is visible"):
        write_shard(ShardSet(tmp_path, 2, 2, 5, SampleOptions()), 1)


def test_fused_samples_have_several_views():
    options = SampleOptions(base=ALONE, resolution=16, single_share=0.0)
    drawn = [draw_samples(np.random.default_rng([1, k]), options) for k in range(3)]
    counts = [int(s.views[0]) for samples in drawn for s in samples]
    assert counts and max(counts) > 1


def test_no_held_out_family_is_trained_on():
    trained = {family.__name__ for group in EVERYDAY_GROUPS.values() for family in group}
    assert not trained & set(HELD_OUT_FAMILIES)


def test_packs_in_rows_stand_beside_each_other():
    for seed in range(6):
        scene = rows_of_packs(np.random.default_rng(seed))
        placed = scene.placed()
        assert 1 <= len(placed) <= 12 and scene.segmented.any()
        if len(placed) > 1:
            assert placed[0].distance(placed[1].points_world).min() > -2e-3


def test_ramps_change_depth_at_jumps_alone():
    depth = np.full((20, 20), 0.5, np.float32)
    depth[:, 10:] = 1.0
    depth[3, 3] = 0
    ramped = with_ramps(depth, np.random.default_rng(0))
    assert (ramped[:, :6] == depth[:, :6]).all() and (ramped[:, 14:] == depth[:, 14:]).all()
    assert ((ramped[:, 9] > 0.5) & (ramped[:, 9] < 1.0)).all()


def test_the_pool_replaces_its_oldest_samples():
    pool = SamplePool(4, torch.device("cpu"), seed=0)
    pool.add(empty_samples(3, 1))
    pool.add(empty_samples(3, 2))
    assert pool.count == 4 and pool.total == 6
    kept = pool.draw(64).volumes.surface[:, 0, 0, 0]
    assert set(kept.tolist()) == {1, 2}
    assert (kept == 2).sum() > (kept == 1).sum()


def test_the_target_agrees_with_what_the_camera_saw():
    """Voxels that the camera saw to be empty are outside; the visible surface is the zero level."""
    clean = replace(ALONE, sensor=replace(ALONE.sensor, clean_share=1.0))
    options = SampleOptions(base=clean, resolution=32, single_share=1.0, ramp_share=0.0)
    sample = draw_samples(np.random.default_rng(5), options)[0]
    target, volumes = sample.target.float() / 127, sample.volumes
    free, surface = volumes.surface >= 127, volumes.surface.float() / 127
    near = (surface.abs() < 0.2) & (volumes.pixel_class == OWN) & (surface != 0)
    assert (target[free] > 0).float().mean() > 0.99
    assert target[near].abs().mean() < 0.3
    assert (target < 0).any()


def test_held_out_shapes_stay_as_they_are():
    options = DrawOptions(held_out=True, shapes=ShapeOptions(detail_share=0.5))
    with pytest.raises(InputError, match="held_out"):
        draw_scene(np.random.default_rng(0), options)


VOXEL = 1 / 32


def plate(thickness: float):
    """The distance of an endless plate in the plane x = 0 [m]."""
    return lambda points: points[:, 0].abs() - 0.5 * thickness


def in_a_crop(distance, wall_voxels=WALL_VOXELS):
    """The distance at the voxels of a crop of 1 m."""

    def centers(resolution: int) -> torch.Tensor:
        axis = torch.from_numpy((np.arange(resolution) + 0.5) / resolution - 0.5).float()
        return torch.cartesian_prod(axis, axis, axis)

    return crop_distance(distance, centers, VOXEL, 32, wall_voxels)


def test_thin_walls_are_grown_to_what_a_grid_can_hold():
    thin = in_a_crop(plate(0.3 * VOXEL))
    assert thin.min() == pytest.approx(0.5 - 0.65, abs=0.05)
    assert (thin[15:17] < 0).all()
    assert thin[10].mean() == pytest.approx(5.5 - 0.15, abs=0.05)


def test_thick_walls_stay_as_they_are():
    thick = plate(4 * VOXEL)
    assert torch.allclose(in_a_crop(thick), in_a_crop(thick, wall_voxels=0.0), atol=1e-3)


def test_cavities_stay_open():
    def two_plates(points):
        gap = 3 * VOXEL
        return ((points[:, 0].abs() - 0.5 * gap).abs() - 0.15 * VOXEL).abs() - 0.1 * VOXEL

    assert (in_a_crop(two_plates)[15:17] > 0).all()
