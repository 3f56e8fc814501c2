import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_release import BASE_ID, DENOISER, TinyPackage

from iscene_ros.cli import fetch_model, inspect_model
from iscene_ros.cli.main import main
from iscene_ros.models.inspection import key_lines, release_shape
from iscene_ros.models.iscene.packages.converted import convert
from iscene_ros.models.iscene.packages.package import read_package
from iscene_ros.models.iscene.packages.parts import DTYPES, PARTS
from iscene_ros.models.registry import checkpoint_path

# Of the published files: sha256 of the lines of `--keys`, and a few of the lines.
PUBLISHED = {
    "structure_flow": (
        "f85b297f5d871e8f35d4cf7c24b2be16abc0d927cee84e012376fed0d70a9290",
        [
            "pos_emb\t(4096, 1024)\tfloat32",
            "t_embedder.mlp.0.weight\t(1024, 256)\tfloat32",
            "blocks.0.self_attn.to_qkv.weight\t(3072, 1024)\tfloat16",
            "blocks.0.self_attn.q_rms_norm.gamma\t(16, 64)\tfloat32",
            "blocks.23.adaLN_modulation.1.weight\t(6144, 1024)\tfloat16",
            "out_layer.bias\t(8,)\tfloat32",
            "# tensors 489 params 555543560 buffers 4194304 bytes 1130721312",
        ],
    ),
    "structure_decoder": (
        "8d431c788e50da41e4f0ad43b48b0715e4efd50ac57acf0711b411b392b6b6de",
        [
            "input_layer.weight\t(512, 8, 3, 3, 3)\tfloat32",
            "middle_block.0.norm1.weight\t(512,)\tfloat32",
            "blocks.2.conv.weight\t(1024, 512, 3, 3, 3)\tfloat16",
            "out_layer.2.bias\t(1,)\tfloat32",
            "# tensors 74 params 73671201 bytes 147585412",
        ],
    ),
}


@pytest.mark.parametrize("part", PUBLISHED)
def test_keys_are_those_of_the_published_files(
    part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect-model", "--release-shape", "--keys", "--part", part]) == 0
    out = capsys.readouterr().out
    digest, lines = PUBLISHED[part]
    assert set(lines) <= set(out.splitlines())
    assert hashlib.sha256(out.encode()).hexdigest() == digest


def test_the_published_model_is_described_without_a_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["inspect-model", "--release-shape"]) == 0
    out = capsys.readouterr().out
    assert "555,543,560   1,130.7  float16, float32" in out
    assert "73,671,201     147.6  float16, float32" in out
    assert "slat_flow: resolution 64" in out


def test_all_ways_of_a_model_have_the_same_contents(
    written: TinyPackage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.safetensors"
    convert(read_package(str(written.release)), path, torch.float16)
    found = []
    for name in (written.release, path):
        assert main(["inspect-model", str(name)]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    assert found[0].startswith("model     IScene (I-Scene)\nchecksum  sha256 ")
    assert "structure_flow" in found[0]
    assert main(["inspect-model", str(path), "--keys"]) == 0
    keys = capsys.readouterr().out.splitlines()
    tiny = release_shape(read_package(str(written.release)).config)
    assert keys == key_lines(tiny.parts, prefixed=True)
    assert keys[0].startswith("conditioner.base_img_conditioner.")


def test_a_fault_is_shown_and_explained(
    written: TinyPackage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(written.release, folder)
    state = torch.load(folder / DENOISER, weights_only=True)
    state["more"] = state.pop("out_layer.bias")
    torch.save(state, folder / DENOISER)
    assert main(["inspect-model", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "would not load: structure_flow: 2 tensors differ: missing out_layer.bias" in out
    assert main(["inspect-model", str(folder), "--keys", "--part", "structure_flow"]) == 1
    assert "more\t(8,)\tfloat32" in capsys.readouterr().out
    assert main(["inspect-model", str(folder), "--part", "slat_flow"]) == 0


def test_iscene_mini_is_described_too(capsys: pytest.CaptureFixture[str]) -> None:
    parameters = sum(
        tensor.numel() for tensor in load_file(checkpoint_path("iscene-mini")).values()
    )
    assert main(["inspect-model", "iscene-mini"]) == 0
    out = capsys.readouterr().out
    assert "(iscene-mini)" in out
    assert f"{parameters:,}" in out
    assert "resolution: 64" in out
    assert main(["inspect-model", "iscene-mini", "--keys"]) == 0
    assert "\ngrid_head.bias\t(8,)\tfloat16\n" in capsys.readouterr().out
    assert main(["inspect-model", "iscene-mini", "--part", "slat_flow"]) == 2
    assert "iscene-mini has no such part" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected either NAME_OR_PATH or --release-shape"),
        (["iscene-mini", "--release-shape"], "expected either NAME_OR_PATH or --release-shape"),
        (["nothing-here"], "no such file or folder, and no hub id"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect-model", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_package_lacking_a_file_is_one_line(
    written: TinyPackage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(written.release, folder, ignore=shutil.ignore_patterns("microsoft"))
    shutil.copytree(written.base, folder / BASE_ID, ignore=shutil.ignore_patterns("slat_flow*"))
    assert main(["inspect-model", str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    names = json.loads((folder / "iscene_config.json").read_text())
    assert names["base_model_id"] == BASE_ID


def test_arguments_name_all_parts_and_precisions() -> None:
    assert inspect_model.PART_NAMES == tuple(PARTS)
    assert fetch_model.DTYPE_NAMES == tuple(DTYPES)
