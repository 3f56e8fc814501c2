"""Random shapes: the families to train on, those held out, and fine detail on any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from iscene_ros.lab.synthetic.families import (
    compositions,
    geometric,
    held_out,
    household,
    kitchen,
    packaging,
    tools,
    toys,
)
from iscene_ros.lab.synthetic.primitives import chance
from iscene_ros.lab.synthetic.shapes import Solid
from iscene_ros.lab.synthetic.surface_detail import with_cut, with_details

Family = Callable[[np.random.Generator], Solid]

HELD_OUT_FAMILIES: Mapping[str, Family] = {
    "mug": held_out.mug,
    "teapot": held_out.teapot,
    "hammer": held_out.hammer,
    "u_clamp": held_out.u_clamp,
    "dumbbell": held_out.dumbbell,
    "bulb": held_out.bulb,
    "detergent_jug": held_out.detergent_jug,
    "game_controller": held_out.game_controller,
    "stapler": held_out.stapler,
    "milk_carton": held_out.milk_carton,
}

TRAINING_FAMILIES: Mapping[str, Family] = {
    family.__name__: family
    for family in (
        packaging.carton,
        packaging.rounded_block,
        packaging.can,
        packaging.bottle,
        packaging.soap_bottle,
        packaging.jar,
        packaging.vase,
        kitchen.bowl,
        kitchen.plate,
        kitchen.tumbler,
        packaging.open_bin,
        kitchen.frying_pan,
        household.shoe,
        toys.toy_animal,
        toys.toy_car,
        kitchen.spoon,
        tools.screwdriver,
        tools.power_tool,
        geometric.bracket,
        toys.banana,
        toys.fruit,
        toys.ball,
        household.book,
        geometric.wedge,
        geometric.ring,
        tools.pen,
        geometric.prism,
        geometric.composite,
        geometric.blob,
    )
}

# More thin, hollow, bent and jointed objects, drawn for `ShapeOptions.further_share`. Evaluation on
# training families uses the ones above alone.
FURTHER_FAMILIES: Mapping[str, Family] = {
    family.__name__: family
    for family in (
        kitchen.pitcher,
        kitchen.bucket,
        kitchen.saucepan,
        kitchen.goblet,
        kitchen.basket,
        geometric.bent_tube,
        geometric.half_shell,
        kitchen.ladle,
        kitchen.funnel,
        kitchen.divided_tray,
        packaging.flap_carton,
        tools.scissors,
        tools.pliers,
        tools.wrench,
        tools.knife,
        tools.wire_form,
        kitchen.fork,
        tools.brush,
        tools.bolt,
        tools.gear,
        tools.bent_sheet,
        household.spectacles,
        household.headphones,
        household.desk_lamp,
        household.stool,
        household.rack,
        packaging.squeeze_tube,
        household.boot,
        household.sandal,
        household.hat,
        packaging.pillow_pack,
    )
}

# Random compositions of parts, drawn for `ShapeOptions.assembled_share`.
ASSEMBLED_FAMILIES: Mapping[str, Family] = {
    family.__name__: family
    for family in (compositions.assembly, compositions.bent_assembly, compositions.vessel_assembly)
}

# Relative frequencies; 1 for a family without an entry. Hollow ones come to about 15 %.
FAMILY_WEIGHTS: Mapping[str, float] = {
    "carton": 3.5,
    "composite": 4.0,
    "can": 2.0,
    "bottle": 2.5,
    "blob": 2.0,
    "shoe": 1.5,
    "toy_animal": 2.0,
    "bowl": 1.5,
    "ball": 0.7,
    "pen": 0.7,
    "frying_pan": 0.6,
    "plate": 0.9,
    "assembly": 3.0,
}


def random_solid(rng: np.random.Generator, families: Mapping[str, Family]) -> tuple[str, Solid]:
    """Draw a family; return its name and a random member."""
    names = list(families)
    weights = np.array([FAMILY_WEIGHTS.get(name, 1.0) for name in names])
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    return name, families[name](rng)


@dataclass(frozen=True)
class ShapeOptions:
    """Probabilities; for those at zero no random number is drawn.

    Attributes:
        assembled_share: Share of objects from `ASSEMBLED_FAMILIES`: random compositions of parts.
        further_share: Share of the others from `FURTHER_FAMILIES`: thin, hollow, bent, jointed.
        detail_share: Share of objects with ribs, grooves, knobs, bores or rings.
        cut_share: Share of objects of compact families with a dent, a chip or a slice.
    """

    assembled_share: float = 0.0
    further_share: float = 0.0
    detail_share: float = 0.0
    cut_share: float = 0.0


PLAIN_SHAPES = ShapeOptions()


def random_shape(
    rng: np.random.Generator, families: Mapping[str, Family], options: ShapeOptions
) -> tuple[str, Solid]:
    """Draw a family; return its name and a random member, perhaps with a cut or fine detail."""
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
