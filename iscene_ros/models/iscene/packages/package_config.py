"""From the settings files of the published packages to `ReleaseConfig`.

Every number is read; what would need another network or sampler is rejected by name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.config import (
    MeshDecoderConfig,
    ReleaseConfig,
    SceneFlowConfig,
    SlatFlowConfig,
    SlatNormalization,
    StructureDecoderConfig,
    VisionConfig,
)
from iscene_ros.models.iscene.packages.section import Section
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions

BASE_ID = "microsoft/TRELLIS-image-large"
BASE_PIPELINE = "TrellisImageTo3DPipeline"
# By the names that torch.hub gives DINOv2's networks; "tiny" is for tests and for measuring work.
IMAGE_ENCODERS = {"dinov2_vitl14_reg": VisionConfig(), "tiny": ReleaseConfig.tiny().vision}
# What TRELLIS's networks take where their settings are silent.
MLP_RATIO = 4.0
MIDDLE_BLOCKS = 2
IO_BLOCKS = 2
WINDOW_SIZE = 8
HEAD_CHANNELS = 64
# Arguments of a denoiser that say how it is trained or stored, not what it computes.
_TRAINING_ARGUMENTS = ("use_fp16", "use_checkpoint", "pretrained_base", "learning_pattern")


def read_vision(config: Section) -> VisionConfig:
    """Read the image conditioner of config.yml."""
    section = config.section("models", "img_conditioner", "args")
    name = section.text("image_cond_model")
    if name not in IMAGE_ENCODERS:
        raise ModelError(
            f"{section.where}: image_cond_model: {name!r} is not supported, only dinov2_vitl14_reg"
        )
    section.expect("cond_in_channels", 3)
    section.ignore("use_fp16")
    section.finish()
    return IMAGE_ENCODERS[name]


def read_structure_flow(config: Section) -> SceneFlowConfig:
    """Read the scene-context denoiser of config.yml."""
    denoiser = config.section("models", "denoiser")
    denoiser.expect("name", "SparseStructureSceneContextFlowModel")
    section = denoiser.section("args")
    _check_slots(config, section)
    _check_attention(section)
    section.expect("patch_size", 1)
    section.ignore(*_TRAINING_ARGUMENTS)
    flow = SceneFlowConfig(
        tokens_per_side=section.count("resolution"),
        scene_context_blocks=section.count("scene_context_attn_num"),
        **section.counts_of("in_channels", "out_channels", "cond_channels"),
        **_transformer(section),
    )
    section.finish()
    if flow.scene_context_blocks > flow.num_blocks:
        raise ModelError(
            f"{section.where}: scene_context_attn_num: {flow.scene_context_blocks}, expected at "
            f"most num_blocks, {flow.num_blocks}"
        )
    return flow


def read_structure_decoder(model: Section) -> StructureDecoderConfig:
    """Read the .json beside the structure decoder's weights."""
    model.expect("name", "SparseStructureDecoder")
    section = model.section("args")
    section.expect("norm_type", "layer", default="layer")
    section.ignore("use_fp16")
    decoder = StructureDecoderConfig(
        channels=section.counts("channels"),
        **section.counts_of("latent_channels", "out_channels", "num_res_blocks"),
        num_res_blocks_middle=section.count("num_res_blocks_middle", MIDDLE_BLOCKS),
    )
    section.finish()
    return decoder


def read_slat_flow(model: Section) -> SlatFlowConfig:
    """Read the .json beside the SLAT flow's weights."""
    model.expect("name", "SLatFlowModel", "ElasticSLatFlowModel")
    section = model.section("args")
    _check_attention(section)
    section.expect("use_skip_connection", True, default=True)
    section.ignore("use_fp16", "use_checkpoint")
    flow = SlatFlowConfig(
        **section.counts_of("resolution", "in_channels", "out_channels", "cond_channels"),
        **_transformer(section),
        patch_size=section.count("patch_size"),
        num_io_res_blocks=section.count("num_io_res_blocks", IO_BLOCKS),
        io_block_channels=section.counts("io_block_channels"),
    )
    section.finish()
    return flow


def read_mesh_decoder(model: Section) -> MeshDecoderConfig:
    """Read the .json beside the mesh decoder's weights."""
    model.expect("name", "SLatMeshDecoder", "ElasticSLatMeshDecoder")
    section = model.section("args")
    section.expect("attn_mode", "swin", default="swin")
    section.expect("pe_mode", "ape", default="ape")
    section.expect("qk_rms_norm", False, default=False)
    section.ignore("use_fp16", "use_checkpoint")
    representation = section.section("representation_config")
    decoder = MeshDecoderConfig(
        **section.counts_of("resolution", "latent_channels"),
        **_transformer(section),
        window_size=section.count("window_size", WINDOW_SIZE),
        use_color=representation.flag("use_color", default=False),
    )
    section.finish()
    return decoder


def read_sampler(pipeline: Section, name: str) -> SamplerOptions:
    """Read rescaling and interval of pipeline.json; steps and guidance are the release's."""
    sampler = pipeline.section("args", name)
    sampler.expect("name", "FlowEulerGuidanceIntervalSampler")
    section = sampler.section("params")
    low, high = section.numbers("cfg_interval", 2)
    if not 0 <= low <= high <= 1:
        raise ModelError(f"{section.where}: cfg_interval: [{low}, {high}], expected within 0..1")
    section.ignore("steps", "cfg_strength")
    # The release's inferencer sets its own steps and guidance in code.
    rescale = section.number("rescale_t")
    options = replace(SamplerOptions.release(), rescale=rescale, guidance_interval=(low, high))
    section.finish()
    return options


def read_normalization(pipeline: Section, channels: int) -> SlatNormalization:
    """Read the latents' mean and standard deviation, one number for each channel."""
    section = pipeline.section("args", "slat_normalization")
    mean, std = section.numbers("mean", channels), section.numbers("std", channels)
    if min(std) <= 0:
        raise ModelError(f"{section.where}: std: {min(std)}, expected numbers above 0")
    return SlatNormalization(mean, std)


def check_pipeline(pipeline: Section) -> None:
    """Reject TRELLIS's other pipelines: of text, or of a later version."""
    name = pipeline.text("name")
    if name != BASE_PIPELINE:
        raise ModelError(
            f"{pipeline.where}: this is a {name}, expected the {BASE_PIPELINE} of {BASE_ID}"
        )


def check_fit(config: ReleaseConfig, where: str) -> None:
    """Check that the parts of two packages belong together.

    Raises:
        ModelError: a part's input is not of the size that another gives; all such are listed.
    """
    flow, decoder = config.structure_flow, config.structure_decoder
    slat, mesh = config.slat_flow, config.mesh_decoder
    cells = flow.tokens_per_side * 2 ** (len(decoder.channels) - 1)
    pairs = {
        "structure flow: cond_channels": (flow.cond_channels, config.vision.channels),
        "structure flow: out_channels": (flow.out_channels, flow.in_channels),
        "structure decoder: latent_channels": (decoder.latent_channels, flow.out_channels),
        "structure decoder: out_channels": (decoder.out_channels, 1),
        "SLAT flow: resolution": (slat.resolution, cells),
        "SLAT flow: cond_channels": (slat.cond_channels, config.vision.channels),
        "SLAT flow: out_channels": (slat.out_channels, slat.in_channels),
        "mesh decoder: latent_channels": (mesh.latent_channels, slat.out_channels),
        "mesh decoder: resolution": (mesh.resolution, slat.resolution),
    }
    faults = [
        f"{name} {got}, expected {want}" for name, (got, want) in pairs.items() if got != want
    ]
    if faults:
        raise ModelError(
            f"{where}: the parts do not fit together: {'; '.join(faults)}; "
            f"the release needs {BASE_ID}"
        )


def _check_slots(config: Section, denoiser: Section) -> None:
    """Check that there are two slots, as `local` would add a third, canonical one."""
    places = [denoiser] if "exp_setting" in denoiser else []
    if "dataset" in config and "exp_setting" in config.section("dataset", "args"):
        places.append(config.section("dataset", "args"))
    for section in places or [denoiser]:
        section.expect("exp_setting", "global")


def _check_attention(section: Section) -> None:
    section.expect("pe_mode", "ape", default="ape")
    section.expect("qk_rms_norm", True)
    section.expect("qk_rms_norm_cross", False, default=False)
    section.expect("share_mod", False, default=False)
    if section.optional("type_embedding_type") is not None:
        raise ModelError(
            f"{section.where}: type_embedding_type is set: the bias of the scene's keys and the "
            "gate of its values are not supported; they are off in the published model"
        )
    section.ignore("k_bias_scale")


def _transformer(section: Section) -> dict[str, Any]:
    """Read the sizes of a transformer; TRELLIS may give the number of the heads or their width."""
    channels = section.count("model_channels")
    width = section.count("num_head_channels", HEAD_CHANNELS)
    heads = section.count("num_heads", max(channels // width, 1))
    if channels % heads:
        raise ModelError(f"{section.where}: num_heads: {heads}, expected a divisor of {channels}")
    return {
        "model_channels": channels,
        "num_blocks": section.count("num_blocks"),
        "num_heads": heads,
        "mlp_ratio": section.number("mlp_ratio", MLP_RATIO),
    }
