"""Folders of results: what may lie in one, and when a new result may take its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iscene_ros.core.atomic_files import new_folder, temporary_sibling
from iscene_ros.core.errors import InputError

SCENE_FILE = "scene.json"
MESH_DIRECTORY = "meshes"


@dataclass(frozen=True)
class ResultKind:
    """A kind of folder.

    Attributes:
        files: names of files that it may hold; the first one is in every result.
        mesh_suffix: of the files in its `MESH_DIRECTORY`.
        name: for messages.
    """

    files: tuple[str, ...]
    mesh_suffix: str
    name: str

    def owns(self, entry: Path) -> bool:
        """Return whether a file or folder, relative to a result, is part of it."""
        if entry.parts[0] == MESH_DIRECTORY:
            is_mesh = len(entry.parts) == 2 and entry.suffix == self.mesh_suffix
            return len(entry.parts) == 1 or is_mesh
        return str(entry) in self.files


SCENE_RESULT = ResultKind((SCENE_FILE, "scene.glb", "overview.png", "graph.png"), ".ply", "result")


def check_writable(directory: Path) -> None:
    """Check, before any work is done, that a scene can be written to `directory`.

    Raises:
        InputError: it holds something else, or its parent cannot be written.
    """
    with _writing(directory):
        with temporary_sibling(_checked_target(directory, SCENE_RESULT)):
            pass


@contextmanager
def new_result(directory: Path, kind: ResultKind = SCENE_RESULT) -> Iterator[Path]:
    """Yield a temporary folder to fill, which becomes `directory` when the block ends well.

    Raises:
        InputError: the directory holds something else or cannot be written.
    """
    with _writing(directory), new_folder(_checked_target(directory, kind)) as temporary:
        yield temporary


@contextmanager
def _writing(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"{directory}: cannot be written ({reason}); choose another --out"
        ) from error


def _checked_target(directory: Path, kind: ResultKind) -> Path:
    """Return the absolute path of a folder that is new, empty or an earlier result."""
    target = directory.resolve()
    if not target.exists():
        return target
    if not target.is_dir():
        raise InputError(f"{target}: is a file; choose another --out")
    present = sorted(entry.relative_to(target) for entry in target.rglob("*"))
    others = [entry for entry in present if not kind.owns(entry)]
    if others or (present and not (target / kind.files[0]).is_file()):
        raise InputError(
            f"{target}: holds {(others or present)[0]}, which is no earlier {kind.name}; "
            "choose an empty or new --out"
        )
    return target
