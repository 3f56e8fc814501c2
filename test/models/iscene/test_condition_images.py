"""The release's images of a frame, against Pillow and OpenCV one instance at a time."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.models.iscene.condition_images import condition_images, crop_box, cropped

cv2 = pytest.importorskip("cv2")


def colours(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (height, width, 3), np.uint8)


def rectangle(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


def slow_picture(rgb: np.ndarray, masks: np.ndarray, mask: np.ndarray, side: int) -> np.ndarray:
    """One image (3, side, side), by Pillow's crop."""
    rows, columns = np.nonzero(masks.any(axis=0))
    left, right, top, bottom = columns.min(), columns.max(), rows.min(), rows.max()
    half = int(max(right - left, bottom - top) * 1.2) // 2
    x, y = (left + right) / 2, (top + bottom) / 2
    box = x - half, y - half, x + half, y + half
    image = np.array(Image.fromarray(rgb).crop(box)).astype(np.float32) / 255.0
    for one in (masks.any(axis=0), mask):
        inside = np.array(Image.fromarray(one.astype(np.uint8) * 255).crop(box)) > 0
        image = image * inside.astype(np.float32)[..., None]
    resized = cv2.resize(image, (side, side), interpolation=cv2.INTER_LANCZOS4)
    return np.clip(resized, 0, 1).transpose(2, 0, 1)


def assert_equals_slow(rgb: np.ndarray, masks: np.ndarray, side: int) -> None:
    made = condition_images(rgb, masks, side)
    assert made.shape == (1 + len(masks), 3, side, side)
    assert made.dtype == np.float32
    for row, mask in zip(made, (masks.any(axis=0), *masks), strict=True):
        np.testing.assert_array_equal(row, slow_picture(rgb, masks, mask, side))


def test_a_real_frame_is_cropped_masked_and_resized_as_by_the_release() -> None:
    observation = arc2017_observation()
    assert_equals_slow(observation.rgb, observation.masks, 518)


def test_pictures_are_black_outside_their_masks() -> None:
    observation = arc2017_observation()
    made = condition_images(observation.rgb, observation.masks, 518)
    assert made.min() == 0 and made.max() <= 1
    box = crop_box(observation.masks.any(axis=0))
    for row, mask in zip(made[1:], observation.masks, strict=True):
        inside = cropped(mask, box)
        # Lanczos reaches 4 pixels of the crop, whatever the scale; picking the nearest adds one.
        near = cv2.dilate(inside.astype(np.uint8), np.ones((11, 11), np.uint8))
        near = cv2.resize(near, (518, 518), interpolation=cv2.INTER_NEAREST) > 0
        assert near.mean() < 0.9 and not row[:, ~near].any() and row[:, near].any()


def test_an_instance_behind_another_takes_its_pixels_from_the_same_crop() -> None:
    rgb = colours(40, 60)
    masks = np.stack(
        [
            rectangle((40, 60), slice(5, 35), slice(10, 30)),
            rectangle((40, 60), slice(10, 20), slice(25, 50)),
            rectangle((40, 60), slice(12, 13), slice(40, 41)),
            np.zeros((40, 60), bool),
        ]
    )
    assert_equals_slow(rgb, masks, 518)
    made = condition_images(rgb, masks, 518)
    assert made[3].any() and not made[4].any()


def test_a_crop_of_the_picture_s_own_side_keeps_the_pixels() -> None:
    rgb = colours(60, 60)
    mask = rectangle((60, 60), slice(10, 51), slice(10, 51))  # 40 between its outer pixels
    made = condition_images(rgb, mask[None], side=48)
    assert crop_box(mask) == (6, 6, 54, 54)
    expected = (rgb * mask[..., None])[6:54, 6:54].astype(np.float32) / 255.0
    np.testing.assert_array_equal(made[1], expected.transpose(2, 0, 1))


@pytest.mark.parametrize(
    "rows, columns, box",
    [
        # 10 between the outer pixels: int(12.0) = 12 wide around 15 and 25.
        (slice(10, 21), slice(20, 31), (19, 9, 31, 21)),
        # 11 between them: int(13.2) = 13, so 12 wide; 15.5 -> 9.5 and 21.5: to the even neighbour.
        (slice(10, 22), slice(20, 31), (19, 10, 31, 22)),
        (slice(11, 23), slice(20, 31), (19, 10, 31, 22)),
        # Beyond the frame on every side.
        (slice(0, 40), slice(0, 60), (-6, -16, 64, 54)),
        # The smallest that is left of: 3 pixels give a square of 2.
        (slice(5, 6), slice(7, 10), (7, 4, 9, 6)),
    ],
)
def test_the_crop_is_a_square_with_pillow_s_rounding(
    rows: slice, columns: slice, box: tuple[int, int, int, int]
) -> None:
    mask = rectangle((40, 60), rows, columns)
    assert crop_box(mask) == box
    assert_equals_slow(colours(40, 60), mask[None], side=28)


@given(
    top=st.integers(0, 40),
    left=st.integers(0, 40),
    height=st.integers(1, 60),
    width=st.integers(16, 60),
    instances=st.integers(1, 3),
)
def test_any_rectangle_lies_in_its_square_crop(
    top: int, left: int, height: int, width: int, instances: int
) -> None:
    shape = (100, 110)
    masks = np.zeros((instances, *shape), bool)
    masks[0] = rectangle(shape, slice(top, top + height), slice(left, left + width))
    masks[1:, top, left] = True
    x0, y0, x1, y1 = crop_box(masks.any(axis=0))
    assert x1 - x0 == y1 - y0 and all(isinstance(v, int) for v in (x0, y0, x1, y1))
    if max(height, width) > 15:
        assert x0 <= left and left + width <= x1 and y0 <= top and top + height <= y1
    assert_equals_slow(colours(*shape), masks, side=28)


def test_masks_of_which_no_picture_is_left_say_what_to_do() -> None:
    mask = rectangle((40, 60), slice(3, 5), slice(7, 8))
    with pytest.raises(InputError, match="together span 1 x 2 pixels; expected at least 3"):
        condition_images(colours(40, 60), mask[None], 518)


def test_without_opencv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ModelError, match='pip install "iscene_ros\\[release\\]"'):
        condition_images(colours(40, 60), np.ones((1, 40, 60), bool), 518)
