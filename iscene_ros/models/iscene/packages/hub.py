"""Packages on the Hugging Face hub, in the cache of huggingface_hub.

Cached files are used without the network. Missing ones are fetched at one commit, and the revision
points to that commit only when every file is there: an interrupted fetch leaves the earlier state,
and the next one reuses its complete files.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iscene_ros.core.errors import ModelError
from iscene_ros.models.weight_files import checksum

DEFAULT_REVISION = "main"
# owner/name, and optionally a branch, tag or commit: LuLing/IScene@main.
_HUB_ID = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@([\w./-]+))?", re.ASCII)
_FILE_ENDINGS = (".safetensors", ".pt", ".json", ".yml")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Of a library's error message that is quoted.
_MOST_CHARACTERS = 120
# Left free on the disk beside a download.
_SPARE_BYTES = 64 << 20


def is_hub_id(name: str) -> bool:
    """Return whether a name reads as owner/name or owner/name@revision."""
    return _HUB_ID.fullmatch(name) is not None and not name.endswith(_FILE_ENDINGS)


def split_hub_id(name: str) -> tuple[str, str | None]:
    """Return the repository and the revision of owner/name@revision.

    Raises:
        ModelError: the name has another form.
    """
    match = _HUB_ID.fullmatch(name)
    if match is None or not is_hub_id(name):
        raise ModelError(
            f"model {name}: no such file or folder, and not a name on the hub as LuLing/IScene"
        )
    return match[1], match[2]


class HubSource:
    """The files of one repository at one commit."""

    def __init__(
        self,
        repo_id: str,
        revision: str | None,
        log: Callable[[str], None] | None,
        cache_hint: str | None,
    ) -> None:
        """With `cache_hint` only the cache is used, and the hint is given where it lacks files."""
        self.repo_id = repo_id
        self._cache_hint = cache_hint
        self.revision = revision or DEFAULT_REVISION
        self._commit: str | None = None
        self._fetched: str | None = None
        self._log = log
        _import_hub()

    @property
    def name(self) -> str:
        """Name as owner/name, with the commit once it is known."""
        return f"{self.repo_id}@{self._commit[:12]}" if self._commit else self.repo_id

    def paths(self, files: Sequence[str]) -> list[Path]:
        """Return the local files, after fetching those that are missing.

        Args:
            files: names in the package, relative, with slashes.

        Raises:
            ModelError: files are missing (all are listed) or cannot be fetched.
        """
        missing = [file for file in files if self._cached(file) is None]
        if missing and self._cache_hint is not None:
            lacking = ", ".join(missing)
            raise ModelError(f"model {self.repo_id}: not cached: {lacking}; {self._cache_hint}")
        if missing:
            self._fetch(missing)
        return [Path(self._cached(file)) for file in files]

    def checksum(self, file: str) -> str:
        """Return the sha256 of a file, hex.

        The cache names large files by theirs, which was checked when they were fetched.
        """
        path = Path(self._cached(file)).resolve()
        return path.name if _SHA256.fullmatch(path.name) else checksum(path)

    def finish(self) -> None:
        """Let the revision point to this commit, so that it is found without a network."""
        if self._fetched is None or self.revision == self._commit:
            return
        hub = _import_hub()
        with _explained(self):
            url = hub.hf_hub_url(self.repo_id, self._fetched, revision=self.revision)
            if hub.get_hf_file_metadata(url).commit_hash == self._commit:
                hub.hf_hub_download(self.repo_id, self._fetched, revision=self.revision)

    def _cached(self, file: str) -> str | None:
        hub = _import_hub()
        with _explained(self):
            path = hub.try_to_load_from_cache(
                self.repo_id, file, revision=self._commit or self.revision
            )
        if not isinstance(path, str):
            return None
        if self._commit is None:
            self._commit = Path(path).parents[file.count("/")].name
        return path

    def _fetch(self, files: list[str]) -> None:
        hub = _import_hub()
        metadata = {}
        for file in files:
            with _explained(self, file):
                revision = self._commit or self.revision
                url = hub.hf_hub_url(self.repo_id, file, revision=revision)
                metadata[file] = hub.get_hf_file_metadata(url)
            self._commit = self._commit or metadata[file].commit_hash
        _check_space(self.name, sum(m.size or 0 for m in metadata.values()))
        for file in files:
            with _explained(self, file):
                path = hub.hf_hub_download(self.repo_id, file, revision=self._commit)
            sha256 = _verified(path, metadata[file].etag)
            if self._log is not None:
                self._log(f"{self.name}: {file}: sha256 {sha256}")
            self._fetched = file


def _verified(path: str, etag: str | None) -> str:
    """Return the file's sha256; remove the file where it differs from the hub's."""
    found = checksum(Path(path))
    if etag and _SHA256.fullmatch(etag) and found != etag:
        Path(path).resolve().unlink()
        Path(path).unlink(missing_ok=True)
        raise ModelError(f"{path}: sha256 {found}, expected {etag}; it is removed: fetch it again")
    return found


def _check_space(name: str, needed: int) -> None:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < needed + _SPARE_BYTES:
        raise ModelError(
            f"{name}: needs {needed / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free; "
            "make room, or set HF_HUB_CACHE to a folder on another disk"
        )


def _import_hub() -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise ModelError(
            "huggingface_hub is not installed; run: pip install 'iscene_ros[release]', "
            "or give a folder that holds the files"
        ) from error
    return huggingface_hub


@contextmanager
def _explained(source: HubSource, file: str = "") -> Iterator[None]:
    """Turn errors of huggingface_hub into one line that says what to do.

    Its network errors come from another library in each major version, so any exception counts as
    a failed fetch.
    """
    try:
        yield
    except Exception as error:
        raise ModelError(_explanation(error, source, file)) from error


def _explanation(error: Exception, source: HubSource, file: str) -> str:
    from huggingface_hub import utils as errors

    name, revision = source.repo_id, source.revision
    again = "run the same command again: complete files are kept"
    if isinstance(error, errors.GatedRepoError):
        return (
            f"model {name}: its owner asks for consent; give it on the model's page, then run: "
            "hf auth login (or set HF_TOKEN)"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"model {name}: no revision {revision!r}; see its page for branches and commits"
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"model {name}: no such folder, and not on the hub, or private; check the name: the "
            "published model is LuLing/IScene"
        )
    if isinstance(error, errors.HFValidationError):
        return f"model {name}: not a name on the hub ({error})"
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, FileNotFoundError):
        return f"model {name}: has no {file} at {revision!r}; expected a package as LuLing/IScene"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"model {name}: the disk is full; make room, then {again}"
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return (
            f"model {name}: {error.filename}: {error.strerror}; set HF_HUB_CACHE to another folder"
        )
    what = f"{type(error).__name__}: {error}".splitlines()[0][:_MOST_CHARACTERS]
    return (
        f"model {name}: {file or 'the hub'} cannot be reached ({what}); without a network give a "
        f"folder or a converted file, otherwise {again}"
    )
