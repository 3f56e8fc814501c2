"""Named ways to sample a scene: the published result, or less work for a slightly other one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions
from iscene_ros.models.iscene.sampling.shortcuts import Shortcuts
from iscene_ros.models.iscene.sampling.slat_stage import SlatOptions
from iscene_ros.models.iscene.sampling.structure_stage import StructureOptions


@dataclass(frozen=True)
class Preset:
    """How both stages run.

    Attributes:
        name: exact, balanced, fast or structure-only.
        structure: the first stage.
        slat: the second stage; None = objects are meshed from the first stage's grid.
        release_noise: draw the second stage's noise as the release does, which takes the scene
            slot's cells to know where in the stream an instance's noise lies. Else from the seed
            and the instance's number alone.
    """

    name: str
    structure: StructureOptions
    slat: SlatOptions | None
    release_noise: bool = False

    def within(self, memory_budget: int | None) -> Preset:
        """The same in parts that fit into so many bytes beside the weights; None = no bound."""
        structure = replace(self.structure, memory_budget=memory_budget)
        slat = self.slat and replace(self.slat, memory_budget=memory_budget)
        return replace(self, structure=structure, slat=slat)

    def with_shortcuts(self, shortcuts: Shortcuts) -> Preset:
        """The same with other shortcuts in both stages."""
        structure = replace(self.structure, shortcuts=shortcuts)
        slat = self.slat and replace(self.slat, shortcuts=shortcuts)
        return replace(self, structure=structure, slat=slat)


def exact(config: ReleaseConfig) -> Preset:
    """The published result, up to rounding: its 25 Euler steps and noise, no work twice."""
    return Preset(
        "exact",
        StructureOptions(config.structure_sampler),
        SlatOptions(config.slat_sampler),
        release_noise=True,
    )


def balanced(config: ReleaseConfig) -> Preset:
    """Two thirds of the steps, each of second order; guidance in full."""
    return Preset(
        "balanced",
        StructureOptions(_fewer_steps(config.structure_sampler, BALANCED_STEPS)),
        SlatOptions(_fewer_steps(config.slat_sampler, BALANCED_STEPS)),
    )


def fast(config: ReleaseConfig) -> Preset:
    """Ten steps of second order, the unconditional pass in every other guided one.

    In the first stage the middle half of the blocks also runs in every other step alone.
    """
    structure = _fewer_steps(config.structure_sampler, FAST_STEPS)
    slat = _fewer_steps(config.slat_sampler, FAST_STEPS)
    return Preset(
        "fast",
        StructureOptions(replace(structure, guidance_every=2), deep_every=2),
        SlatOptions(replace(slat, guidance_every=2)),
    )


def structure_only(config: ReleaseConfig) -> Preset:
    """The first stage as in `exact`; objects are meshed from its 64^3 grid, without colours."""
    return replace(exact(config), name="structure-only", slat=None, release_noise=False)


# Parts of the release's 25 steps.
BALANCED_STEPS = 16 / 25
FAST_STEPS = 10 / 25

PRESETS: dict[str, Callable[[ReleaseConfig], Preset]] = {
    "exact": exact,
    "balanced": balanced,
    "fast": fast,
    "structure-only": structure_only,
}


def preset(name: str, config: ReleaseConfig | None = None) -> Preset:
    """One of `PRESETS` for a model of these sizes; None = the published ones.

    Raises:
        ValueError: no such name.
    """
    if name not in PRESETS:
        raise ValueError(f"preset: {name!r}, expected one of {', '.join(PRESETS)}")
    return PRESETS[name](config or ReleaseConfig())


def _fewer_steps(sampler: SamplerOptions, part: float) -> SamplerOptions:
    """This part of the steps, of second order."""
    return replace(sampler, steps=max(1, round(part * sampler.steps)), order=2)
