"""Class names as parts of other names."""

import pytest

from iscene_ros.core.slugs import letter_first, object_name, readable_label, slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ice cube tray!", "ice_cube_tray"),
        ("__Mug--3__", "mug_3"),
        ("Café crème", "cafe_creme"),
        ("", ""),
    ],
)
def test_a_slug_has_lower_case_letters_and_digits(text, expected):
    assert slug(text) == expected


def test_a_name_begins_with_a_letter():
    assert letter_first("mug_3", "object_") == "mug_3"
    assert letter_first("3", "object_") == "object_3"
    assert letter_first("", "object_") == "object"


def test_names_of_other_scripts_are_transliterated():
    pytest.importorskip("anyascii", reason="anyascii is not installed")
    assert [slug(text) for text in ("чашка", "杯子")] == ["chashka", "beizi"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("cup\n", "cup"), (" a\x00b ", "a b"), ("\n", "object"), ("", "object"), ("чашка", "чашка")],
)
def test_a_label_is_one_readable_line(text, expected):
    assert readable_label(text) == expected
    assert len(readable_label("x" * 5000)) <= 256


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("mug", "mug_1"),
        ("Ice cube tray", "ice_cube_tray_1"),
        ("7up can", "object_7up_can_1"),
        ("", "object_1"),
        ("a/../b::c", "a_b_c_1"),
        ("x" * 99, "x" * 40 + "_1"),
    ],
)
def test_an_object_is_named_after_its_class_and_id(label, name):
    assert object_name(label, 1) == name
    assert object_name(label, 1, "robot/") == f"robot/{name}"
