"""Short labels in an image that do not cover each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Of the width of the image, and its bounds [pixels].
LETTER_SHARE, LETTER_PIXELS = 1 / 58, (9, 36)
LONGEST = 22
INK, PAPER = (24, 26, 30), (255, 255, 255)


@dataclass(frozen=True)
class Label:
    """A text and its place.

    Attributes:
        text: of one line.
        center: u, v [pixels].
        color: RGB of its frame.
    """

    text: str
    center: tuple[float, float]
    color: tuple[int, int, int]


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    width: float
    height: float

    def meets(self, other: _Box) -> bool:
        return (
            abs(self.left + self.width / 2 - other.left - other.width / 2)
            < (self.width + other.width) / 2
            and abs(self.top + self.height / 2 - other.top - other.height / 2)
            < (self.height + other.height) / 2
        )


def draw_labels(image: np.ndarray, labels: Sequence[Label]) -> np.ndarray:
    """Draw labels, each near its centre, inside the image, and beside those before it.

    Args:
        image: (H, W, 3) uint8.
        labels: the first ones have the first choice.

    Returns:
        (H, W, 3) uint8.
    """
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    letters = round(float(np.clip(LETTER_SHARE * canvas.width, *LETTER_PIXELS)))
    font = ImageFont.load_default(letters)
    taken: list[_Box] = []
    for label in labels:
        text = label.text if len(label.text) <= LONGEST else _shortened(label.text)
        width, height = draw.textlength(text, font) + 0.8 * letters, 1.35 * letters
        box = _free_place(label.center, width, height, canvas.size, taken)
        taken.append(box)
        corners = [box.left, box.top, box.left + width, box.top + height]
        draw.rounded_rectangle(corners, height / 3, PAPER, label.color, max(1, letters // 7))
        middle = box.left + width / 2, box.top + height / 2
        draw.text(middle, text, INK, font, anchor="mm")
    return np.array(canvas)


def _shortened(text: str) -> str:
    """Return the text without the end of its name; its last word, the id, stays."""
    name, _, last = text.rpartition(" ")
    return f"{name[: LONGEST - len(last) - 2].rstrip()}… {last}"


def _free_place(
    center: tuple[float, float],
    width: float,
    height: float,
    size: tuple[int, int],
    taken: Sequence[_Box],
) -> _Box:
    left = np.clip(center[0] - width / 2, 0, max(0, size[0] - width - 1))
    for offset in _offsets(size[1] / height):
        top = np.clip(center[1] + (offset - 0.5) * height, 0, max(0, size[1] - height - 1))
        box = _Box(float(left), float(top), width, height)
        if not any(box.meets(other) for other in taken):
            return box
    return box


def _offsets(rows: float) -> Iterator[float]:
    """Yield 0, half a row down, half a row up, and so on until every row was tried."""
    yield 0.0
    for step in range(1, int(2 * rows) + 1):
        yield step / 2
        yield -step / 2
