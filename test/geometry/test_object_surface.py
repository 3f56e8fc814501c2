"""Which points lie on the sampled surface of an object."""

from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from iscene_ros.geometry.object_surface import ObjectSurface

SIZE = np.array([0.1, 0.06, 0.12])
BOX = trimesh.creation.box(SIZE)
SURFACE = ObjectSurface.of(SimpleNamespace(mesh=BOX, size=SIZE, vertex_observed=None))


def test_points_on_the_surface_are_on_it_and_its_middle_is_not():
    on = trimesh.sample.sample_surface(BOX, 200, seed=0)[0]
    assert SURFACE.share_on(on, 0.004) > 0.95
    assert SURFACE.share_on(np.zeros((3, 3)), 0.004) == 0.0
    assert SURFACE.share_on(np.zeros((0, 3))) == 0.0


@given(st.integers(0, 10_000), st.floats(0.0, 0.2))
def test_it_is_what_a_search_for_the_nearest_sample_of_every_point_says(seed, offset):
    points = np.random.default_rng(seed).normal(offset, 0.06, (60, 3))
    distance, nearest = SURFACE.tree.query(points)
    along = np.sum(SURFACE.normals[nearest] * (points - SURFACE.points[nearest]), axis=1)
    allowed = SURFACE.tolerance[nearest]
    on = (np.abs(along) <= allowed) & (distance <= allowed + SURFACE.spacing)
    assert SURFACE.share_on(points) == pytest.approx(on.mean())
