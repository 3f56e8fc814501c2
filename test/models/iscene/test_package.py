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
    write_tiny_package,
)

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages.package import read_package
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> TinyPackage:
    return write_tiny_package(tmp_path_factory.mktemp("package"))


@pytest.fixture
def package(written: TinyPackage, tmp_path: Path) -> TinyPackage:
    """A copy to spoil."""
    folder = tmp_path / "copy"
    shutil.copytree(written.release, folder)
    return TinyPackage(folder, folder / BASE_ID)


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
    def edit(pipeline: dict[str, Any]) -> None:
        pipeline["args"]["slat_sampler"]["params"] = {
            "steps": 12,
            "cfg_strength": 7.5,
            "cfg_interval": [0.25, 0.75],
            "rescale_t": 2,
        }

    change(package.base / "pipeline.json", edit)
    found = read_package(str(package.release)).config
    assert found.slat_sampler == SamplerOptions(25, 2.0, 3.0, (0.25, 0.75))
    assert found.structure_sampler == SamplerOptions.release()


def test_references_of_the_training_code_are_followed(package: TinyPackage) -> None:
    def edit(config: dict[str, Any]) -> None:
        config["models"]["denoiser"]["args"]["exp_setting"] = "${dataset.args.exp_setting}"

    change(package.release / "config.yml", edit)
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
    def edit(config: dict[str, Any]) -> None:
        arguments = config["models"]["denoiser"]["args"]
        arguments.update(num_heads=None, num_head_channels=16)

    change(package.release / "config.yml", edit)
    assert read_package(str(package.release)).config.structure_flow.num_heads == 3


def test_where_settings_are_silent_trellis_own_count(package: TinyPackage) -> None:
    def edit(model: dict[str, Any]) -> None:
        for key in ("num_heads", "mlp_ratio", "window_size"):
            del model["args"][key]

    change((package.base / STEMS["slat_decoder_mesh"]).with_suffix(".json"), edit)
    found = read_package(str(package.release)).config.mesh_decoder
    assert (found.num_heads, found.mlp_ratio, found.window_size) == (4, 4.0, 8)


@pytest.mark.parametrize("key", ["base_model_id", "config_file", "denoiser_checkpoint"])
def test_missing_keys_of_the_package(package: TinyPackage, key: str) -> None:
    change(package.release / "iscene_config.json", lambda c: c.pop(key))
    rejected(package, f"iscene_config.json: key '{key}' is missing")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("base_model_id", "microsoft/TRELLIS-text-large", "only microsoft/TRELLIS-image-large"),
        ("base_model_id", 3, "base_model_id: 3, expected a text"),
        ("config_file", "../config.yml", "expected one inside the package"),
        ("config_file", "/etc/passwd", "expected one inside the package"),
        ("denoiser_checkpoint", "ckpts/none.pt", "missing ckpts/none.pt; fetch .* fetch-model"),
    ],
)
def test_wrong_values_of_the_package(
    package: TinyPackage, key: str, value: object, message: str
) -> None:
    change(package.release / "iscene_config.json", lambda c: c.update({key: value}))
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
    ("arguments", "message"),
    [
        ({"exp_setting": "global local"}, 'exp_setting: "global local" is not supported'),
        ({"exp_setting": "local"}, 'exp_setting: "local" is not supported, only "global"'),
        ({"pe_mode": "rope"}, 'pe_mode: "rope" is not supported, only "ape"'),
        ({"qk_rms_norm": False}, "qk_rms_norm: false is not supported"),
        ({"qk_rms_norm_cross": True}, "qk_rms_norm_cross: true"),
        ({"share_mod": True}, "share_mod: true"),
        ({"patch_size": 2}, "patch_size: 2 is not supported, only 1"),
        ({"type_embedding_type": "enable_k_bias"}, "bias of the scene's keys.*not supported"),
        ({"num_heads": 5}, "num_heads: 5, expected a divisor of 48"),
        ({"num_blocks": -1}, "num_blocks: -1, expected a whole number from 1"),
        ({"num_blocks": True}, "num_blocks: true, expected a whole number"),
        ({"num_blocks": 10**9}, "num_blocks: 1000000000, expected a whole number from 1 to"),
        ({"mlp_ratio": float("nan")}, "mlp_ratio: NaN, expected a number above 0"),
        ({"scene_context_attn_num": 9}, "scene_context_attn_num: 9, expected at most num_blocks"),
        ({"new_gate": True}, "not known here: new_gate; this may be another version"),
        ({"cond_channels": 768}, "structure flow: cond_channels 768, expected 48"),
    ],
)
def test_other_denoisers_are_rejected(
    package: TinyPackage, arguments: dict[str, object], message: str
) -> None:
    def edit(config: dict[str, Any]) -> None:
        config["models"]["denoiser"]["args"].update(arguments)

    change(package.release / "config.yml", edit)
    rejected(package, message)


def test_both_places_of_the_slots_setting_count(package: TinyPackage) -> None:
    def edit(config: dict[str, Any]) -> None:
        config["dataset"]["args"]["exp_setting"] = "global local"

    change(package.release / "config.yml", edit)
    rejected(package, 'dataset: args: exp_setting: "global local" is not supported')


@pytest.mark.parametrize(
    ("where", "how", "message"),
    [
        ("img_conditioner", {"image_cond_model": "dinov2_vitg14"}, "only dinov2_vitl14_reg"),
        ("img_conditioner", {"cond_in_channels": 7}, "cond_in_channels: 7 is not supported"),
    ],
)
def test_other_image_encoders_are_rejected(
    package: TinyPackage, where: str, how: dict[str, object], message: str
) -> None:
    change(package.release / "config.yml", lambda c: c["models"][where]["args"].update(how))
    rejected(package, message)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            lambda p: p.update(name="TrellisTextTo3DPipeline"),
            "this is a TrellisTextTo3DPipeline, expected the .* of microsoft/TRELLIS-image-large",
        ),
        (lambda p: p["args"].pop("models"), "args: key 'models' is missing"),
        (lambda p: p["args"]["models"].pop("slat_flow_model"), "'slat_flow_model' is missing"),
        (
            lambda p: p["args"]["slat_sampler"].update(name="FlowEulerSampler"),
            'name: "FlowEulerSampler" is not supported',
        ),
        (
            lambda p: p["args"]["slat_sampler"]["params"].update(cfg_interval=[0.9, 0.1]),
            r"cfg_interval: \[0.9, 0.1\], expected within 0..1",
        ),
        (
            lambda p: p["args"]["slat_normalization"]["std"].pop(),
            "std: .*expected a list of 8 numbers",
        ),
        (
            lambda p: p["args"]["slat_normalization"].update(std=[0.0] * 8),
            "std: 0.0, expected numbers above 0",
        ),
    ],
)
def test_other_pipelines_are_rejected(package: TinyPackage, how: Change, message: str) -> None:
    change(package.base / "pipeline.json", how)
    rejected(package, message)


@pytest.mark.parametrize(
    ("key", "arguments", "message"),
    [
        ("slat_flow_model", {"cond_channels": 1024}, "SLAT flow: cond_channels 1024, expected 48"),
        ("slat_flow_model", {"resolution": 64}, "SLAT flow: resolution 64, expected 16"),
        ("slat_flow_model", {"pe_mode": "rope"}, 'pe_mode: "rope" is not supported'),
        ("slat_decoder_mesh", {"attn_mode": "full"}, 'attn_mode: "full" is not supported'),
        ("slat_decoder_mesh", {"representation_config": 4}, "4, expected a mapping"),
        ("sparse_structure_decoder", {"norm_type": "group"}, 'norm_type: "group"'),
        ("sparse_structure_decoder", {"channels": []}, r"channels: \[\], expected a list of whole"),
    ],
)
def test_other_networks_of_the_base_are_rejected(
    package: TinyPackage, key: str, arguments: dict[str, object], message: str
) -> None:
    path = (package.base / STEMS[key]).with_suffix(".json")
    change(path, lambda model: model["args"].update(arguments))
    rejected(package, message)


def test_swapped_networks_are_rejected(package: TinyPackage) -> None:
    def edit(pipeline: dict[str, Any]) -> None:
        pipeline["args"]["models"]["slat_flow_model"] = STEMS["slat_decoder_mesh"]

    change(package.base / "pipeline.json", edit)
    rejected(package, 'name: "ElasticSLatMeshDecoder" is not supported, only "SLatFlowModel" or')


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
