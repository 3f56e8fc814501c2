"""Files and folders that appear complete or not at all.

They are written under a temporary name beside their target and renamed at the end, so that a
reader, a crash or a full disk never meets half of one.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which becomes `target` when the block ends well.

    Missing parent folders are made. The bytes are on the disk before the name changes.

    Raises:
        OSError: the file cannot be written; an earlier `target` is untouched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_name(target)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write a UTF-8 text file; errors as of `new_file`."""
    with new_file(target) as temporary:
        temporary.write_text(text, "utf-8")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill, which becomes `target` when the block ends well.

    Raises:
        OSError: the folder cannot be written; an earlier `target` is untouched.
    """
    with temporary_sibling(target) as temporary:
        yield temporary
        _swap(temporary, target)


@contextmanager
def temporary_sibling(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target`; it is removed at the end, with all parents made for it.

    Raises:
        OSError: the folder cannot be made.
    """
    missing = [parent for parent in target.parents if not parent.exists()]
    temporary = _temporary_name(target)
    try:
        temporary.mkdir(parents=True)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in missing:
            with suppress(OSError):  # somebody else has put something there
                parent.rmdir()


def _temporary_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


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
