"""The sizes of iscene-mini."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class MiniConfig:
    """A multi-scale encoder-decoder on grids of 1/2, 1/4, 1/8 and 1/16 of the resolution.

    Attributes:
        resolution: voxels along a side of what goes in and comes out, a multiple of 16.
        truncation: distances are cut at this many voxels.
        channels: at 1/2, 1/4, 1/8 and 1/16 of the resolution, multiples of 8.
        encoder_blocks: residual blocks at each of these levels on the way down.
        decoder_blocks: residual blocks at each of these levels on the way up; the coarsest level
            has none but those of the encoder.
    """

    resolution: int = 64
    truncation: float = 8.0
    channels: tuple[int, ...] = (16, 48, 128, 192)
    encoder_blocks: tuple[int, ...] = (1, 1, 1, 2)
    decoder_blocks: tuple[int, ...] = (1, 3, 2)

    def __post_init__(self) -> None:
        for name, count in (("channels", 4), ("encoder_blocks", 4), ("decoder_blocks", 3)):
            found = getattr(self, name)
            if len(found) != count:
                raise ValueError(f"{name}: {len(found)} levels, expected {count}")
        if self.resolution % 16:
            raise ValueError(f"resolution: {self.resolution}, expected a multiple of 16")

    def to_dict(self) -> dict:
        """Plain numbers, for the checkpoint's metadata."""
        return asdict(self)

    @classmethod
    def from_dict(cls, numbers: dict) -> MiniConfig:
        """The inverse of `to_dict`."""
        made = {k: tuple(v) if isinstance(v, list) else v for k, v in numbers.items()}
        return cls(**made)
