"""The relations that a scene graph may name, and their numbers in the relation table."""

from __future__ import annotations

# The place is the number on the wire: append, never insert or reorder.
PREDICATES = (
    "supported_by",
    "leaning_on",
    "touching",
    "inside",
    "near",
    "above",
    "below",
    "left_of",
    "right_of",
    "in_front_of",
    "behind",
    "occludes",
    "blocks_from_above",
    "same_shape",
    "mirrored",
    "supports",
    "contains",
)
OTHER_NUMBER = 255
OTHER_LABEL = "other"
_NUMBERS = {predicate: number for number, predicate in enumerate(PREDICATES)}


def predicate_number(predicate: str) -> int:
    """The uint8 of a predicate; 255 = one that has no number."""
    return _NUMBERS.get(predicate, OTHER_NUMBER)


def predicate_label(number: int) -> str:
    """The predicate of a number; "other" where it has none."""
    return PREDICATES[number] if 0 <= number < len(PREDICATES) else OTHER_LABEL
