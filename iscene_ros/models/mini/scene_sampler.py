"""Sampling all crops of a scene together: the scene crop once, instances in chunks beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.models.iscene.networks.scene_flow import SceneMemory
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions, sample, seeded_noise
from iscene_ros.models.mini.network import VolumeSceneFlow

SCENE_NUMBER = 0


@dataclass(frozen=True)
class SceneSamplerOptions:
    """How a scene is sampled.

    Attributes:
        flow: the integrator.
        mirror_average: average each prediction with that of the mirrored scene.
        chunk: instances computed at once, which bounds memory.
    """

    flow: SamplerOptions = SamplerOptions()
    mirror_average: bool = True
    chunk: int = 8


@dataclass(frozen=True)
class CropInputs:
    """Network inputs of S crops; row 0 is the scene crop.

    Attributes:
        volume: (S, CHANNELS, R, R, R) float32.
        positions: (S, L, 4) float32.
        numbers: S integers that seed the noise: 0 for the scene, instance ids for the others.
    """

    volume: Tensor
    positions: Tensor
    numbers: tuple[int, ...]

    def rows(self, rows: slice) -> CropInputs:
        """A part of the crops."""
        return CropInputs(self.volume[rows], self.positions[rows], self.numbers[rows])

    def mirrored(self) -> CropInputs:
        """Left and right exchanged."""
        side = round(self.positions.shape[1] ** (1 / 3))
        grid = self.positions.unflatten(1, (side, side, side)).flip(1).flatten(1, 3)
        flip_x = torch.tensor([-1.0, 1.0, 1.0, 1.0], device=grid.device)
        return CropInputs(self.volume.flip(2), grid * flip_x, self.numbers)


@dataclass(frozen=True)
class SampledCrops:
    """What was predicted for I instance crops, on the CPU.

    Attributes:
        x0: (I, R, R, R) float32.
        disagreement: (I, R, R, R) float32, half the difference of the prediction from the view and
            that from its mirror image in the last step, which `x0` averages; 0 where it does not.
    """

    x0: Tensor
    disagreement: Tensor


def sample_scene(
    network: VolumeSceneFlow,
    inputs: CropInputs,
    options: SceneSamplerOptions,
    seed: int,
    advance: Callable[[int], None] | None = None,
) -> SampledCrops:
    """The instance crops of a scene whose crop is row 0; see `SceneSampler`."""
    sampler = SceneSampler(network, options, seed, advance)
    sampler.remember_scene(inputs.rows(slice(0, 1)))
    return sampler.instances(inputs.rows(slice(1, None)))


class SceneSampler:
    """Samples crops of one scene: what its crop remembers at each time serves all its instances.

    `advance` is called with the number of network evaluations (crops x steps) just finished.
    """

    def __init__(
        self,
        network: VolumeSceneFlow,
        options: SceneSamplerOptions,
        seed: int,
        advance: Callable[[int], None] | None = None,
    ) -> None:
        self.network, self.options, self.seed = network, options, seed
        self.advance = advance or (lambda _: None)
        self.remembered: dict[tuple[float, bool, bool], SceneMemory] = {}

    @torch.inference_mode()
    def remember_scene(self, inputs: CropInputs) -> None:
        """Look at the scene's crop, the only row of the inputs."""
        self._sample(inputs, is_scene=True)

    @torch.inference_mode()
    def instances(self, inputs: CropInputs) -> SampledCrops:
        """Sample instance crops, chunk by chunk, in the scene that is remembered."""
        chunks = []
        for start in range(0, len(inputs.numbers), self.options.chunk):
            part = inputs.rows(slice(start, start + self.options.chunk))
            chunks.append(self._sample(part, is_scene=False))
        x0, disagreement = (torch.cat(parts).float().cpu() for parts in zip(*chunks, strict=True))
        return SampledCrops(x0, disagreement)

    def _sample(self, inputs: CropInputs, is_scene: bool) -> tuple[Tensor, Tensor]:
        """x0 and the disagreement of the last step."""
        side = inputs.volume.shape[-1]
        noise = [seeded_noise((side,) * 3, self.seed, n) for n in inputs.numbers]
        mirrored = inputs.mirrored() if self.options.mirror_average else None
        disagreement = torch.zeros(len(noise), side, side, side)

        def velocity(x: Tensor, time: float, conditional: bool) -> Tensor:
            nonlocal disagreement
            x0 = self._predict(inputs, x, (time, conditional, False), is_scene)
            if mirrored is not None:
                other = self._predict(mirrored, x.flip(1), (time, conditional, True), is_scene)
                other = other.flip(1)
                if conditional:
                    disagreement = 0.5 * (x0 - other)
                x0 = 0.5 * (x0 + other)
            self.advance(len(inputs.numbers))
            return (x - x0) / time

        x = torch.stack(noise).to(inputs.volume.device)
        return sample(velocity, x, self.options.flow), disagreement

    def _predict(
        self,
        inputs: CropInputs,
        noisy: Tensor,
        key: tuple[float, bool, bool],  # time, conditional, mirrored
        is_scene: bool,
    ) -> Tensor:
        time, conditional, _ = key
        volume = inputs.volume if conditional else torch.zeros_like(inputs.volume)
        times = torch.full((len(noisy),), time, device=noisy.device)
        crops = (noisy, times, volume, inputs.positions)
        if not is_scene:
            rows = torch.zeros(len(noisy), dtype=torch.int64, device=noisy.device)
            return self.network(*crops, self.remembered[key].rows(rows))[0]
        if time == self.options.flow.schedule()[-1].time:  # the scene's own result is not used
            self.remembered[key] = self.network.remember(*crops)
            return noisy
        x0, self.remembered[key] = self.network(*crops)
        return x0
