"""Presets of the sampling: the published result, or approximations of it with less work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions
from iscene_ros.models.iscene.sampling.slat_stage import SlatOptions
from iscene_ros.models.iscene.sampling.structure_stage import StructureOptions


@dataclass(frozen=True)
class Preset:
    """Options of both stages.

    Attributes:
        name: exact, balanced, fast or structure-only.
        structure: options of the first stage.
        slat: options of the second stage; None = objects are meshed from the first stage's grid.
        release_noise: whether the second stage's noise is drawn as in the release, where the
            position of an instance's noise in the stream depends on the number of the scene slot's
            cells. Otherwise it depends on the seed and the instance's number alone.
    """

    name: str
    structure: StructureOptions
    slat: SlatOptions | None
    release_noise: bool = False


def exact(config: ReleaseConfig) -> Preset:
    """Return the published sampling: its 25 Euler steps and its noise, equal up to rounding."""
    return Preset(
        "exact",
        StructureOptions(config.structure_sampler),
        SlatOptions(config.slat_sampler),
        release_noise=True,
    )


def balanced(config: ReleaseConfig) -> Preset:
    """Return two thirds of the steps, of second order, with guidance as in the release."""
    return Preset(
        "balanced",
        StructureOptions(_fewer_steps(config.structure_sampler, BALANCED_STEPS)),
        SlatOptions(_fewer_steps(config.slat_sampler, BALANCED_STEPS)),
    )


def fast(config: ReleaseConfig) -> Preset:
    """Return ten steps of second order, with the unconditional pass in every other guided one.

    In the first stage the middle half of the blocks runs in every other step only.
    """
    structure = _fewer_steps(config.structure_sampler, FAST_STEPS)
    slat = _fewer_steps(config.slat_sampler, FAST_STEPS)
    return Preset(
        "fast",
        StructureOptions(replace(structure, guidance_every=2), deep_every=2),
        SlatOptions(replace(slat, guidance_every=2)),
    )


def structure_only(config: ReleaseConfig) -> Preset:
    """Return `exact` without the second stage: meshes of the 64^3 grid, without colours."""
    return replace(exact(config), name="structure-only", slat=None, release_noise=False)


# Shares of the release's 25 steps.
BALANCED_STEPS = 16 / 25
FAST_STEPS = 10 / 25

PRESETS: dict[str, Callable[[ReleaseConfig], Preset]] = {
    "exact": exact,
    "balanced": balanced,
    "fast": fast,
    "structure-only": structure_only,
}


def preset(name: str, config: ReleaseConfig | None = None) -> Preset:
    """Return one of `PRESETS` for a model of these sizes; None = the published ones.

    Raises:
        ValueError: there is no such preset.
    """
    if name not in PRESETS:
        raise ValueError(f"preset: {name!r}, expected one of {', '.join(PRESETS)}")
    return PRESETS[name](config or ReleaseConfig())


def _fewer_steps(sampler: SamplerOptions, share: float) -> SamplerOptions:
    """Return the sampler with this share of its steps, of second order."""
    return replace(sampler, steps=max(1, round(share * sampler.steps)), order=2)
