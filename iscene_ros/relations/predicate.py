"""The predicates of the relation graph."""

from __future__ import annotations

from enum import Enum


class Predicate(str, Enum):
    """A directed relation between a subject and an object; 0 is the environment."""

    SUPPORTED_BY = "supported_by"  # rests on it: contact from below that can bear load
    SUPPORTS = "supports"
    LEANING_ON = "leaning_on"  # would fall or roll without this sideways contact
    TOUCHING = "touching"  # any contact, load-bearing or not
    INSIDE = "inside"  # a good part of its volume lies in the other one's hollow
    CONTAINS = "contains"
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
