"""The sizes of the published model, as in config.yml and pipeline.json of its packages."""

from __future__ import annotations

from dataclasses import dataclass, field

from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions


@dataclass(frozen=True)
class SceneFlowConfig:
    """A scene-context flow transformer (arXiv 2512.13683, section 3, on TRELLIS's structure flow).

    The defaults are the published sizes: config.yml of LuLing/IScene.

    Attributes:
        tokens_per_side: the token grid has this many tokens along each axis.
        in_channels, out_channels: of one token.
        model_channels, num_blocks, num_heads, mlp_ratio: of the transformer.
        cond_channels: width of the cross-attention context (image tokens).
        scene_context_blocks: how many of the middle blocks see the scene slot.
    """

    tokens_per_side: int = 16
    in_channels: int = 8
    out_channels: int = 8
    model_channels: int = 1024
    num_blocks: int = 24
    num_heads: int = 16
    mlp_ratio: float = 4.0
    cond_channels: int = 1024
    scene_context_blocks: int = 5

    @property
    def scene_context_range(self) -> range:
        """Indices of the blocks with scene-context attention: 10..14 of 24 in the release."""
        start = self.num_blocks // 2 - self.scene_context_blocks // 2
        return range(start, start + self.scene_context_blocks)


@dataclass(frozen=True)
class VisionConfig:
    """The image conditioner: DINOv2 ViT-L/14 with registers.

    Attributes:
        channels, num_blocks, num_heads, mlp_ratio: of the transformer.
        patch_size: side of a patch [pixels].
        registers: tokens that belong to no patch, besides the class token.
        trained_side: side of the images that its positions were trained for [pixels].
        image_side: side of its input images [pixels].
    """

    channels: int = 1024
    num_blocks: int = 24
    num_heads: int = 16
    mlp_ratio: float = 4.0
    patch_size: int = 14
    registers: int = 4
    trained_side: int = 518
    image_side: int = 518


@dataclass(frozen=True)
class StructureDecoderConfig:
    """The decoder of structure latents of 16^3 to occupancy logits of 64^3."""

    latent_channels: int = 8
    out_channels: int = 1
    channels: tuple[int, ...] = (512, 128, 32)
    num_res_blocks: int = 2
    num_res_blocks_middle: int = 2


@dataclass(frozen=True)
class SlatFlowConfig:
    """The flow of structured latents (SLAT) on occupied cells.

    Attributes:
        resolution: cells along a side.
        in_channels, out_channels: of one cell's latent.
        model_channels, num_blocks, num_heads, mlp_ratio: of the transformer.
        cond_channels: of the image tokens.
        patch_size: cells along a side of a token.
        num_io_res_blocks, io_block_channels: of the convolutions before and after it.
    """

    resolution: int = 64
    in_channels: int = 8
    out_channels: int = 8
    model_channels: int = 1024
    cond_channels: int = 1024
    num_blocks: int = 24
    num_heads: int = 16
    mlp_ratio: float = 4.0
    patch_size: int = 2
    num_io_res_blocks: int = 2
    io_block_channels: tuple[int, ...] = (128,)


@dataclass(frozen=True)
class MeshDecoderConfig:
    """The decoder of structured latents to features of FlexiCubes, on 4 times finer cells.

    Attributes:
        resolution: cells of the latents along a side.
        model_channels, num_blocks, num_heads, mlp_ratio: of the transformer.
        latent_channels: of one cell.
        window_size: side of an attention window [cells].
        use_color: whether it also gives colours and normals.
    """

    resolution: int = 64
    model_channels: int = 768
    latent_channels: int = 8
    num_blocks: int = 12
    num_heads: int = 12
    mlp_ratio: float = 4.0
    window_size: int = 8
    use_color: bool = True

    @property
    def out_channels(self) -> int:
        """Channels: 8 distances, 8 x 3 deformation, 21 weights, 8 x 6 colour and normal."""
        return 8 + 24 + 21 + (48 if self.use_color else 0)

    @property
    def out_resolution(self) -> int:
        """Cells of the mesh's grid along a side."""
        return 4 * self.resolution


@dataclass(frozen=True)
class SlatNormalization:
    """Standard deviation and mean of latents, by which samples are scaled and shifted."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def release(cls) -> SlatNormalization:
        """Return the values in pipeline.json of microsoft/TRELLIS-image-large."""
        return cls(
            mean=(
                -2.1687545776367188,
                -0.004347046371549368,
                -0.13352349400520325,
                -0.08418072760105133,
                -0.5271206498146057,
                0.7238689064979553,
                -1.1414450407028198,
                1.2039363384246826,
            ),
            std=(
                2.377650737762451,
                2.386378288269043,
                2.124418020248413,
                2.1748552322387695,
                2.663944721221924,
                2.371192216873169,
                2.6217446327209473,
                2.684523105621338,
            ),
        )


@dataclass(frozen=True)
class ReleaseConfig:
    """The whole published model: LuLing/IScene on microsoft/TRELLIS-image-large."""

    vision: VisionConfig = VisionConfig()
    structure_flow: SceneFlowConfig = field(default_factory=SceneFlowConfig)
    structure_decoder: StructureDecoderConfig = StructureDecoderConfig()
    slat_flow: SlatFlowConfig = SlatFlowConfig()
    mesh_decoder: MeshDecoderConfig = MeshDecoderConfig()
    structure_sampler: SamplerOptions = field(default_factory=SamplerOptions.release)
    slat_sampler: SamplerOptions = field(default_factory=SamplerOptions.release)
    slat_normalization: SlatNormalization = field(default_factory=SlatNormalization.release)

    @classmethod
    def tiny(cls) -> ReleaseConfig:
        """Return small sizes of the same architecture, for tests and benchmarks."""
        return cls(
            vision=VisionConfig(
                channels=48, num_blocks=2, num_heads=3, trained_side=56, image_side=56
            ),
            structure_flow=SceneFlowConfig(
                tokens_per_side=4,
                in_channels=8,
                out_channels=8,
                model_channels=48,
                num_blocks=4,
                num_heads=3,
                cond_channels=48,
                scene_context_blocks=2,
            ),
            structure_decoder=StructureDecoderConfig(
                channels=(32, 16, 8), num_res_blocks=1, num_res_blocks_middle=1
            ),
            slat_flow=SlatFlowConfig(
                resolution=16,
                model_channels=48,
                cond_channels=48,
                num_blocks=2,
                num_heads=3,
                io_block_channels=(16,),
            ),
            mesh_decoder=MeshDecoderConfig(
                resolution=16, model_channels=256, num_blocks=2, num_heads=4, window_size=4
            ),
            structure_sampler=SamplerOptions(steps=4, rescale=3.0, guidance=3.0),
            slat_sampler=SamplerOptions(steps=4, rescale=3.0, guidance=3.0),
        )
