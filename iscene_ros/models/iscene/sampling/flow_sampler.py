"""Flow-matching sampling: the noise, and Euler steps from it to data with guidance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One step of the sampler, from one time to the next.

    Attributes:
        index: 0 for the first step.
        time, next_time: start and end of the step; 1 = noise, 0 = data.
        guided: whether guidance applies.
        fresh: whether a guided step runs the unconditional pass; otherwise it reuses the difference
            between the conditional and the unconditional velocity of the last fresh step.
    """

    index: int
    time: float
    next_time: float
    guided: bool
    fresh: bool

    @property
    def length(self) -> float:
        """Length of the step in time, positive."""
        return self.time - self.next_time


@dataclass(frozen=True)
class SamplerOptions:
    """Integration of dx/dt = v from t = 1 (noise) to t = 0 (data).

    Attributes:
        steps: number of steps.
        rescale: t' = r t / (1 + (r - 1) t); 1 = even steps. The release uses 3.
        guidance: w of classifier-free guidance, v = (1 + w) v_c - w v_u (arXiv 2207.12598);
            0 = no unconditional pass. The release uses 3.
        guidance_interval: times in which guidance applies (arXiv 2404.07724). The release uses
            (0.5, 1).
        order: 1 = Euler as in the release; 2 = Adams-Bashforth, which also uses the velocity of
            the previous step, at the same number of network calls.
        guidance_every: the unconditional pass runs in every n-th guided step; the others reuse the
            difference v_c - v_u. The release uses 1.
    """

    steps: int = 1
    rescale: float = 1.0
    guidance: float = 0.0
    guidance_interval: tuple[float, float] = (0.5, 1.0)
    order: int = 1
    guidance_every: int = 1

    @classmethod
    def release(cls) -> SamplerOptions:
        """Return the sampler of the published I-Scene: 25 steps, 19 of them guided."""
        return cls(steps=25, rescale=3.0, guidance=3.0)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps}, expected at least 1")

    def times(self) -> list[float]:
        """Return the steps + 1 times from 1 to 0."""
        even = [1 - i / self.steps for i in range(self.steps + 1)]
        return [self.rescale * t / (1 + (self.rescale - 1) * t) for t in even]

    def schedule(self) -> list[Step]:
        """Return all steps in order."""
        times = self.times()
        guided = [self.guided(time) for time in times[:-1]]
        return [
            Step(i, times[i], times[i + 1], on, on and sum(guided[:i]) % self.guidance_every == 0)
            for i, on in enumerate(guided)
        ]

    def guided(self, time: float) -> bool:
        """Return whether a step that starts at `time` uses guidance."""
        low, high = self.guidance_interval
        return self.guidance > 0 and low <= time <= high


class Guidance:
    """Classifier-free guidance: v = (1 + w) v_c - w v_u in guided steps, v_c in the others."""

    def __init__(self, options: SamplerOptions) -> None:
        self.options = options
        self._difference: Tensor | None = None

    def __call__(self, step: Step, conditional: Tensor, unconditional: Tensor | None) -> Tensor:
        """Combine the velocities of a step; the unconditional one is needed in fresh steps only."""
        weight = self.options.guidance
        if not step.guided:
            return conditional
        if not step.fresh:
            return conditional + weight * self._difference
        if self.options.guidance_every > 1:
            self._difference = conditional - unconditional
        return (1 + weight) * conditional - weight * unconditional


def integrate(
    velocity: Callable[[Tensor, Step], Tensor], noise: Tensor, options: SamplerOptions
) -> Tensor:
    """Integrate dx/dt = velocity from `noise`; return a tensor of its shape."""
    x, last, v_last = noise, None, None
    for step in options.schedule():
        v = middle = velocity(x, step)
        # The velocity jumps where guidance ends, so it is not extrapolated across that time.
        if options.order == 2 and last is not None and last.guided == step.guided:
            middle = v + (v - v_last) * (step.length / (2 * last.length))
        x = x - step.length * middle
        last, v_last = step, v
    return x


class ReleaseNoise:
    """Draws the noise that the release draws after `torch.manual_seed(seed)`, in its order."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def structure(self, channels: int, side: int) -> Tensor:
        """Return the first draw (2, C, T, T, T), on the CPU: of all instances, and of the scene."""
        return torch.randn((2, channels, side, side, side), generator=self._generator)

    def slat(
        self,
        instance_cells: tuple[int, ...],  # occupied cells of each of N instances
        scene_cells: int,
        channels: int,
    ) -> list[Tensor]:
        """Return the second draw: the rows (M_i, C) of each instance.

        The release draws instance 0, scene, instance 1, scene, ... at once; the rows of scene slots
        are dropped here.
        """
        total = sum(instance_cells) + len(instance_cells) * scene_cells
        drawn = torch.randn(total, channels, generator=self._generator)
        slots = drawn.split([n for cells in instance_cells for n in (cells, scene_cells)])
        return list(slots[::2])


def slat_noise_of(instance_cells: tuple[int, ...], channels: int, seed: int) -> list[Tensor]:
    """Return noise (M_i, C) of each instance that depends on the seed and its number alone."""
    return [
        seeded_noise((cells, channels), seed, number)
        for number, cells in enumerate(instance_cells, start=1)
    ]


def seeded_noise(shape: tuple[int, ...], seed: int, number: int) -> Tensor:
    """Return normal float32 noise on the CPU that depends on (seed, number), not on the batch."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % (1 << 63))
    return torch.randn(shape, generator=generator)
