"""Files of a published model: what any source of them can do, a folder, names on the hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from iscene_ros.core.errors import ModelError
from iscene_ros.models.checksums import checksum

# owner/name, and perhaps a branch, tag or commit: LuLing/IScene@main.
_HUB_ID = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@([\w./-]+))?", re.ASCII)
_FILE_ENDINGS = (".safetensors", ".pt", ".json", ".yml")

Report = Callable[[str], None]


class Source(Protocol):
    """Files by their names in a package: relative, with slashes."""

    name: str

    def paths(self, files: Sequence[str]) -> list[Path]:
        """The local files; what is missing is fetched or, where it cannot be, listed.

        Raises:
            ModelError: a file is missing or cannot be fetched.
        """

    def checksum(self, file: str) -> str:
        """The sha256 of a file, hex."""

    def finish(self) -> None:
        """Say that all files of the package are there."""


class FolderSource:
    """A local folder, laid out as on the hub."""

    def __init__(self, folder: Path, fetch_hint: str) -> None:
        self.name = folder.resolve().name
        self.folder = folder
        self._fetch_hint = fetch_hint

    def paths(self, files: Sequence[str]) -> list[Path]:
        """See `Source.paths`."""
        for file in files:
            check_relative(file, str(self.folder))
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


def is_hub_id(name: str) -> bool:
    """Whether a name reads as owner/name or owner/name@revision."""
    return _HUB_ID.fullmatch(name) is not None and not name.endswith(_FILE_ENDINGS)


def split_hub_id(name: str) -> tuple[str, str | None]:
    """The repository and the revision of owner/name@revision.

    Raises:
        ModelError: it is no such name.
    """
    match = _HUB_ID.fullmatch(name)
    if match is None or not is_hub_id(name):
        raise ModelError(
            f"model {name}: no such file or folder, and not a name on the hub as LuLing/IScene"
        )
    return match[1], match[2]


def check_relative(file: str, where: str) -> None:
    """Check that a name from a settings file stays inside its package.

    Raises:
        ModelError: it is absolute or leads out.
    """
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file:
        raise ModelError(f"{where}: names the file {file!r}, expected one inside the package")
