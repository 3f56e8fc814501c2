"""A random shape: of which family, and with what fine detail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from iscene_ros.lab.synthetic.family_sizes import chance
from iscene_ros.lab.synthetic.shape_families import (
    ASSEMBLED_FAMILIES,
    FURTHER_FAMILIES,
    Family,
    random_solid,
)
from iscene_ros.lab.synthetic.shapes import Solid
from iscene_ros.lab.synthetic.surface_detail import with_cut, with_details


@dataclass(frozen=True)
class ShapeOptions:
    """Probabilities; at zero nothing is drawn for them.

    Attributes:
        assembled_share: of objects of `ASSEMBLED_FAMILIES`: compositions that are nothing known.
        further_share: of the others, of `FURTHER_FAMILIES`: thin, hollow, bent, jointed things.
        detail_share: of ribs, grooves, knobs, bores or rings on an object.
        cut_share: of a dent, a chip or a slice, on objects of compact families.
    """

    assembled_share: float = 0.0
    further_share: float = 0.0
    detail_share: float = 0.0
    cut_share: float = 0.0


def random_shape(
    rng: np.random.Generator, families: Mapping[str, Family], options: ShapeOptions
) -> tuple[str, Solid]:
    """Name of a family and a random member of it, sometimes altered."""
    if options.assembled_share > 0 and chance(rng, options.assembled_share):
        families = ASSEMBLED_FAMILIES
    elif options.further_share > 0 and chance(rng, options.further_share):
        families = FURTHER_FAMILIES
    name, solid = random_solid(rng, families)
    if options.cut_share > 0 and chance(rng, options.cut_share):
        solid = with_cut(rng, name, solid)
    if options.detail_share > 0 and chance(rng, options.detail_share):
        solid = with_details(rng, name, solid)
    return name, solid
