"""Class names: as one readable line, and as parts of file names, TF frames and PDDL names."""

from __future__ import annotations

import re
import unicodedata

UNKNOWN_LABEL = "object"
MOST_CHARACTERS = 256


def readable_label(text: str) -> str:
    """Return a class name as one printable line without spaces around it; "object" if empty."""
    printable = "".join(c if c.isprintable() else " " for c in str(text)[:MOST_CHARACTERS])
    return " ".join(printable.split()) or UNKNOWN_LABEL


def slug(text: str) -> str:
    """Return a text in lower-case letters and digits: "Ice cube tray!" becomes "ice_cube_tray".

    Other scripts are transliterated, "чашка" becomes "chashka", where anyascii is installed.
    Without it they are left out, but for accents.
    """
    if not text.isascii():
        try:
            from anyascii import anyascii

            text = anyascii(text)
        except ImportError:
            decomposed = unicodedata.normalize("NFKD", text)
            text = "".join(c for c in decomposed if not unicodedata.combining(c))
    return re.sub("[^a-z0-9]+", "_", text.lower()).strip("_")


def letter_first(name: str, prefix: str) -> str:
    """Return a slug that begins with a letter: with `prefix`, such as "object_", where needed."""
    return name if name[:1].isalpha() else f"{prefix}{name}".rstrip("_-")


def object_name(label: str, object_id: int, prefix: str = "") -> str:
    """Return the name of an object in TF, MoveIt and PDDL: "Ice cube tray" is "ice_cube_tray_3"."""
    return f"{prefix}{letter_first(slug(label)[:40], 'object_')}_{object_id}"
