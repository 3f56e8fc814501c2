"""The pinhole camera."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscene_ros.core.camera import Camera
from iscene_ros.core.errors import InputError

K = np.array([[500.0, 0, 319.5], [0, 510.0, 239.5], [0, 0, 1]])


@given(u=st.floats(-200, 900), v=st.floats(-200, 700), depth=st.floats(0.05, 30))
def test_unprojection_undoes_projection(u, v, depth):
    camera = Camera(640, 480, K)
    points = camera.unproject(np.array([[u, v]]), np.array([depth]))
    assert points[0, 2] == pytest.approx(depth)
    np.testing.assert_allclose(camera.project(points), [[u, v]], atol=1e-6)


PLUMB_BOB = [-0.2, 0.05, 1e-3, -2e-3, 0.01]


@pytest.mark.parametrize(
    "d", [PLUMB_BOB, [*PLUMB_BOB, 0, 0, 0], [0.4, -0.2, 1e-3, -2e-3, 0.05, 0.3, -0.1, 0.02]]
)
def test_distortion_follows_the_models_of_opencv(d):
    k1, k2, p1, p2, k3, k4, k5, k6 = (*d, 0, 0, 0)[:8]
    x, y = 0.3, -0.2
    r2 = x * x + y * y
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    expected = [
        500 * (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)) + 319.5,
        510 * (y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y) + 239.5,
    ]
    pixel = np.array([[500 * x + 319.5, 510 * y + 239.5]])
    np.testing.assert_allclose(Camera(640, 480, K, np.array(d)).distort(pixel)[0], expected)


def test_rectification_of_an_undistorted_image_changes_nothing():
    rows, columns, inside = Camera(40, 30, K * [[0.06], [0.06], [1]]).rectification_map
    assert inside.all()
    np.testing.assert_array_equal(rows, np.mgrid[:30, :40][0])
    np.testing.assert_array_equal(columns, np.mgrid[:30, :40][1])


def test_a_field_of_view_spans_the_width_of_the_image():
    camera = Camera.from_fov(640, 480, np.deg2rad(90))
    rays = camera.unproject(np.array([[-0.5, 239.5], [639.5, 239.5]]), np.ones(2))
    np.testing.assert_allclose(rays, [[-1, 0, 1], [1, 0, 1]], atol=1e-12)
    for angle in (0.0, 90.0):
        with pytest.raises(InputError, match="radians"):
            Camera.from_fov(640, 480, angle)


@pytest.mark.parametrize(
    ("k", "word"),
    [
        (np.eye(4), "9"),
        (np.full((3, 3), np.nan), "finite"),
        (np.diag([0.0, 500, 1]), "singular"),
        (np.diag([-500.0, 500, 1]), "focal"),
        (K.T, "last row"),
    ],
)
def test_a_bad_matrix_is_rejected_with_the_reason(k, word):
    with pytest.raises(InputError, match=word):
        Camera(640, 480, k)


def test_bad_distortion_is_rejected():
    with pytest.raises(InputError, match="plumb-bob"):
        Camera(640, 480, K, np.zeros(6))
    with pytest.raises(InputError, match="finite"):
        Camera(640, 480, K, np.full(5, np.nan))


@pytest.mark.parametrize("d", [[1e308] * 5, [0, 0, 0, 0, 0, -10, 0, 0]])
@pytest.mark.filterwarnings("error")
def test_rectification_stays_inside_the_image_whatever_the_coefficients(d):
    rows, columns, inside = Camera(64, 48, K * [[0.1], [0.1], [1]], np.array(d)).rectification_map
    assert rows.min() >= 0 and rows.max() < 48 and columns.min() >= 0 and columns.max() < 64
    assert not inside.all()


def test_rectification_is_computed_once_a_camera():
    camera = Camera(40, 30, K * [[0.06], [0.06], [1]], np.array([0.1, 0, 0, 0, 0]))
    assert camera.rectification_map[0] is camera.rectification_map[0]
    assert camera.same_as(Camera(40, 30, camera.k, camera.d))
    assert not camera.same_as(Camera(40, 30, camera.k)) and not camera.same_as(camera.rectified())
