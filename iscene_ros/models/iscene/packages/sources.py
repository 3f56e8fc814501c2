"""Where the files of a published model come from: a folder or the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.packages.hub import HubSource, split_hub_id
from iscene_ros.models.weight_files import checksum


class Source(Protocol):
    """Files by their names in a package: relative, with slashes."""

    name: str

    def paths(self, files: Sequence[str]) -> list[Path]:
        """Return the local files, after fetching those that are missing where that is possible.

        Raises:
            ModelError: files are missing (all are listed) or cannot be fetched.
        """

    def checksum(self, file: str) -> str:
        """Return the sha256 of a file, hex."""

    def finish(self) -> None:
        """Record that all files of the package are there."""


class FolderSource:
    """A local folder, laid out as on the hub."""

    def __init__(self, folder: Path, fetch_hint: str) -> None:
        self.name = folder.resolve().name
        self.folder = folder
        self._fetch_hint = fetch_hint

    def paths(self, files: Sequence[str]) -> list[Path]:
        """See `Source.paths`."""
        paths = [self.folder / file for file in files]
        missing = [file for file, path in zip(files, paths, strict=True) if not path.is_file()]
        if missing:
            raise ModelError(f"{self.folder}: missing {', '.join(missing)}; {self._fetch_hint}")
        return paths

    def checksum(self, file: str) -> str:
        """See `Source.checksum`."""
        return checksum(self.folder / file)

    def finish(self) -> None:
        """See `Source.finish`."""


def open_source(
    name_or_folder: str,
    revision: str | None,
    fetch_hint: str,
    log: Callable[[str], None] | None = None,
    fetch: bool = True,
) -> Source:
    """Return the source that a name stands for.

    Args:
        name_or_folder: a folder, or a hub id: owner/name or owner/name@revision.
        revision: branch, tag or commit on the hub; None = that of the id, or `main`.
        fetch_hint: says in errors what to do when files are missing.
        log: gets one line for each file that is fetched.
        fetch: whether the network may be used; False = only what is cached.

    Raises:
        ModelError: neither a folder nor a hub id, or a revision where there can be none.
    """
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise ModelError(f"{folder}: a folder has no revision {revision!r}; leave it out")
        return FolderSource(folder, fetch_hint)
    repo_id, named_revision = split_hub_id(name_or_folder)
    if revision and named_revision and revision != named_revision:
        raise ModelError(f"{name_or_folder}: revision {revision!r} contradicts the name's")
    return HubSource(repo_id, revision or named_revision, log, None if fetch else fetch_hint)
