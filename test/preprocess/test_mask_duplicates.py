"""Masks of one thing that was found twice."""

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from iscene_ros.preprocess.mask_duplicates import duplicate_of


def square(row: int, column: int, edge: int, height: int = 60, width: int = 80) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[max(row, 0) : row + edge, max(column, 0) : column + edge] = True
    return mask


def test_the_better_of_two_nearly_equal_masks_stays() -> None:
    masks = [square(10, 10, 20), square(11, 11, 20), square(10, 40, 20)]
    assert duplicate_of(masks, [0.5, 0.9, 0.1]) == {0: 1}
    assert duplicate_of(masks, [0.5, 0.5, 0.5]) == {1: 0}


def test_a_part_of_a_thing_and_a_thing_in_another_are_not_it() -> None:
    masks = [square(10, 10, 20), square(15, 15, 10), square(12, 12, 16)]
    assert duplicate_of(masks, [1, 1, 1]) == {}


def test_a_stray_pixel_makes_no_other_mask() -> None:
    stray = square(10, 10, 20)
    stray[55, 30] = True
    assert duplicate_of([square(10, 10, 20), stray], [1, 1]) == {1: 0}


def test_empty_masks_are_no_duplicates() -> None:
    assert duplicate_of([np.zeros((5, 5), bool)] * 3, [1, 1, 1]) == {}
    assert duplicate_of([], []) == {}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 70), st.floats(0, 1)), max_size=8))
def test_what_stays_covers_what_goes(things) -> None:
    masks = [square(row, column, 9) for row, column, _ in things]
    scores = [score for *_, score in things]
    twice = duplicate_of(masks, scores)
    assert not set(twice) & set(twice.values())
    for row, other in twice.items():
        assert scores[other] >= scores[row] and (masks[row] & masks[other]).any()


def test_hundreds_of_masks_take_no_time() -> None:
    masks = [square(7 * (i // 20), 30 * (i % 20), 25, 480, 640) for i in range(400)]
    started = time.process_time()
    duplicate_of(masks, [1.0] * 400)
    assert time.process_time() - started < 2
