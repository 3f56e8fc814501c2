"""The message types of rosbags, and those it lacks, from the definitions of this package."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

DEFINITIONS = Path(__file__).with_name("definitions")


@lru_cache(maxsize=1)
def make_typestore() -> Any:
    """The types of ROS 2 Jazzy and every definitions/<package>/msg/<Type>.msg of this package."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    typestore = get_typestore(Stores.ROS2_JAZZY)
    lacking = {}
    for path in sorted(DEFINITIONS.glob("*/msg/*.msg")):
        name = f"{path.parts[-3]}/msg/{path.stem}"
        if name not in typestore.fielddefs:
            lacking |= get_types_from_msg(path.read_text("utf-8"), name)
    typestore.register(lacking)
    return typestore
