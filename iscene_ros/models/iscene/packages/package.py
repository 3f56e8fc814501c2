"""The two packages of the published model: LuLing/IScene and its base, TRELLIS-image-large."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.packages import package_config as settings
from iscene_ros.models.iscene.packages.hub import HubSource, split_hub_id
from iscene_ros.models.iscene.packages.section import read_json, read_yaml
from iscene_ros.models.weight_files import checksum, read_tensors

RELEASE_ID = "LuLing/IScene"
RELEASE_FILE = "iscene_config.json"
BASE_FILE = "pipeline.json"
_HINT = f"fetch the whole of it with: iscene fetch-model {RELEASE_ID}"
# Name of each part in pipeline.json; the decoder of Gaussians is not needed.
_BASE_MODELS = {
    "structure_decoder": "sparse_structure_decoder",
    "slat_flow": "slat_flow_model",
    "mesh_decoder": "slat_decoder_mesh",
}


@dataclass(frozen=True)
class WeightFile:
    """The weights of one part: `name` in the package that `source` gives, at `path` here."""

    path: Path
    name: str
    source: Source


@dataclass(frozen=True)
class ReleasePackage:
    """Configuration and files of the published model.

    Attributes:
        name: of the package, with its revision where it has one.
        config: sizes and samplers, read from the files.
        weights: the file of each part.
    """

    name: str
    config: ReleaseConfig
    weights: dict[str, WeightFile]

    def tensors(self, part: str) -> dict[str, Tensor]:
        """Map the tensors of a part into memory."""
        return read_tensors(self.weights[part].path)

    def where(self, part: str) -> str:
        """Return how errors name the weights of a part."""
        return str(self.weights[part].path)

    def checksums(self) -> dict[str, str]:
        """Return the sha256 of each part's weights, hex."""
        return {part: w.source.checksum(w.name) for part, w in self.weights.items()}

    def checksum(self) -> str:
        """Return one sha256 for all weights, hex, independent of the order of the parts."""
        lines = "".join(f"{sha256}  {part}\n" for part, sha256 in sorted(self.checksums().items()))
        return hashlib.sha256(lines.encode()).hexdigest()


def read_package(
    name_or_folder: str,
    base: str | None = None,
    revision: str | None = None,
    log: Callable[[str], None] | None = None,
    fetch: bool = True,
) -> ReleasePackage:
    """Find all files of the published model, and fetch those that are missing from the hub.

    Args:
        name_or_folder: a hub id (LuLing/IScene, or with @revision) or a folder.
        base: the same of the base; None = as the package says: the folder itself, a folder inside
            it of the base's name, or the hub.
        revision: of the release on the hub; the base's may follow its name: owner/name@revision.
        log: gets one line for each file that is fetched.
        fetch: whether the network may be used; False = only what is cached.

    Raises:
        ModelError: a file is missing, malformed, or of a variant that is not supported.
    """
    release = open_source(name_or_folder, revision, log, fetch)
    package = read_json(release.paths([RELEASE_FILE])[0])
    named = package.text("base_model_id")
    checkpoints = {
        "conditioner": package.file("image_conditioner_checkpoint"),
        "structure_flow": package.file("denoiser_checkpoint"),
    }
    config_file = package.file("config_file")
    config = read_yaml(release.paths([config_file])[0])
    base_name = base or _base_name(release, named, package.where)
    base_source = open_source(base_name, None, log, fetch)
    pipeline = read_json(base_source.paths([BASE_FILE])[0])
    settings.check_pipeline(pipeline)
    # The names of each base model's two files without their endings.
    named_models = pipeline.section("args", "models")
    stems = {part: named_models.file(key) for part, key in _BASE_MODELS.items()}
    model_files = base_source.paths([f"{stem}.json" for stem in stems.values()])
    models = {p: read_json(f) for p, f in zip(stems, model_files, strict=True)}
    slat_flow = settings.read_slat_flow(models["slat_flow"])
    read = ReleaseConfig(
        vision=settings.read_vision(config),
        structure_flow=settings.read_structure_flow(config),
        structure_decoder=settings.read_structure_decoder(models["structure_decoder"]),
        slat_flow=slat_flow,
        mesh_decoder=settings.read_mesh_decoder(models["mesh_decoder"]),
        structure_sampler=settings.read_sampler(pipeline, "sparse_structure_sampler"),
        slat_sampler=settings.read_sampler(pipeline, "slat_sampler"),
        slat_normalization=settings.read_normalization(pipeline, slat_flow.in_channels),
    )
    settings.check_fit(read, f"{release.name} on {base_source.name}")
    weights = _weights(release, checkpoints)
    weights |= _weights(base_source, {p: f"{stem}.safetensors" for p, stem in stems.items()})
    for source in (release, base_source):
        source.finish()
    return ReleasePackage(release.name, read, weights)


def _base_name(release: Source, named: str, where: str) -> str:
    """Return the folder or the hub id of the base that a package names."""
    if isinstance(release, FolderSource):
        for folder in (release.folder, release.folder / named):
            if (folder / BASE_FILE).is_file():
                return str(folder)
    if named != settings.BASE_ID:
        raise ModelError(
            f"{where}: base_model_id: {named!r} is not supported, only {settings.BASE_ID}"
        )
    return named


def _weights(source: Source, names: dict[str, str]) -> dict[str, WeightFile]:
    paths = source.paths(list(names.values()))
    files = zip(names.items(), paths, strict=True)
    return {part: WeightFile(path, name, source) for (part, name), path in files}


class FolderSource:
    """A local folder, laid out as on the hub."""

    def __init__(self, folder: Path) -> None:
        self.name, self.folder = folder.resolve().name, folder

    def paths(self, files: Sequence[str]) -> list[Path]:
        """Return the local files; see `HubSource.paths`."""
        paths = [self.folder / file for file in files]
        missing = [file for file, path in zip(files, paths, strict=True) if not path.is_file()]
        if missing:
            raise ModelError(f"{self.folder}: missing {', '.join(missing)}; {_HINT}")
        return paths

    def checksum(self, file: str) -> str:
        """Return the sha256 of a file, hex."""
        return checksum(self.folder / file)

    def finish(self) -> None:
        """Do nothing: all files of a folder are there."""


Source = FolderSource | HubSource


def open_source(
    name_or_folder: str, revision: str | None, log: Callable[[str], None] | None, fetch: bool
) -> Source:
    """Return the source that a name stands for.

    Args:
        name_or_folder: a folder, or a hub id: owner/name or owner/name@revision.
        revision: branch, tag or commit on the hub; None = that of the id, or `main`.
        log, fetch: see `read_package`.

    Raises:
        ModelError: neither a folder nor a hub id, or a revision where there can be none.
    """
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise ModelError(f"{folder}: a folder has no revision {revision!r}; leave it out")
        return FolderSource(folder)
    repo_id, named_revision = split_hub_id(name_or_folder)
    if revision and named_revision and revision != named_revision:
        raise ModelError(f"{name_or_folder}: revision {revision!r} contradicts the name's")
    return HubSource(repo_id, revision or named_revision, log, None if fetch else _HINT)
