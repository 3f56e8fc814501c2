import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import trimesh

from iscene_ros.geometry.decimation import decimate

BALLS = [trimesh.creation.icosphere(3, radius) for radius in (1.0, 2.0, 3.0, 4.0)]


def fewer(ball):
    return decimate(np.asarray(ball.vertices), np.asarray(ball.faces), 300)


def test_a_ball_keeps_its_radius_with_fewer_triangles():
    corners, triangles = fewer(BALLS[1])
    assert len(triangles) <= 300
    assert np.allclose(np.linalg.norm(corners, axis=1), 2.0, rtol=0.03)


@pytest.fixture
def eager_threads():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
def test_threads_do_not_mix_their_meshes():
    alone = [fewer(ball) for ball in BALLS]
    with ThreadPoolExecutor(len(BALLS)) as threads:
        for _ in range(20):
            for one, other in zip(alone, threads.map(fewer, BALLS), strict=True):
                np.testing.assert_array_equal(one[0], other[0])
                np.testing.assert_array_equal(one[1], other[1])
