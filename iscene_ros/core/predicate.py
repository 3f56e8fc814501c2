"""The predicates of the scene graph; `relations` has a rule for each of them."""

from __future__ import annotations

from enum import Enum


class Predicate(str, Enum):
    """A directed relation between a subject and an object; 0 is the environment.

    Its position gives its colour in RViz: append, never insert or reorder.
    """

    SUPPORTED_BY = "supported_by"  # rests on it: contact from below that can bear load
    LEANING_ON = "leaning_on"  # would fall or roll without this sideways contact
    TOUCHING = "touching"  # any contact, load-bearing or not
    INSIDE = "inside"  # a good part of its volume lies in the other one's cavity
    NEAR = "near"  # a gap of less than half the size of the smaller one
    ABOVE = "above"  # vertically above without contact
    BELOW = "below"
    LEFT_OF = "left_of"  # as seen by the camera, horizontally
    RIGHT_OF = "right_of"
    IN_FRONT_OF = "in_front_of"  # nearer to the camera, horizontally
    BEHIND = "behind"
    OCCLUDES = "occludes"  # hides part of it from the camera
    BLOCKS_FROM_ABOVE = "blocks_from_above"  # in the way when it is lifted straight up
    SAME_SHAPE = "same_shape"
    MIRRORED = "mirrored"  # its mirror image, in shape
    SUPPORTS = "supports"
    CONTAINS = "contains"


INVERSE = {
    Predicate.SUPPORTED_BY: Predicate.SUPPORTS,
    Predicate.INSIDE: Predicate.CONTAINS,
    Predicate.ABOVE: Predicate.BELOW,
    Predicate.LEFT_OF: Predicate.RIGHT_OF,
    Predicate.IN_FRONT_OF: Predicate.BEHIND,
    Predicate.TOUCHING: Predicate.TOUCHING,
    Predicate.NEAR: Predicate.NEAR,
    Predicate.SAME_SHAPE: Predicate.SAME_SHAPE,
    Predicate.MIRRORED: Predicate.MIRRORED,
}
INVERSE.update({inverse: predicate for predicate, inverse in INVERSE.items()})

SYMMETRIC = frozenset(predicate for predicate, inverse in INVERSE.items() if predicate is inverse)

# Predicates that RViz shows, one direction of each pair.
MARKER_PREDICATES = (
    Predicate.SUPPORTED_BY,
    Predicate.INSIDE,
    Predicate.LEANING_ON,
    Predicate.BLOCKS_FROM_ABOVE,
)

# Predicates that the image of a graph and DOT files show, one direction of each pair.
DRAWN_PREDICATES = (
    Predicate.SUPPORTED_BY,
    Predicate.LEANING_ON,
    Predicate.INSIDE,
    Predicate.BLOCKS_FROM_ABOVE,
    Predicate.SAME_SHAPE,
    Predicate.MIRRORED,
)

_NUMBERS = {predicate.value: number for number, predicate in enumerate(Predicate)}
_UNKNOWN_NUMBER = 255


def predicate_number(predicate: str) -> int:
    """Return the position of a predicate in the enumeration, for its colour; 255 = unknown."""
    return _NUMBERS.get(predicate, _UNKNOWN_NUMBER)
