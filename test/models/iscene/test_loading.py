import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_release import CONDITIONER, DENOISER, STEMS, TinyPackage
from torch import Tensor

from iscene_ros.cli.main import main
from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages.converted import convert
from iscene_ros.models.iscene.packages.loading import ReleaseModel, load_release, random_release
from iscene_ros.models.iscene.packages.package import read_package
from iscene_ros.models.iscene.packages.parts import PARTS
from iscene_ros.models.iscene.sparse.tensor import CellGeometry, SparseTensor
from iscene_ros.models.registry import MINI, RELEASE, find_model

SHIPPED = Path(__file__).parents[3] / "iscene_ros/checkpoints/iscene_mini.safetensors"


@pytest.fixture(scope="module")
def converted(written: TinyPackage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("converted") / "release.safetensors"
    convert(read_package(str(written.release)), path, torch.float16)
    return path


def tensors(model: ReleaseModel) -> dict[str, Tensor]:
    return {
        f"{part}.{name}": tensor
        for part in PARTS
        for name, tensor in getattr(model, part).state_dict().items()
    }


def assert_same_numbers(one: ReleaseModel, other: ReleaseModel) -> None:
    first, second = tensors(one), tensors(other)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor.float(), second[name].float()), name


def change_state(path: Path, how: Callable[[dict[str, Tensor]], object]) -> None:
    """Rewrite a file of weights."""
    if path.suffix == ".pt":
        state = torch.load(path, weights_only=True)
        how(state)
        torch.save(state, path)
    else:
        state = load_file(path)
        how(state)
        save_file(state, path)


def test_a_folder_loads_as_it_was_written(written: TinyPackage) -> None:
    model = load_release(written.release)
    assert (model.name, model.device, model.dtype) == ("IScene", "cpu", torch.float32)
    assert all(t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors(model).values())
    assert_same_numbers(model, random_release(ReleaseConfig.tiny(), dtype=torch.float16))
    for part in PARTS:
        assert not getattr(model, part).training
        assert not any(p.requires_grad for p in getattr(model, part).parameters())


def test_only_torsos_have_the_requested_precision(written: TinyPackage) -> None:
    model = load_release(written.release, dtype=torch.bfloat16)
    kept = {name: t.dtype for name, t in tensors(model).items()}
    assert kept["structure_flow.blocks.0.mlp.mlp.0.weight"] == torch.bfloat16
    assert kept["structure_decoder.blocks.0.conv1.bias"] == torch.bfloat16
    assert kept["slat_flow.blocks.0.self_attn.to_qkv.weight"] == torch.bfloat16
    for name in (
        "structure_flow.pos_emb",
        "structure_flow.input_layer.weight",
        "structure_flow.t_embedder.mlp.0.weight",
        "structure_flow.blocks.0.norm2.weight",
        "structure_flow.blocks.0.self_attn.q_rms_norm.gamma",
        "structure_decoder.out_layer.2.weight",
        "slat_flow.out_layer.weight",
    ):
        assert kept[name] == torch.float32, name
    assert {d for n, d in kept.items() if n.startswith("conditioner.")} == {torch.float32}


def test_a_converted_file_is_the_same_model(written: TinyPackage, converted: Path) -> None:
    folder, file = load_release(written.release), load_release(converted)
    assert_same_numbers(folder, file)
    assert (file.name, file.checksum, file.config) == (folder.name, folder.checksum, folder.config)


def test_the_checksum_is_of_the_weights(package: TinyPackage, written: TinyPackage) -> None:
    before = read_package(str(written.release)).checksum()
    assert read_package(str(package.release)).checksum() == before
    change_state(package.release / DENOISER, lambda s: s["out_layer.bias"].add_(1))
    assert read_package(str(package.release)).checksum() != before


def test_weights_stay_views_of_the_file(converted: Path) -> None:
    """On a CPU a tensor of the right precision is not copied: it lies in a mapping of the file."""
    model = load_release(converted, dtype=torch.float16)
    mapped = [
        range(*(int(end, 16) for end in line.split()[0].split("-")))
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith(str(converted))
    ]
    assert mapped
    for name, tensor in tensors(model).items():
        assert any(tensor.data_ptr() in addresses for addresses in mapped), name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_converted_file_has_the_requested_precision(
    written: TinyPackage, tmp_path: Path, dtype: torch.dtype
) -> None:
    path = tmp_path / "release.safetensors"
    convert(read_package(str(written.release)), path, dtype)
    stored = load_file(path)
    assert stored["slat_flow.blocks.0.mlp.mlp.0.weight"].dtype == dtype
    assert stored["conditioner.base_img_conditioner.cls_token"].dtype == torch.float32
    assert_same_numbers(load_release(path), load_release(written.release, dtype=dtype))


def test_a_full_disk_leaves_the_earlier_file(
    written: TinyPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, path = read_package(str(written.release)), tmp_path / "release.safetensors"
    path.write_text("earlier")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("iscene_ros.models.iscene.packages.converted.save_file", full)
    with pytest.raises(ModelError, match="cannot be written .*No space left"):
        convert(package, path, torch.float16)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10**6}))
    with pytest.raises(ModelError, match=r"the disk is full \(0.01 GB needed, 0.00 GB free\)"):
        convert(package, path, torch.float16)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(path.name, "earlier")]


def test_differences_of_the_tensors_are_listed(package: TinyPackage) -> None:
    def spoil(state: dict[str, Tensor]) -> None:
        del state["out_layer.bias"]
        state["blocks.0.extra"] = torch.zeros(3)
        state["pos_emb"] = state["pos_emb"][:-1].clone()

    change_state(package.release / DENOISER, spoil)
    with pytest.raises(
        ModelError,
        match=rf"{DENOISER}: 3 tensors differ: missing out_layer.bias; "
        r"pos_emb is \(63, 48\), expected \(64, 48\); unexpected blocks.0.extra",
    ):
        load_release(package.release)


def test_many_differences_are_counted(package: TinyPackage) -> None:
    path = (package.base / STEMS["slat_flow_model"]).with_suffix(".safetensors")
    shutil.copy((package.base / STEMS["slat_decoder_mesh"]).with_suffix(".safetensors"), path)
    with pytest.raises(ModelError, match=r"\d\d+ tensors differ: .*; \.\.\.$"):
        load_release(package.release)


def test_a_file_that_could_run_code_is_not_loaded(package: TinyPackage, tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"pos_emb": Code()}, package.release / DENOISER)
    with pytest.raises(ModelError, match="could run code it is not loaded"):
        load_release(package.release)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {"a": torch.zeros(1)}}, "plain state dict, but 'state_dict' is no tensor"),
        ([torch.zeros(1)], "holds a list, expected names and tensors"),
        ({}, "holds a dict, expected names and tensors"),
    ],
)
def test_other_contents_are_named(package: TinyPackage, content: object, message: str) -> None:
    torch.save(content, package.release / CONDITIONER)
    with pytest.raises(ModelError, match=message):
        load_release(package.release)


@pytest.mark.parametrize("part", ["conditioner", "slat_flow"])
@pytest.mark.parametrize("kept", [0, 100, 0.5])
def test_truncated_weights_say_fetch_again(package: TinyPackage, part: str, kept: float) -> None:
    path = read_package(str(package.release)).weights[part].path
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises(ModelError, match=f"{path.name}: .*fetch") as caught:
        load_release(package.release)
    assert "\n" not in str(caught.value)


def test_truncated_converted_files_say_fetch_again(converted: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    path.write_bytes(converted.read_bytes()[: converted.stat().st_size // 2])
    with pytest.raises(ModelError, match="half.safetensors: cannot be read"):
        load_release(path)


def test_a_file_of_the_other_model_is_rejected_by_name() -> None:
    with pytest.raises(ModelError, match="format 'iscene-mini/2', expected 'iscene-release/1'"):
        load_release(SHIPPED)


def test_a_converted_file_has_no_base(converted: Path) -> None:
    with pytest.raises(ModelError, match="has no base; leave it out"):
        load_release(converted, base="folder")


def test_kinds_of_models_are_distinguished(
    written: TinyPackage, converted: Path, tmp_path: Path
) -> None:
    for name in (written.release, converted, "LuLing/IScene", "LuLing/IScene@main"):
        assert find_model(name) is RELEASE
    for name in (SHIPPED, "iscene-mini", "runs/best.safetensors", "./models/x"):
        assert find_model(name) is MINI
    with pytest.raises(ModelError, match="TRELLIS package is only the base"):
        find_model(written.base)
    with pytest.raises(ModelError, match="no iscene_config.json"):
        find_model(tmp_path)
    expected = r"expected iscene-mini/2 \(iscene-mini\) or iscene-release/ \(I-Scene\)"
    with pytest.raises(ModelError, match=expected):
        find_model(written.base / f"{STEMS['slat_flow_model']}.safetensors")


def test_random_weights_depend_on_the_seed_alone() -> None:
    config = ReleaseConfig.tiny()
    first, again, other = (random_release(config, seed) for seed in (1, 1, 2))
    assert_same_numbers(first, again)
    changed = tensors(other)
    for name, tensor in tensors(first).items():
        assert tensor.numel() == 1 or tensor.std() > 0, name
        assert not torch.equal(tensor, changed[name]), name


def test_every_part_computes_something(written: TinyPackage) -> None:
    """Nothing stayed on the meta device, also of what no state dict holds."""
    model = load_release(written.release)
    flow, vision = model.config.structure_flow, model.config.vision
    images = torch.rand(1, 3, vision.image_side, vision.image_side)
    context = model.conditioner(images)
    time = torch.ones(1)
    latents = torch.randn(1, flow.tokens_per_side**3, flow.in_channels)
    velocity, _ = model.structure_flow(latents, time, context=context)
    grid = velocity.transpose(1, 2).reshape(1, -1, *[flow.tokens_per_side] * 3)
    logits = model.structure_decoder(grid)
    cells = torch.tensor([[2, 3, 4], [2, 3, 5], [7, 8, 9]])
    slat = SparseTensor(
        CellGeometry(cells, (3,)), torch.randn(3, model.config.slat_flow.in_channels)
    )
    slat_velocity = model.slat_flow(slat, time, context)
    features = model.mesh_decoder(slat).features
    assert (logits > 0).any()
    assert features.shape == (3 * 4**3, model.config.mesh_decoder.out_channels)
    for result in (logits, slat_velocity, features):
        assert result.isfinite().all()
        assert result.std() > 0


def test_a_full_device_is_one_line(written: TinyPackage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Tensor:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Tensor, "to", full)
    with pytest.raises(ModelError, match="does not fit into the memory of cuda; free some, or use"):
        load_release(written.release, device="cuda")


def test_fetch_model_converts_a_folder(
    written: TinyPackage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.safetensors"
    assert main(["fetch-model", str(written.release), "--convert", str(path)]) == 0
    out = capsys.readouterr().out
    assert all(f"{part}: " in out for part in PARTS)
    assert f"written to {path}" in out
    assert load_release(path).name == "IScene"
    assert main(["fetch-model", str(written.release), "--dtype", "float32"]) == 2
    assert "name the file to write, too: --convert FILE" in capsys.readouterr().err
