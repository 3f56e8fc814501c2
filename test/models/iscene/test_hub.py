import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import HubServer
from tiny_release import DENOISER, TinyPackage

from iscene_ros.cli.main import main
from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.packages.loading import load_release
from iscene_ros.models.iscene.packages.package import read_package
from iscene_ros.models.iscene.packages.package_config import BASE_ID
from iscene_ros.models.weight_files import checksum

hub = pytest.importorskip("huggingface_hub")
RELEASE = "LuLing/IScene"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(
    written: TinyPackage, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HubServer]:
    with HubServer({RELEASE: written.release, BASE_ID: written.base}) as running:
        _point_to(running.address, monkeypatch)
        yield running


def _point_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


def blobs(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file() and "blobs" in path.parts]


def test_fetches_what_is_needed_and_no_more(server: HubServer, cache: Path) -> None:
    (server.folders[BASE_ID] / "ckpts/slat_dec_gs_swin8_B_64l8gs32_fp16.safetensors").touch()
    lines: list[str] = []
    found = read_package(RELEASE, log=lines.append)
    assert found.name == f"{RELEASE}@{server.commit(RELEASE)[:12]}"
    assert len(server.fetched()) == len(set(server.fetched())) == 4 + 1 + 3 * 2
    assert not any("slat_dec_gs" in name or "ss_flow" in name for name in server.fetched())
    weights = found.weights["structure_flow"].path
    assert any(DENOISER in line and line.endswith(checksum(weights)) for line in lines)


def test_the_cache_is_enough_without_a_network(server: HubServer, written: TinyPackage) -> None:
    read_package(RELEASE)
    server.stop()
    again = load_release(RELEASE)
    local = load_release(written.release)
    assert again.checksum == local.checksum
    assert again.config == local.config
    pinned = read_package(f"{RELEASE}@{server.commit(RELEASE)}")
    assert pinned.name == again.name


def test_cached_files_are_not_requested_again(server: HubServer) -> None:
    read_package(RELEASE)
    server.requests.clear()
    read_package(RELEASE)
    assert server.requests == []


def test_looking_into_a_model_fetches_nothing(
    server: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect-model", RELEASE]) == 2
    assert f"{RELEASE}: not cached: iscene_config.json; fetch the whole" in capsys.readouterr().err
    assert server.requests == []
    assert main(["fetch-model", RELEASE]) == 0
    assert f"{RELEASE}@{server.commit(RELEASE)[:12]} is complete" in capsys.readouterr().out
    assert main(["inspect-model", RELEASE]) == 0
    assert capsys.readouterr().out.startswith(f"model     {RELEASE}@{server.commit(RELEASE)[:12]}")


def test_resumes_where_the_connection_broke(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)
    server.cut_after = 110_000
    found = read_package(RELEASE)
    resumed = [asked for _, _, asked in server.requests if asked]
    assert resumed == ["bytes=100000-"]
    for file in found.weights.values():
        assert file.source.checksum(file.name) == hashlib.sha256(file.path.read_bytes()).hexdigest()


def test_a_fetch_that_ended_early_is_taken_up(
    server: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = hub.hf_hub_download

    def lost(repo_id: str, filename: str, **options: object) -> str:
        if filename == DENOISER:
            raise ConnectionError("cable")
        return download(repo_id, filename, **options)

    monkeypatch.setattr(hub, "hf_hub_download", lost)
    with pytest.raises(ModelError, match=r"ConnectionError: cable.*complete files are kept"):
        read_package(RELEASE)
    assert not list(cache.rglob("refs/*")), "the branch points to a commit that lacks files"
    monkeypatch.setattr(hub, "hf_hub_download", download)
    first = server.fetched()
    server.requests.clear()
    read_package(RELEASE)
    assert first
    assert not set(first) & set(server.fetched())


def test_no_network_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer({}) as gone:
        _point_to(gone.address, monkeypatch)
    with pytest.raises(ModelError, match=r"cannot be reached .*give a folder or a converted file"):
        read_package(RELEASE)
    assert blobs(cache) == []


def test_offline_mode_is_kept(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="offline mode"):
        read_package(RELEASE)
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody/nothing", "no such folder, and not on the hub, or private"),
        (f"{RELEASE}@v9", "no revision 'v9'"),
        (BASE_ID, "has no iscene_config.json"),
        ("a--b/..c", "not a name on the hub"),
    ],
)
def test_each_kind_of_wrong_name_has_its_message(
    server: HubServer, cache: Path, name: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        read_package(name)
    assert blobs(cache) == []


def test_gated_models_say_how_to_get_in(server: HubServer) -> None:
    server.gated.add(BASE_ID)
    with pytest.raises(ModelError, match=f"{BASE_ID}: its owner asks for consent.*hf auth login"):
        read_package(RELEASE)


def test_a_wrong_checksum_is_not_kept(server: HubServer, cache: Path) -> None:
    server.wrong_checksums = True
    with pytest.raises(ModelError, match="expected 0000.*it is removed"):
        read_package(RELEASE)
    assert not [path for path in cache.rglob("*.pt") if path.exists()]
    assert "0" * 64 not in {path.name for path in blobs(cache)}


def test_a_small_disk_is_rejected_before_it_is_filled(
    server: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10**6}))
    with pytest.raises(ModelError, match=r"0\.0 GB are free; make room, or set HF_HUB_CACHE"):
        read_package(RELEASE)
    assert blobs(cache) == []


def test_a_disk_that_fills_up_says_so(
    server: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hub, "hf_hub_download", full)
    with pytest.raises(ModelError, match="the disk is full; make room"):
        read_package(RELEASE)


def test_without_the_library_a_folder_is_advised(
    written: TinyPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"iscene_ros\[release\].*or give a folder"):
        read_package(RELEASE)
    assert read_package(str(written.release)).name == "IScene"
