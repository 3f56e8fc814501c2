"""A scene's planning problem as two files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iscene_ros.core.errors import InputError
from iscene_ros.planning.pddl import pddl_domain


def check_pddl_files(paths: Sequence[Path], result: Path) -> None:
    """Check, before any work is done, that domain and problem can be written.

    Args:
        paths: of the domain and of the problem.
        result: folder of the scene, which is replaced as a whole.

    Raises:
        InputError: both are one file, one is a folder or in the result, or its folder is missing.
    """
    domain, problem = (path.resolve() for path in paths)
    if domain == problem:
        raise InputError(f"--pddl: {paths[0]} twice; name a file for the domain and another one")
    for path in (domain, problem):
        if path.is_dir():
            raise InputError(f"--pddl {path}: is a folder; name a file")
        if result.resolve() in path.parents:
            raise InputError(f"--pddl {path}: lies in --out, which holds nothing but the scene")
        if not path.parent.is_dir():
            raise InputError(f"--pddl {path}: no such folder; make it first")


def write_pddl(paths: Sequence[Path], problem: str) -> None:
    """Write the domain and a problem of it.

    Raises:
        InputError: they cannot be written.
    """
    for path, text in zip(paths, (pddl_domain(), problem), strict=True):
        try:
            path.write_text(text, "utf-8")
        except OSError as error:
            raise InputError(f"--pddl {path}: cannot be written ({error.strerror})") from error
