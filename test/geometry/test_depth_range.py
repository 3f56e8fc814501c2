"""The range of an image around each pixel."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from iscene_ros.geometry.depth_range import range_around


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_it_is_that_of_the_filters_of_scipy(height, width, seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(height, width)).astype(np.float32)
    known = rng.random(image.shape) < 0.7
    lowest, highest = range_around(image, known)
    expected = ndimage.minimum_filter(np.where(known, image, np.float32(np.inf)), 3)
    assert lowest.dtype == np.float32 and np.array_equal(lowest, expected)
    expected = ndimage.maximum_filter(np.where(known, image, np.float32(-np.inf)), 3)
    assert np.array_equal(highest, expected)
