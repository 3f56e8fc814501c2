"""A package of the published model's formats with random weights of small sizes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages.loading import ReleaseModel, random_release
from iscene_ros.models.iscene.packages.package_config import BASE_ID

STEMS = {
    "sparse_structure_decoder": "ckpts/ss_dec_conv3d_16l8_fp16",
    "sparse_structure_flow_model": "ckpts/ss_flow_img_dit_L_16l8_fp16",
    "slat_decoder_gs": "ckpts/slat_dec_gs_swin8_B_64l8gs32_fp16",
    "slat_decoder_mesh": "ckpts/slat_dec_mesh_swin8_B_64l8m256c_fp16",
    "slat_flow_model": "ckpts/slat_flow_img_dit_L_64l8p2_fp16",
}
DENOISER, CONDITIONER = "ckpts/iscene_denoiser.pt", "ckpts/iscene_image_conditioner.pt"


@dataclass(frozen=True)
class TinyPackage:
    """The two folders of a package: `base` lies inside `release`, where it is found by its name."""

    release: Path
    base: Path


def write_tiny_package(directory: Path, seed: int = 0) -> TinyPackage:
    """Write a package of `ReleaseConfig.tiny()`: a few MB, torsos in float16."""
    package = TinyPackage(directory / "IScene", directory / "IScene" / BASE_ID)
    model = random_release(ReleaseConfig.tiny(), seed, dtype=torch.float16)
    _write_release(package.release, model)
    _write_base(package.base, model)
    return package


def _write_release(folder: Path, model: ReleaseModel) -> None:
    (folder / "ckpts").mkdir(parents=True)
    torch.save(model.structure_flow.state_dict(), folder / DENOISER)
    torch.save(model.conditioner.state_dict(), folder / CONDITIONER)
    names = {
        "base_model_id": BASE_ID,
        "config_file": "config.yml",
        "denoiser_checkpoint": DENOISER,
        "image_conditioner_checkpoint": CONDITIONER,
    }
    (folder / "iscene_config.json").write_text(json.dumps(names))
    (folder / "config.yml").write_text(yaml.safe_dump(release_settings(model.config)))


def release_settings(config: ReleaseConfig, encoder: str = "tiny") -> dict[str, Any]:
    """What config.yml of LuLing/IScene says, for other sizes."""
    flow = config.structure_flow
    denoiser = {
        "resolution": flow.tokens_per_side,
        "in_channels": flow.in_channels,
        "out_channels": flow.out_channels,
        "model_channels": flow.model_channels,
        "cond_channels": flow.cond_channels,
        "num_blocks": flow.num_blocks,
        "num_heads": flow.num_heads,
        "mlp_ratio": 4,
        "patch_size": 1,
        "pe_mode": "ape",
        "qk_rms_norm": True,
        "use_fp16": True,
        "scene_context_attn_num": flow.scene_context_blocks,
        "exp_setting": "global",
    }
    conditioner = {"image_cond_model": encoder, "cond_in_channels": 3, "use_fp16": False}
    return {
        "models": {
            "denoiser": {"name": "SparseStructureSceneContextFlowModel", "args": denoiser},
            "img_conditioner": {"name": "ImageConditioner", "args": conditioner},
        },
        "dataset": {"args": {"exp_setting": "global"}},
    }


def _write_base(folder: Path, model: ReleaseModel) -> None:
    (folder / "ckpts").mkdir(parents=True)
    (folder / "pipeline.json").write_text(json.dumps(base_settings(model.config)))
    networks = {
        "sparse_structure_decoder": model.structure_decoder,
        "slat_flow_model": model.slat_flow,
        "slat_decoder_mesh": model.mesh_decoder,
    }
    for key, settings in model_settings(model.config).items():
        path = folder / STEMS[key]
        path.with_suffix(".json").write_text(json.dumps(settings))
        save_file(networks[key].state_dict(), path.with_suffix(".safetensors"))


def base_settings(config: ReleaseConfig) -> dict[str, Any]:
    """What pipeline.json of TRELLIS-image-large says."""
    sampler = {
        "name": "FlowEulerGuidanceIntervalSampler",
        "args": {"sigma_min": 1e-05},
        "params": {"steps": 25, "cfg_strength": 5.0, "cfg_interval": [0.5, 1.0], "rescale_t": 3.0},
    }
    mean, std = config.slat_normalization.mean, config.slat_normalization.std
    arguments = {
        "models": STEMS,
        "sparse_structure_sampler": sampler,
        "slat_sampler": sampler,
        "slat_normalization": {"mean": list(mean), "std": list(std)},
        "image_cond_model": "dinov2_vitl14_reg",
    }
    return {"name": "TrellisImageTo3DPipeline", "args": arguments}


def model_settings(config: ReleaseConfig) -> dict[str, dict[str, Any]]:
    """What the .json beside each of the base's weights says."""
    decoder, flow, mesh = config.structure_decoder, config.slat_flow, config.mesh_decoder
    transformer = {"mlp_ratio": 4, "use_fp16": True}
    structure_decoder = {
        "out_channels": decoder.out_channels,
        "latent_channels": decoder.latent_channels,
        "num_res_blocks": decoder.num_res_blocks,
        "num_res_blocks_middle": decoder.num_res_blocks_middle,
        "channels": list(decoder.channels),
        "use_fp16": True,
    }
    slat_flow = transformer | {
        "resolution": flow.resolution,
        "in_channels": flow.in_channels,
        "out_channels": flow.out_channels,
        "model_channels": flow.model_channels,
        "cond_channels": flow.cond_channels,
        "num_blocks": flow.num_blocks,
        "num_heads": flow.num_heads,
        "patch_size": flow.patch_size,
        "num_io_res_blocks": flow.num_io_res_blocks,
        "io_block_channels": list(flow.io_block_channels),
        "pe_mode": "ape",
        "qk_rms_norm": True,
    }
    mesh_decoder = transformer | {
        "resolution": mesh.resolution,
        "model_channels": mesh.model_channels,
        "latent_channels": mesh.latent_channels,
        "num_blocks": mesh.num_blocks,
        "num_heads": mesh.num_heads,
        "attn_mode": "swin",
        "window_size": mesh.window_size,
        "representation_config": {"use_color": mesh.use_color},
    }
    return {
        "sparse_structure_decoder": {"name": "SparseStructureDecoder", "args": structure_decoder},
        "slat_flow_model": {"name": "ElasticSLatFlowModel", "args": slat_flow},
        "slat_decoder_mesh": {"name": "ElasticSLatMeshDecoder", "args": mesh_decoder},
    }
