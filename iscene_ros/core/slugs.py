"""Class names as parts of file names, TF frames and PDDL names."""

from __future__ import annotations

import re


def slug(text: str, separator: str = "_", keep: str = "") -> str:
    """Return a text in lower-case letters and digits: "Ice cube tray!" becomes "ice_cube_tray".

    Args:
        text: any text.
        separator: replaces every run of other characters; none is left at either end.
        keep: further characters that stay as they are.
    """
    return re.sub(f"[^a-z0-9{re.escape(keep)}]+", separator, text.lower()).strip(separator)


def letter_first(name: str, prefix: str) -> str:
    """Return a slug that begins with a letter: with `prefix`, such as "object_", where needed."""
    return name if name[:1].isalpha() else f"{prefix}{name}".rstrip("_-")
