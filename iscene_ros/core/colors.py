"""Colours of instances, distinct and stable by id, and the sRGB transfer function."""

from __future__ import annotations

import numpy as np

GOLDEN_RATIO = (5**0.5 - 1) / 2
# Neighbouring ids also differ in lightness, for readers without colour vision.
LIGHTNESS = (0.68, 0.56, 0.78)
CHROMA = 0.15

# Of the surroundings, sRGB.
ENVIRONMENT_COLOR = np.array([150, 150, 150], np.uint8)

# Björn Ottosson's OKLab, in which equal steps of hue look equally different.
_LMS_FROM_LAB = np.array(
    [
        [1, 0.3963377774, 0.2158037573],
        [1, -0.1055613458, -0.0638541728],
        [1, -0.0894841775, -1.291485548],
    ]
)
_RGB_FROM_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.707614701],
    ]
)


def instance_color(instance_id: int) -> np.ndarray:
    """Return the (3,) uint8 sRGB colour of an id; hues at the golden ratio keep any few apart."""
    hue = 2 * np.pi * ((instance_id * GOLDEN_RATIO) % 1.0)
    lab = np.array([LIGHTNESS[instance_id % 3], CHROMA * np.cos(hue), CHROMA * np.sin(hue)])
    linear = np.clip(_RGB_FROM_LMS @ (_LMS_FROM_LAB @ lab) ** 3, 0, 1)
    return np.rint(255 * srgb_from_linear(linear)).astype(np.uint8)


def srgb_from_linear(linear: np.ndarray) -> np.ndarray:
    """Convert linear light in [0, 1] to sRGB values in [0, 1]; any shape."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def linear_from_srgb(srgb: np.ndarray) -> np.ndarray:
    """Convert sRGB values in [0, 1] to linear light in [0, 1]; any shape."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
