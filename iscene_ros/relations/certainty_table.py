"""Coefficients of `certainty`, written by `iscene evaluate --relations --calibrate`."""

from __future__ import annotations

COEFFICIENTS: dict[str, dict[str, tuple[float, ...]]] = {
    "known": {
        "supported_by": (4.0, 0.0, -0.8, 0.0, -0.3, 1.0, 0.0, 0.0, -5.0, 0.0, 0.0),
        "leaning_on": (0.0, -0.7, 0.0, 2.0, -2.0, 0.0),
        "touching": (2.0, -1.2, 0.0, 3.0, 0.0, 0.0),
        "inside": (-6.0, 20.0, 0.0, 0.0),
        "near": (0.0, 2.0),
        "left_of": (0.0, 2.0),
        "in_front_of": (0.0, 2.0),
        "occludes": (-4.0, 200.0, 0.0),
        "blocks_from_above": (-4.0, 3.0, 0.0, 0.0, 0.0, 4.0, 0.0),
    },
    "completed": {
        "supported_by": (1.5, 0.0, -0.3, 0.0, -0.5, 2.0, 0.0, 0.0, -3.0, 2.0, -1.0),
        "leaning_on": (0.0, -0.5, 0.0, 0.5, -0.5, 0.0),
        "touching": (1.0, -0.6, 0.0, 2.0, 0.0, 0.0),
        "inside": (-4.0, 12.0, 0.0, 0.0),
        "near": (0.0, 1.0),
        "left_of": (0.0, 1.0),
        "in_front_of": (0.0, 1.0),
        "occludes": (-4.0, 100.0, 0.0),
        "blocks_from_above": (-3.0, 1.0, 0.0, 0.0, 0.0, 8.0, 0.0),
    },
}
