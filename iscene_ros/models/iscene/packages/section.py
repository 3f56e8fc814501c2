"""A section of a model's settings file, read key by key; errors name the file and the key."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from iscene_ros.core.errors import ModelError

# Far above any size of a network that fits a machine; a damaged file must not allocate for ever.
LARGEST_COUNT = 1 << 14
LONGEST_LIST = 8
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


class Section:
    """A mapping of a JSON or YAML file.

    Every method that reads raises ModelError when the value is missing or of another type.
    """

    def __init__(self, values: Any, where: str, root: Section | None = None) -> None:
        self.where = where
        self._root = root or self
        if not isinstance(values, dict):
            raise ModelError(f"{where}: {_short(values)}, expected a mapping of names to values")
        self._values = values
        self._read: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def section(self, *keys: str) -> Section:
        """Return the section below `keys`."""
        inner = self
        for key in keys:
            inner = Section(inner._value(key), f"{inner.where}: {key}", inner._root)
        return inner

    def text(self, key: str) -> str:
        """Return a string that is not empty."""
        return self._checked(key, lambda v: isinstance(v, str) and v.strip() != "", "a text")

    def file(self, key: str) -> str:
        """Return the name of a file inside the package."""
        name = self.text(key)
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise ModelError(f"{self.where}: {key}: {name!r}, expected one inside the package")
        return name

    def count(self, key: str, default: int | None = None) -> int:
        """Return a whole number from 1 to `LARGEST_COUNT`; `default` where it is missing."""
        if default is not None and self.optional(key) is None:
            return default
        return self._checked(key, _is_count, f"a whole number from 1 to {LARGEST_COUNT}")

    def counts_of(self, *keys: str) -> dict[str, int]:
        """Return such numbers by their keys."""
        return {key: self.count(key) for key in keys}

    def number(self, key: str, default: float | None = None) -> float:
        """Return a number above 0, up to `LARGEST_COUNT`; `default` where it is missing."""
        if default is not None and self.optional(key) is None:
            return default
        return float(
            self._checked(
                key,
                lambda v: _is_finite(v) and 0 < v <= LARGEST_COUNT,
                f"a number above 0, up to {LARGEST_COUNT}",
            )
        )

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        if key not in self._values:
            return default
        return self._checked(key, lambda v: isinstance(v, bool), "true or false")

    def counts(self, key: str) -> tuple[int, ...]:
        """Return a short list of such whole numbers, not empty."""
        value = self._checked(
            key,
            lambda v: isinstance(v, list) and 0 < len(v) <= LONGEST_LIST and all(map(_is_count, v)),
            f"a list of whole numbers from 1 to {LARGEST_COUNT}",
        )
        return tuple(value)

    def numbers(self, key: str, length: int) -> tuple[float, ...]:
        """Return a list of `length` finite numbers."""
        value = self._checked(
            key,
            lambda v: isinstance(v, list) and len(v) == length and all(map(_is_finite, v)),
            f"a list of {length} numbers",
        )
        return tuple(float(n) for n in value)

    def optional(self, key: str) -> Any:
        """Return the value as it is, or None where it is missing."""
        return self._value(key) if key in self._values else None

    def expect(self, key: str, *expected: Any, default: Any = None) -> None:
        """Check that the value is one of `expected`, or missing where `default` is among them."""
        value = self._value(key) if key in self._values else default
        if not any(type(value) is type(e) and value == e for e in expected):
            choices = " or ".join(map(_short, expected))
            raise ModelError(
                f"{self.where}: {key}: {_short(value)} is not supported, only {choices}"
            )

    def ignore(self, *keys: str) -> None:
        """Mark keys that do not change the network's results as read."""
        self._read.update(keys)

    def finish(self) -> None:
        """Check that every key was read: an unknown one may mean another architecture."""
        unknown = sorted(map(str, self._values.keys() - self._read))
        if unknown:
            raise ModelError(
                f"{self.where}: not known here: {', '.join(unknown)}; this may be another version "
                "of the model: fetch the published one, or update iscene_ros"
            )

    def _checked(self, key: str, valid: Any, expected: str) -> Any:
        value = self._value(key)
        if not valid(value):
            raise ModelError(f"{self.where}: {key}: {_short(value)}, expected {expected}")
        return value

    def _value(self, key: str) -> Any:
        if key not in self._values:
            raise ModelError(f"{self.where}: key {key!r} is missing")
        self._read.add(key)
        value = self._values[key]
        # A reference of the YAML dialect of training code: ${dataset.args.image_size}.
        reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if reference is None:
            return value
        target: Any = self._root._values
        for name in reference[1].split("."):
            if not isinstance(target, dict) or name not in target:
                raise ModelError(f"{self.where}: {value} names a value that the file lacks")
            target = target[name]
        return target


def read_json(path: Path) -> Section:
    """Read a whole JSON file."""
    return _read(path, json.loads, "JSON")


def read_yaml(path: Path) -> Section:
    """Read a whole YAML file."""
    return _read(path, yaml.safe_load, "YAML")


def _read(path: Path, parse: Any, language: str) -> Section:
    try:
        return Section(parse(path.read_text("utf-8")), str(path))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        fault = " ".join(str(error).split())
        raise ModelError(f"{path}: not valid {language} ({fault}); fetch it again") from error


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= LARGEST_COUNT


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < math.inf


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
