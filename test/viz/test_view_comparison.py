"""The picture of a scene completed from more and more views."""

import numpy as np
import torch
from fake_completer import FakeCompleter

from iscene_ros.lab.synthetic.demo_scene import demo_views
from iscene_ros.viz.view_comparison import draw_view_comparison


def test_a_column_shows_the_points_of_all_looks_until_there():
    torch.manual_seed(3)  # no choice of the scene may depend on it
    views = demo_views()[::-1]
    scene = FakeCompleter().complete(views[0])
    page = np.asarray(draw_view_comparison([scene] * 3, views))
    height, third = page.shape[0] // 2, page.shape[1] // 3
    columns = [page[height + 50 :, k * third : (k + 1) * third] for k in range(3)]
    dark = [np.count_nonzero(column.max(-1) < 120) for column in columns]
    assert dark[0] < dark[1] < dark[2]


def test_the_demo_scene_is_the_same_every_time():
    for one, other in zip(demo_views(), demo_views(), strict=True):
        np.testing.assert_array_equal(one.depth, other.depth)
        np.testing.assert_array_equal(one.masks, other.masks)
        assert one.instance_ids == (1, 2, 3) and one.masks.any(axis=(1, 2)).all()
