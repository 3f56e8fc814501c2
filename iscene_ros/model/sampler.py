"""Flow-matching sampling: Euler steps from noise to data, with guidance in an interval of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# (noisy x_t, time t in [0, 1], conditional?) -> velocity dx/dt
Velocity = Callable[[Tensor, float, bool], Tensor]


@dataclass(frozen=True)
class SamplerOptions:
    """How to integrate dx/dt = v from t = 1 (noise) to t = 0 (data).

    Attributes:
        steps: Euler steps; for an x0-predicting network one step is the conditional mean.
        rescale: t' = r t / (1 + (r - 1) t); 1 = even steps. The release uses 3.
        guidance: w of v = (1 + w) v_c - w v_u; 0 = no unconditional pass. The release uses 3.
        guidance_interval: times in which guidance applies. The release uses (0.5, 1).
    """

    steps: int = 1
    rescale: float = 1.0
    guidance: float = 0.0
    guidance_interval: tuple[float, float] = (0.5, 1.0)

    @classmethod
    def release(cls) -> SamplerOptions:
        """The published I-Scene's sampler: 25 steps, 19 of them guided."""
        return cls(steps=25, rescale=3.0, guidance=3.0)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps}, expected at least 1")

    def times(self) -> list[float]:
        """steps + 1 times from 1 to 0."""
        even = [1 - i / self.steps for i in range(self.steps + 1)]
        return [self.rescale * t / (1 + (self.rescale - 1) * t) for t in even]

    def guided(self, time: float) -> bool:
        """Whether a step that starts at `time` uses guidance."""
        low, high = self.guidance_interval
        return self.guidance > 0 and low <= time <= high


def sample(velocity: Velocity, noise: Tensor, options: SamplerOptions) -> Tensor:
    """Integrate from `noise`; returns a tensor of its shape."""
    x = noise
    times = options.times()
    for time, next_time in zip(times, times[1:], strict=False):
        v = velocity(x, time, True)
        if options.guided(time):
            v = (1 + options.guidance) * v - options.guidance * velocity(x, time, False)
        x = x - (time - next_time) * v
    return x


def seeded_noise(shape: tuple[int, ...], seed: int, number: int) -> Tensor:
    """Normal float32 noise on the CPU that depends on (seed, number) alone, not on the batch."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % (1 << 63))
    return torch.randn(shape, generator=generator)
