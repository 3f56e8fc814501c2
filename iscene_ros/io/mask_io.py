"""Reading of instance masks and their class names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from iscene_ros.core.errors import InputError
from iscene_ros.io.file_errors import read_json, reading

EXPECTED = "an 8- or 16-bit PNG of instance ids (0 = background) or a .npz with a (N, H, W) stack"
EXPECTED_LABELS = 'labels JSON {"1": "mug", ...} by instance id, or a list in the order of the ids'
SINGLE_CHANNEL = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")
# More ids than any segmentation of one view has: some other image was passed.
MOST_INSTANCES = 512


@dataclass(frozen=True)
class Label:
    """Class name and detection score in [0, 1]."""

    name: str = "object"
    score: float = 1.0


def read_masks(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Read instance ids and their masks.

    Returns:
        N positive ids, ascending; masks (N, H, W) bool.

    Raises:
        InputError: names the file.
    """
    if path.suffix.lower() == ".npz":
        return _read_stack(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: masks of type {path.suffix or '(none)'}; expected {EXPECTED}")
    return _read_id_image(path)


def read_labels(path: Path, ids: tuple[int, ...]) -> tuple[Label, ...]:
    """Read one label for each of the ids; an id that the file lacks is an "object".

    Raises:
        InputError: names the file and the id.
    """
    document = read_json(path, EXPECTED_LABELS)
    if isinstance(document, list):
        if len(document) != len(ids):
            raise InputError(f"{path}: {len(document)} labels for {len(ids)} instance ids")
        document = dict(zip(map(str, ids), document, strict=True))
    if not isinstance(document, dict):
        raise InputError(f"{path}: neither object nor list; expected {EXPECTED_LABELS}")
    labels = {}
    for key, value in document.items():
        if not key.isdecimal():
            raise InputError(
                f"{path}: key {key[:40]!r} is no instance id; expected {EXPECTED_LABELS}"
            )
        labels[int(key)] = _label(path, key, value)
    absent = sorted(set(labels) - set(ids))
    if absent:
        raise InputError(
            f"{path}: id {absent[0]} has no pixel in the masks; "
            f"expected ids among {', '.join(map(str, ids[:20]))}"
        )
    return tuple(labels.get(i, Label()) for i in ids)


def _read_id_image(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    with reading(path, EXPECTED), Image.open(path, formats=("PNG",)) as image:
        mode, values = image.mode, np.asarray(image)
    if mode not in SINGLE_CHANNEL:
        raise InputError(f"{path}: masks of mode {mode}, not of one channel; expected {EXPECTED}")
    ids = np.unique(values)
    ids = ids[ids > 0]
    if not len(ids):
        raise InputError(f"{path}: masks all empty (no pixel above 0); expected {EXPECTED}")
    _check_count(path, len(ids))
    return tuple(map(int, ids)), values == ids[:, None, None]


def _read_stack(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    with reading(path, EXPECTED), np.load(path, allow_pickle=False) as archive:
        names = archive.files
        if "masks" not in names and len(names) != 1:
            raise InputError(f"{path}: arrays {names}; expected one, or one named 'masks'")
        stack = archive["masks" if "masks" in names else names[0]]
    if stack.ndim != 3 or stack.dtype.kind not in "bui":
        raise InputError(
            f"{path}: masks of shape {stack.shape}, dtype {stack.dtype}; "
            "expected (N, H, W) bool or integers"
        )
    _check_count(path, len(stack))
    stack = stack != 0
    empty = np.flatnonzero(~stack.any((1, 2)))
    if len(empty) == len(stack):
        raise InputError(f"{path}: masks all empty; expected at least one instance with a pixel")
    if len(empty):
        raise InputError(
            f"{path}: mask {empty[0]} of {len(stack)} (instance id {empty[0] + 1}) has no pixel; "
            "leave it out"
        )
    return tuple(range(1, len(stack) + 1)), stack


def _check_count(path: Path, count: int) -> None:
    if count > MOST_INSTANCES:
        raise InputError(
            f"{path}: {count} instances, more than {MOST_INSTANCES}; "
            "is this an image of instance ids?"
        )


def _label(path: Path, key: str, value: object) -> Label:
    if isinstance(value, str):
        return Label(value)
    if isinstance(value, dict) and isinstance(value.get("label"), str):
        score = value.get("score", 1.0)
        if isinstance(score, (int, float)) and 0 <= score <= 1:
            return Label(value["label"], float(score))
    raise InputError(
        f"{path}: id {key}: {repr(value)[:60]}; "
        'expected a name or {"label": name, "score": 0 to 1}'
    )
