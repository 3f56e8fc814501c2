"""Class names as parts of other names."""

import pytest

from iscene_ros.core.slugs import letter_first, slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Ice cube tray!", "ice_cube_tray"), ("__Mug--3__", "mug_3"), ("чашка", ""), ("", "")],
)
def test_a_slug_has_lower_case_letters_and_digits(text: str, expected: str) -> None:
    assert slug(text) == expected


def test_separator_and_kept_characters_can_be_chosen() -> None:
    assert slug("My mug_3", "-") == "my-mug-3"
    assert slug("My mug_3", "-", keep="_") == "my-mug_3"


def test_a_name_begins_with_a_letter() -> None:
    assert letter_first("mug_3", "object_") == "mug_3"
    assert letter_first("3", "object_") == "object_3"
    assert letter_first("", "object_") == "object"
