"""Presets of the sampling: trade-offs between quality and time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.sampling.slat_stage import SlatOptions
from iscene_ros.models.iscene.sampling.structure_stage import StructureOptions

# Shares of the release's 25 steps.
STEP_SHARES = {"balanced": 16 / 25, "fast": 10 / 25}


@dataclass(frozen=True)
class Preset:
    """Options of both stages.

    Attributes:
        name: one of `model_config.PRESETS`.
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


def preset(name: str, config: ReleaseConfig) -> Preset:
    """Return a preset for a model of these sizes.

    - exact: the published sampling, its 25 Euler steps and its noise, equal up to rounding.
    - balanced: two thirds of the steps, of second order, with guidance as in the release.
    - fast: ten steps of second order. The unconditional pass runs in every other guided step and,
      in the first stage, the middle half of the blocks in every other step.
    - structure-only: exact without the second stage: meshes of the 64^3 grid, without colours.
    """
    samplers = config.structure_sampler, config.slat_sampler
    if name == "exact":
        structure, slat = samplers
        return Preset(name, StructureOptions(structure), SlatOptions(slat), release_noise=True)
    if name == "structure-only":
        return Preset(name, StructureOptions(samplers[0]), None)
    every = 2 if name == "fast" else 1
    structure, slat = (
        replace(
            sampler,
            steps=max(1, round(STEP_SHARES[name] * sampler.steps)),
            order=2,
            guidance_every=every,
        )
        for sampler in samplers
    )
    return Preset(name, StructureOptions(structure, deep_every=every), SlatOptions(slat))
