"""A folder that appears complete or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
        _check_replaceable(directory.resolve())
        with temporary_sibling(directory.resolve()):
            pass


@contextmanager
def new_result(directory: Path) -> Iterator[Path]:
    """A temporary folder to fill, which takes the place of `directory` when the block ends well.

    An earlier result there is replaced; on any failure it survives and nothing new is left behind.

    Raises:
        InputError: `directory` holds something else or cannot be written.
    """
    target = directory.resolve()
    with _writing(directory):
        _check_replaceable(target)
        with temporary_sibling(target) as temporary:
            yield temporary
            _swap(temporary, target)


@contextmanager
def _writing(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"{directory}: cannot be written ({reason}); choose another --out"
        ) from error


def _check_replaceable(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target}: is a file; choose another --out")
    present = sorted(entry.relative_to(target) for entry in target.rglob("*"))
    foreign = [entry for entry in present if not _is_ours(entry)]
    if foreign or (present and not (target / SCENE_FILE).is_file()):
        raise InputError(
            f"{target}: holds {(foreign or present)[0]}, which is no earlier result; "
            "choose an empty or new --out"
        )


def _is_ours(entry: Path) -> bool:
    if entry.parts[0] == MESH_DIRECTORY:
        return len(entry.parts) == 1 or (len(entry.parts) == 2 and entry.suffix == ".ply")
    return str(entry) in _FILES


@contextmanager
def temporary_sibling(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, removed in the end with all parents made for it."""
    missing = [parent for parent in target.parents if not parent.exists()]
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in missing:
            _remove_if_empty(parent)


def _remove_if_empty(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError:
        pass


def _swap(temporary: Path, target: Path) -> None:
    if not target.exists():
        os.rename(temporary, target)
        return
    earlier = temporary.with_suffix(".old")
    os.rename(target, earlier)
    try:
        os.rename(temporary, target)
    except BaseException:
        os.rename(earlier, target)
        raise
    shutil.rmtree(earlier, ignore_errors=True)
