"""Training families in groups as frequent as a kitchen and a warehouse have them.

The families of `shape_families` come in groups, each a family of its own to the scene generator,
so that open vessels, thin tools and packages are drawn as often as they stand on tables. None is
held out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from iscene_ros.lab.synthetic.families import geometric, household, kitchen, packaging, tools, toys
from iscene_ros.lab.synthetic.primitives import chance
from iscene_ros.lab.synthetic.shape_families import Family
from iscene_ros.lab.synthetic.shapes import Solid


def open_tray(rng: np.random.Generator) -> Solid:
    """Draw a shallow or deep tray with thin walls and a wide rim: trays, crates, lids."""
    return packaging.open_bin(rng) if chance(rng, 0.5) else kitchen.divided_tray(rng)


EVERYDAY_GROUPS: Mapping[str, Mapping[Family, float]] = {
    "open_vessel": {
        kitchen.tumbler: 3.0,
        kitchen.bowl: 2.5,
        kitchen.handled_pot: 4.0,
        kitchen.pitcher: 1.5,
        kitchen.saucepan: 1.0,
        kitchen.frying_pan: 1.0,
        kitchen.goblet: 0.7,
        kitchen.bucket: 0.7,
        kitchen.plate: 1.2,
    },
    "open_box": {
        packaging.open_bin: 2.0,
        open_tray: 1.0,
        kitchen.basket: 1.5,
        packaging.flap_carton: 1.2,
        geometric.half_shell: 0.5,
        kitchen.funnel: 0.4,
        geometric.bent_tube: 0.6,
    },
    "package": {
        packaging.carton: 4.0,
        packaging.can: 2.0,
        packaging.bottle: 3.0,
        packaging.soap_bottle: 1.0,
        packaging.jar: 1.2,
        packaging.rounded_block: 1.0,
        household.book: 1.0,
        packaging.pillow_pack: 0.7,
        packaging.squeeze_tube: 0.7,
    },
    "tool": {
        tools.scissors: 1.2,
        tools.pliers: 1.5,
        tools.wrench: 1.0,
        tools.knife: 1.0,
        kitchen.fork: 0.7,
        tools.brush: 0.8,
        tools.wire_form: 0.6,
        tools.screwdriver: 1.0,
        tools.power_tool: 1.2,
        kitchen.spoon: 0.8,
        kitchen.ladle: 0.5,
        tools.bolt: 0.5,
        tools.gear: 0.5,
        tools.bent_sheet: 0.7,
        tools.pen: 0.6,
    },
    "thing": {
        household.shoe: 1.5,
        toys.toy_animal: 2.0,
        toys.toy_car: 1.2,
        toys.banana: 0.8,
        toys.fruit: 1.0,
        toys.ball: 0.7,
        packaging.vase: 1.0,
        household.spectacles: 0.5,
        household.headphones: 0.6,
        household.desk_lamp: 0.5,
        household.stool: 0.5,
        household.rack: 0.5,
        household.boot: 0.5,
        household.sandal: 0.4,
        household.hat: 0.5,
    },
    "abstract": {
        geometric.composite: 3.0,
        geometric.blob: 1.5,
        geometric.bracket: 1.2,
        geometric.wedge: 0.8,
        geometric.ring: 0.8,
        geometric.prism: 0.8,
    },
}


def _member_of(group: Mapping[Family, float]) -> Family:
    """Return the family that draws a member of a group, whose values are relative frequencies."""
    members = list(group)
    weights = np.array([group[member] for member in members])
    weights = weights / weights.sum()

    def draw(rng: np.random.Generator) -> Solid:
        return members[int(rng.choice(len(members), p=weights))](rng)

    return draw


EVERYDAY_FAMILIES: Mapping[str, Family] = {
    name: _member_of(group) for name, group in EVERYDAY_GROUPS.items()
}

# What is plainly a box; see `SampleOptions.box_share`.
BOX_FAMILIES: Mapping[str, Family] = {"carton": packaging.carton, "book": household.book}
