"""The folder of a scene: what may lie in it, and when a new result may take its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iscene_ros.core.atomic_files import new_folder, temporary_sibling
from iscene_ros.core.errors import InputError

SCENE_FILE = "scene.json"
MESH_DIRECTORY = "meshes"
_FILES = {SCENE_FILE, "scene.glb", "overview.png", "graph.png"}


def check_writable(directory: Path) -> None:
    """Check, before any work is done, that a result can be written to `directory`.

    Raises:
        InputError: it holds something else, or its parent cannot be written.
    """
    with _writing(directory):
        with temporary_sibling(_checked_target(directory)):
            pass


@contextmanager
def new_result(directory: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill, which becomes `directory` when the block ends well.

    Raises:
        InputError: the directory holds something else or cannot be written.
    """
    with _writing(directory), new_folder(_checked_target(directory)) as temporary:
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


def _checked_target(directory: Path) -> Path:
    """Return the absolute path of a folder that is new, empty or an earlier result."""
    target = directory.resolve()
    if not target.exists():
        return target
    if not target.is_dir():
        raise InputError(f"{target}: is a file; choose another --out")
    present = sorted(entry.relative_to(target) for entry in target.rglob("*"))
    others = [entry for entry in present if not _is_scene_file(entry)]
    if others or (present and not (target / SCENE_FILE).is_file()):
        raise InputError(
            f"{target}: holds {(others or present)[0]}, which is no earlier result; "
            "choose an empty or new --out"
        )
    return target


def _is_scene_file(entry: Path) -> bool:
    if entry.parts[0] == MESH_DIRECTORY:
        return len(entry.parts) == 1 or (len(entry.parts) == 2 and entry.suffix == ".ply")
    return str(entry) in _FILES
