"""The sizes of a scene-context flow: written once, for the release and for iscene-mini."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from iscene_ros.core.errors import ModelError


@dataclass(frozen=True)
class SceneFlowConfig:
    """A scene-context flow transformer (arXiv 2512.13683, section 3, on TRELLIS's structure flow).

    Attributes:
        tokens_per_side: the token grid has this many tokens along each axis.
        in_channels, out_channels: of one token.
        model_channels, num_blocks, num_heads, mlp_ratio: of the transformer.
        cond_channels: width of the cross-attention context (image tokens), 0 = no cross-attention.
        scene_context_blocks: how many of the middle blocks see the scene slot.
        absolute_positions: True adds the sinusoidal grid positions of the release; False adds a
            learned projection of the tokens' scene coordinates and their slot's log zoom.
    """

    tokens_per_side: int = 8
    in_channels: int = 192
    out_channels: int = 192
    model_channels: int = 192
    num_blocks: int = 6
    num_heads: int = 6
    mlp_ratio: float = 4.0
    cond_channels: int = 0
    scene_context_blocks: int = 3
    absolute_positions: bool = False

    @classmethod
    def release(cls) -> SceneFlowConfig:
        """Return the sizes of the published denoiser: config.yml of LuLing/IScene."""
        return cls(
            tokens_per_side=16,
            in_channels=8,
            out_channels=8,
            model_channels=1024,
            num_blocks=24,
            num_heads=16,
            cond_channels=1024,
            scene_context_blocks=5,
            absolute_positions=True,
        )

    @property
    def scene_context_range(self) -> range:
        """Indices of the blocks with scene-context attention: 10..14 of 24 in the release."""
        start = self.num_blocks // 2 - self.scene_context_blocks // 2
        return range(start, start + self.scene_context_blocks)


# Options of former ablations: checkpoints name them, at the one value that is still supported.
FORMER_OPTIONS = {"prediction": "x", "own_view": False, "grid_skip": True}


@dataclass(frozen=True)
class MiniConfig:
    """iscene-mini: a convolutional stem and decoder around a small scene-context flow.

    Attributes:
        resolution: voxels along a side of a slot's grid; an even number of them a token side.
        grid_channels: channels of the convolutions, which run at half resolution.
        encoder_layers, decoder_layers: residual blocks before and after the transformer.
        middle_channels: channels of a level of convolutions between those and the tokens, at a
            quarter of the resolution; 0 = none, as the first weights were.
        middle_layers: residual blocks of it, as many before as after the transformer.
        truncation: the signed distance is cut at this many voxels, for the observation's volume and
            for the network's target alike.
        token_norm: whether tokens are normalised on their way into the transformer. Without it the
            convolutions before it may make them so large that its blocks add nothing to them; the
            first weights were trained so.
        flow: the transformer.
    """

    resolution: int = 32
    grid_channels: int = 48
    encoder_layers: int = 1
    decoder_layers: int = 2
    truncation: float = 4.0
    token_norm: bool = False
    middle_channels: int = 0
    middle_layers: int = 1
    flow: SceneFlowConfig = SceneFlowConfig()

    def __post_init__(self) -> None:
        if self.resolution % (2 * self.flow.tokens_per_side):
            raise ValueError(
                f"resolution: {self.resolution}, expected an even multiple of "
                f"tokens_per_side ({self.flow.tokens_per_side})"
            )
        if self.middle_channels and self.patch % 4:
            raise ValueError(
                f"middle_channels: {self.middle_channels}, expected 0 for tokens of "
                f"{self.patch}^3 voxels; a level between needs a multiple of 4"
            )

    @property
    def patch(self) -> int:
        """Voxels along a side of what becomes one token."""
        return self.resolution // self.flow.tokens_per_side

    def to_dict(self) -> dict:
        """Return plain numbers, for the checkpoint's metadata."""
        return asdict(self)

    @classmethod
    def from_dict(cls, numbers: dict) -> MiniConfig:
        """Return the configuration of a checkpoint's metadata, as `to_dict` gives it.

        Raises:
            ModelError: an option of former ablations has another value than in `FORMER_OPTIONS`.
        """
        numbers = dict(numbers)
        for name, value in FORMER_OPTIONS.items():
            if numbers.pop(name, value) != value:
                raise ModelError(f"model of an ablation: {name} is supported as {value} alone")
        return cls(**{**numbers, "flow": SceneFlowConfig(**numbers["flow"])})
