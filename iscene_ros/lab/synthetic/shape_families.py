"""The families of shapes to train on, and those kept out of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from iscene_ros.lab.synthetic import abstract_families as abstract
from iscene_ros.lab.synthetic import assembled_families as assembled
from iscene_ros.lab.synthetic import household_families as household
from iscene_ros.lab.synthetic import packaging_families as packaging
from iscene_ros.lab.synthetic import thing_families as things
from iscene_ros.lab.synthetic import tool_families as tools
from iscene_ros.lab.synthetic import unseen_families as unseen
from iscene_ros.lab.synthetic import vessel_families as vessels
from iscene_ros.lab.synthetic.shapes import Solid

Family = Callable[[np.random.Generator], Solid]

HELD_OUT_FAMILIES: Mapping[str, Family] = {
    "mug": packaging.mug,
    "teapot": packaging.teapot,
    "hammer": things.hammer,
    "u_clamp": things.u_clamp,
    "dumbbell": unseen.dumbbell,
    "bulb": unseen.bulb,
    "detergent_jug": unseen.detergent_jug,
    "game_controller": unseen.game_controller,
    "stapler": unseen.stapler,
    "milk_carton": unseen.milk_carton,
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
        packaging.bowl,
        packaging.plate,
        packaging.tumbler,
        packaging.open_bin,
        packaging.frying_pan,
        things.shoe,
        things.toy_animal,
        things.toy_car,
        things.spoon,
        things.screwdriver,
        things.power_tool,
        abstract.bracket,
        things.banana,
        things.fruit,
        things.ball,
        things.book,
        abstract.wedge,
        abstract.ring,
        things.pen,
        abstract.prism,
        abstract.composite,
        abstract.blob,
    )
}

# Made later, for more thin, hollow, bent and jointed things; `SampleOptions.further_share` of the
# objects comes from here. Evaluation on training families keeps to the ones above.
FURTHER_FAMILIES: Mapping[str, Family] = {
    family.__name__: family
    for family in (
        vessels.pitcher,
        vessels.bucket,
        vessels.saucepan,
        vessels.goblet,
        vessels.basket,
        vessels.bent_tube,
        vessels.half_shell,
        vessels.ladle,
        vessels.funnel,
        vessels.divided_tray,
        vessels.flap_carton,
        tools.scissors,
        tools.pliers,
        tools.wrench,
        tools.knife,
        tools.wire_form,
        tools.fork,
        tools.brush,
        tools.bolt,
        tools.gear,
        tools.bent_sheet,
        household.spectacles,
        household.headphones,
        household.desk_lamp,
        household.stool,
        household.rack,
        household.squeeze_tube,
        household.boot,
        household.sandal,
        household.hat,
        household.pillow_pack,
    )
}

# Compositions with the parts and symmetries of made things; `assembled_share` of the objects.
ASSEMBLED_FAMILIES: Mapping[str, Family] = {
    family.__name__: family
    for family in (assembled.assembly, assembled.bent_assembly, assembled.vessel_assembly)
}

# Relative frequencies; a family without an entry counts 1. Hollow ones come to about 15 %.
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
    """Name of a randomly drawn family and a random member of it."""
    names = list(families)
    weights = np.array([FAMILY_WEIGHTS.get(name, 1.0) for name in names])
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    return name, families[name](rng)
