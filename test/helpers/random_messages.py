"""Random messages of any type, and random damage to a message."""

from __future__ import annotations

import random
import string
from typing import Any

import numpy as np

from iscene_ros.ros.messages import RosbagsTypes

_ODD_NUMBERS = (0, 1, 2, 3, -1, 255, 10**9, 2**31 - 1, 2**31, 2**32 - 1)
_ODD_FLOATS = (float("nan"), float("inf"), float("-inf"), 0.0, -1.0, 1e308, -1e308, 5e-324)
_ODD_TEXTS = (
    "",
    "/",
    "a\nb",
    "\x00",
    "\x1b[2J",
    "x" * 5000,
    "ü",
    "\ud800",
    "8UC3",
    "32FC1",
    "rgb8",
)
_WRONG_TYPES = (None, "640", 1.5, [], {}, b"\xff\xfe", -1, 2**40, float("nan"), object())


def random_message(types: RosbagsTypes, name: str, chance: random.Random) -> Any:
    """A message of a type with every field filled."""
    _, fields = types.typestore.fielddefs[name]
    message = types.make(name)
    for field, kind in fields:
        setattr(message, field, _random_value(types, kind, chance))
    return message


def _random_value(types: RosbagsTypes, description: tuple, chance: random.Random) -> Any:
    from rosbags.interfaces import Nodetype

    kind, detail = description
    if kind == Nodetype.NAME:
        return random_message(types, detail, chance)
    if kind == Nodetype.BASE:
        return _random_scalar(detail[0], chance)
    element, count = detail
    count = count if kind == Nodetype.ARRAY else chance.randint(1, 3)
    values = [_random_value(types, element, chance) for _ in range(count)]
    is_number = element[0] == Nodetype.BASE and element[1][0] != "string"
    numbers = {"octet": "uint8", "byte": "uint8", "char": "uint8"}
    return np.array(values, numbers.get(element[1][0], element[1][0])) if is_number else values


def _random_scalar(base: str, chance: random.Random) -> Any:
    if base == "string":
        return "".join(chance.choices(string.printable, k=chance.randint(0, 9)))
    if base == "bool":
        return chance.random() < 0.5
    if base.startswith("float"):
        return float(np.float32(chance.gauss(0, 100)))
    if base in ("octet", "byte"):
        return chance.randint(0, 127)
    bits = int("".join(c for c in base if c.isdigit()) or 8)
    low = -(2 ** (bits - 1)) if base.startswith("int") else 0
    return chance.randint(low, low + 2**bits - 1)


def damage(message: Any, chance: random.Random, foreign: bool) -> None:
    """Change one random field of a message, however deep it lies.

    Args:
        message: of rosbags; changed in place.
        chance: random numbers.
        foreign: whether the new value may be of a type that no message has.
    """
    holder, name = chance.choice(_fields(message))
    value = getattr(holder, name)
    if foreign and chance.random() < 0.4:
        setattr(holder, name, chance.choice(_WRONG_TYPES))
    elif isinstance(value, bool | int | np.integer):
        setattr(holder, name, chance.choice(_ODD_NUMBERS))
    elif isinstance(value, float):
        setattr(holder, name, chance.choice(_ODD_FLOATS))
    elif isinstance(value, str):
        setattr(holder, name, chance.choice(_ODD_TEXTS))
    elif isinstance(value, np.ndarray):
        setattr(holder, name, _damaged_array(value, chance))
    elif isinstance(value, list):
        setattr(holder, name, value[: chance.randint(0, len(value))] * chance.choice((1, 1, 3)))


def _damaged_array(values: np.ndarray, chance: random.Random) -> np.ndarray:
    choice = chance.randrange(3)
    if choice == 0 or not len(values):
        return np.resize(values, chance.randint(0, 2 * len(values) + 3))
    if choice == 1 and values.dtype.kind == "f":
        damaged = values.copy()
        damaged[chance.randrange(len(values))] = chance.choice(_ODD_FLOATS)
        return damaged
    noise = np.random.default_rng(chance.getrandbits(32)).integers(0, 256, len(values), np.uint8)
    return noise.astype(values.dtype)


def _fields(message: Any) -> list[tuple[Any, str]]:
    """Every field of a message and of the messages in it, with who holds it."""
    found = []
    for name, value in vars(message).items():
        found.append((message, name))
        for part in value if isinstance(value, list) else [value]:
            if hasattr(part, "__msgtype__"):
                found += _fields(part)
    return found
