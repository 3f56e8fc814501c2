"""A random shape: of which family, and with what fine detail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from iscene_ros.synthetic.family_sizes import chance
from iscene_ros.synthetic.shape_families import FURTHER_FAMILIES, Family, random_solid
from iscene_ros.synthetic.shapes import Solid
from iscene_ros.synthetic.surface_detail import with_cut, with_details


@dataclass(frozen=True)
class ShapeOptions:
    """Probabilities; at zero nothing is drawn for them.

    Attributes:
        further_share: of objects of `FURTHER_FAMILIES`: thin, hollow, bent, jointed things.
        detail_share: of ribs, grooves, knobs, bores or rings on an object.
        cut_share: of a dent, a chip or a slice, on objects of compact families.
    """

    further_share: float = 0.0
    detail_share: float = 0.0
    cut_share: float = 0.0


def random_shape(
    rng: np.random.Generator, families: Mapping[str, Family], options: ShapeOptions
) -> tuple[str, Solid]:
    """Name of a family and a random member of it, sometimes altered."""
    further = options.further_share > 0 and chance(rng, options.further_share)
    name, solid = random_solid(rng, FURTHER_FAMILIES if further else families)
    if options.cut_share > 0 and chance(rng, options.cut_share):
        solid = with_cut(rng, name, solid)
    if options.detail_share > 0 and chance(rng, options.detail_share):
        solid = with_details(rng, name, solid)
    return name, solid
