import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tiny_release import (
    BASE_ID,
    CONDITIONER,
    DENOISER,
    STEMS,
    TinyPackage,
    base_settings,
    model_settings,
    release_settings,
)

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages.package import read_package
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions

Change = Callable[[dict[str, Any]], object]


def change(path: Path, how: Change) -> None:
    """Rewrite a settings file."""
    is_yaml = path.suffix == ".yml"
    settings = yaml.safe_load(path.read_text()) if is_yaml else json.loads(path.read_text())
    how(settings)
    path.write_text(yaml.safe_dump(settings) if is_yaml else json.dumps(settings))


def rejected(package: TinyPackage, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        read_package(str(package.release))
    assert "\n" not in str(caught.value)


def test_every_number_comes_from_the_files(package: TinyPackage) -> None:
    found = read_package(str(package.release))
    sampled = SamplerOptions(steps=25, rescale=3.0, guidance=3.0, guidance_interval=(0.5, 1.0))
    tiny = replace(ReleaseConfig.tiny(), structure_sampler=sampled, slat_sampler=sampled)
    assert found.config == tiny
    assert {part: file.path.stem for part, file in found.weights.items()} == {
        "conditioner": Path(CONDITIONER).stem,
        "structure_flow": Path(DENOISER).stem,
        "structure_decoder": Path(STEMS["sparse_structure_decoder"]).name,
        "slat_flow": Path(STEMS["slat_flow_model"]).name,
        "mesh_decoder": Path(STEMS["slat_decoder_mesh"]).name,
    }


def test_the_published_settings_give_the_published_sizes(package: TinyPackage) -> None:
    published = ReleaseConfig()
    settings = release_settings(published, "dinov2_vitl14_reg")
    (package.release / "config.yml").write_text(yaml.safe_dump(settings))
    (package.base / "pipeline.json").write_text(json.dumps(base_settings(published)))
    for key, model in model_settings(published).items():
        (package.base / f"{STEMS[key]}.json").write_text(json.dumps(model))
    assert read_package(str(package.release)).config == published


def test_steps_and_guidance_are_the_releases_own(package: TinyPackage) -> None:
    params = {"steps": 12, "cfg_strength": 7.5, "cfg_interval": [0.25, 0.75], "rescale_t": 2}
    edit(package, SAMPLER, lambda sampler: sampler.update(params=params))
    found = read_package(str(package.release)).config
    assert found.slat_sampler == SamplerOptions(25, 2.0, 3.0, (0.25, 0.75))
    assert found.structure_sampler == SamplerOptions.release()


def test_references_of_the_training_code_are_followed(package: TinyPackage) -> None:
    reference = {"exp_setting": "${dataset.args.exp_setting}"}
    edit(package, DENOISER_ARGS, lambda arguments: arguments.update(reference))
    read_package(str(package.release))
    change(package.release / "config.yml", lambda c: c.pop("dataset"))
    rejected(package, r"dataset.args.exp_setting} names a value that the file lacks")


def test_the_base_may_lie_anywhere(package: TinyPackage, tmp_path: Path) -> None:
    shutil.move(package.base, tmp_path / "base")
    apart = read_package(str(package.release), base=str(tmp_path / "base"))
    shutil.copytree(tmp_path / "base", package.release, dirs_exist_ok=True)
    together = read_package(str(package.release))
    assert together.config == apart.config
    assert together.weights["slat_flow"].path.parent.parent == package.release
    assert together.checksum() == apart.checksum()


def test_the_width_of_the_heads_gives_their_number(package: TinyPackage) -> None:
    widths = {"num_heads": None, "num_head_channels": 16}
    edit(package, DENOISER_ARGS, lambda arguments: arguments.update(widths))
    assert read_package(str(package.release)).config.structure_flow.num_heads == 3


def test_where_settings_are_silent_trellis_own_count(package: TinyPackage) -> None:
    for key in ("num_heads", "mlp_ratio", "window_size"):
        edit(package, MESH_DECODER, lambda arguments, key=key: arguments.pop(key))
    found = read_package(str(package.release)).config.mesh_decoder
    assert (found.num_heads, found.mlp_ratio, found.window_size) == (4, 4.0, 8)


# Files of the package and the place of some settings in each.
PACKAGE = ("iscene_config.json", "")
DENOISER_ARGS = ("config.yml", "models denoiser args")
ENCODER_ARGS = ("config.yml", "models img_conditioner args")
DATASET_ARGS = ("config.yml", "dataset args")
PIPELINE = (f"{BASE_ID}/pipeline.json", "")
BASE_ARGS, BASE_MODELS, SAMPLER, NORMALIZATION = (
    (f"{BASE_ID}/pipeline.json", f"args{inner}")
    for inner in ("", " models", " slat_sampler", " slat_normalization")
)
SAMPLER_PARAMS = (f"{BASE_ID}/pipeline.json", "args slat_sampler params")
SLAT_FLOW, MESH_DECODER, STRUCTURE_DECODER = (
    (f"{BASE_ID}/{STEMS[key]}.json", "args")
    for key in ("slat_flow_model", "slat_decoder_mesh", "sparse_structure_decoder")
)


def edit(package: TinyPackage, place: tuple[str, str], how: Change) -> None:
    """Change the settings at one place of a package."""
    file, keys = place

    def edit_inner(settings: dict[str, Any]) -> None:
        for key in keys.split():
            settings = settings[key]
        how(settings)

    change(package.release / file, edit_inner)


@pytest.mark.parametrize(
    ("place", "key", "message"),
    [
        (PACKAGE, "base_model_id", "iscene_config.json: key 'base_model_id' is missing"),
        (PACKAGE, "config_file", "iscene_config.json: key 'config_file' is missing"),
        (PACKAGE, "denoiser_checkpoint", "key 'denoiser_checkpoint' is missing"),
        (BASE_ARGS, "models", "args: key 'models' is missing"),
        (BASE_MODELS, "slat_flow_model", "'slat_flow_model' is missing"),
    ],
)
def test_missing_settings_are_named(
    package: TinyPackage, place: tuple[str, str], key: str, message: str
) -> None:
    edit(package, place, lambda settings: settings.pop(key))
    rejected(package, message)


@pytest.mark.parametrize(
    ("place", "key", "value", "message"),
    [
        (PACKAGE, "base_model_id", "microsoft/TRELLIS-text-large", "only microsoft/TRELLIS-image"),
        (PACKAGE, "base_model_id", 3, "base_model_id: 3, expected a text"),
        (PACKAGE, "config_file", "../config.yml", "expected one inside the package"),
        (PACKAGE, "config_file", "/etc/passwd", "expected one inside the package"),
        (PACKAGE, "denoiser_checkpoint", "ckpts/none.pt", "missing ckpts/none.pt; fetch .* fetch-"),
        (DENOISER_ARGS, "exp_setting", "global local", '"global local" is not supported'),
        (DENOISER_ARGS, "exp_setting", "local", 'exp_setting: "local" is not supported, only "glo'),
        (DATASET_ARGS, "exp_setting", "global local", 'dataset: args: exp_setting: "global local"'),
        (DENOISER_ARGS, "pe_mode", "rope", 'pe_mode: "rope" is not supported, only "ape"'),
        (DENOISER_ARGS, "qk_rms_norm", False, "qk_rms_norm: false is not supported"),
        (DENOISER_ARGS, "qk_rms_norm_cross", True, "qk_rms_norm_cross: true"),
        (DENOISER_ARGS, "share_mod", True, "share_mod: true"),
        (DENOISER_ARGS, "patch_size", 2, "patch_size: 2 is not supported, only 1"),
        (DENOISER_ARGS, "type_embedding_type", "enable_k_bias", "bias of the scene's keys.*not su"),
        (DENOISER_ARGS, "num_heads", 5, "num_heads: 5, expected a divisor of 48"),
        (DENOISER_ARGS, "num_blocks", -1, "num_blocks: -1, expected a whole number from 1"),
        (DENOISER_ARGS, "num_blocks", True, "num_blocks: true, expected a whole number"),
        (DENOISER_ARGS, "num_blocks", 10**9, "num_blocks: 1000000000, expected a whole number fro"),
        (DENOISER_ARGS, "mlp_ratio", float("nan"), "mlp_ratio: NaN, expected a number above 0"),
        (DENOISER_ARGS, "scene_context_attn_num", 9, "_num: 9, expected at most num_blocks"),
        (DENOISER_ARGS, "new_gate", True, "not known here: new_gate; this may be another version"),
        (DENOISER_ARGS, "cond_channels", 768, "structure flow: cond_channels 768, expected 48"),
        (ENCODER_ARGS, "image_cond_model", "dinov2_vitg14", "only dinov2_vitl14_reg"),
        (ENCODER_ARGS, "cond_in_channels", 7, "cond_in_channels: 7 is not supported"),
        (PIPELINE, "name", "TrellisTextTo3DPipeline", "this is a TrellisText.*, expected the .*"),
        (SAMPLER, "name", "FlowEulerSampler", 'name: "FlowEulerSampler" is not supported'),
        (SAMPLER_PARAMS, "cfg_interval", [0.9, 0.1], r"\[0.9, 0.1\], expected within 0..1"),
        (NORMALIZATION, "std", [1.0] * 7, "std: .*expected a list of 8 numbers"),
        (NORMALIZATION, "std", [0.0] * 8, "std: 0.0, expected numbers above 0"),
        (BASE_MODELS, "slat_flow_model", STEMS["slat_decoder_mesh"], '"ElasticSLatMeshDecoder" is'),
        (SLAT_FLOW, "cond_channels", 1024, "SLAT flow: cond_channels 1024, expected 48"),
        (SLAT_FLOW, "resolution", 64, "SLAT flow: resolution 64, expected 16"),
        (SLAT_FLOW, "pe_mode", "rope", 'pe_mode: "rope" is not supported'),
        (MESH_DECODER, "attn_mode", "full", 'attn_mode: "full" is not supported'),
        (MESH_DECODER, "representation_config", 4, "4, expected a mapping"),
        (STRUCTURE_DECODER, "norm_type", "group", 'norm_type: "group"'),
        (STRUCTURE_DECODER, "channels", [], r"channels: \[\], expected a list of whole"),
    ],
)
def test_settings_of_other_models_are_rejected(
    package: TinyPackage, place: tuple[str, str], key: str, value: object, message: str
) -> None:
    edit(package, place, lambda settings: settings.update({key: value}))
    rejected(package, message)


def test_missing_files_are_all_listed(package: TinyPackage) -> None:
    stem = package.base / STEMS["slat_flow_model"]
    for path in (
        package.release / DENOISER,
        package.release / CONDITIONER,
        stem.with_suffix(".safetensors"),
    ):
        path.unlink()
    rejected(package, f"missing {CONDITIONER}, {DENOISER}; fetch the whole .* LuLing/IScene")
    for name in (DENOISER, CONDITIONER):
        (package.release / name).touch()
    rejected(package, f"missing {STEMS['slat_flow_model']}.safetensors")
    stem.with_suffix(".json").unlink()
    (package.base / STEMS["slat_decoder_mesh"]).with_suffix(".json").unlink()
    rejected(
        package, rf"missing {STEMS['slat_flow_model']}.json, {STEMS['slat_decoder_mesh']}.json"
    )


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("iscene_config.json", "{", "not valid JSON .*fetch it again"),
        ("iscene_config.json", "[1]", r"\[1\], expected a mapping"),
        ("config.yml", "a: [", "not valid YAML"),
        ("config.yml", "", "nothing, expected a mapping"),
        ("config.yml", "!!python/object/apply:os.system [true]", "not valid YAML"),
    ],
)
def test_files_of_another_format(package: TinyPackage, file: str, text: str, message: str) -> None:
    (package.release / file).write_text(text)
    rejected(package, message)


def test_a_revision_of_a_folder_is_rejected(package: TinyPackage) -> None:
    with pytest.raises(ModelError, match="a folder has no revision 'v1'"):
        read_package(str(package.release), revision="v1")
    with pytest.raises(ModelError, match="revision 'v2' contradicts the name's"):
        read_package("LuLing/IScene@v1", revision="v2")
    with pytest.raises(ModelError, match="no such file or folder, and not a name on the hub"):
        read_package("./IScene")


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "global", "ape", "${models}", "${models.denoiser}", "../x", "a/b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(data=st.data())
def test_any_content_of_a_file_is_read_or_rejected(
    written: TinyPackage, data: st.DataObject
) -> None:
    stem = written.base / data.draw(st.sampled_from(sorted(STEMS.values())))
    files = [
        written.release / "iscene_config.json",
        written.release / "config.yml",
        written.base / "pipeline.json",
        *([stem.with_suffix(".json")] if stem.with_suffix(".json").exists() else []),
    ]
    path = data.draw(st.sampled_from(files))
    original = path.read_text()

    def spoil(settings: dict[str, Any]) -> None:
        inner = settings
        while True:
            key = data.draw(st.sampled_from(sorted(inner)))
            if not isinstance(inner[key], dict) or data.draw(st.booleans()):
                inner[key] = data.draw(JSON_VALUES)
                return
            inner = inner[key]

    try:
        change(path, spoil)
        read_package(str(written.release), base=str(written.base))
    except ModelError as error:
        assert "\n" not in str(error)
    finally:
        path.write_text(original)
