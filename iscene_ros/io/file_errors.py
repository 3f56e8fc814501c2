"""Failures to read a file, as errors of one line that names the file."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from iscene_ros.core.errors import InputError

# Errors that Pillow, numpy and json raise for truncated, malformed or oversized files.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    KeyError,
    MemoryError,
    RecursionError,
    zlib.error,
    zipfile.BadZipFile,
    Image.DecompressionBombError,
)


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turn any failure to read `path` into an InputError.

    Args:
        path: the file that is read inside the block.
        expected: the expected format, such as "a 16-bit PNG in mm".
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; expected {expected}") from error
    except (IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise InputError(f"{path}: {error.strerror}; expected {expected}") from error
    except _UNREADABLE as error:
        raise InputError(
            f"{path}: truncated or no such format ({_first_line(error)}); "
            f"expected {expected}: write the file again"
        ) from error


def read_json(path: Path, expected: str) -> object:
    """Return the parsed document of a UTF-8 JSON file, with or without a byte order mark.

    Errors as of `reading`.
    """
    with reading(path, expected):
        return json.loads(path.read_text("utf-8-sig"))


def read_yaml(path: Path, expected: str) -> object:
    """Return the first document of a YAML file, as `ros2 topic echo` ends it with ---."""
    import yaml

    with reading(path, expected):
        try:
            return next(yaml.safe_load_all(path.read_text("utf-8-sig")), None)
        except yaml.YAMLError as error:
            raise ValueError(" ".join(str(error).split())) from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
