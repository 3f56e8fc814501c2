"""Coefficients of the score of a grasp, written by `iscene evaluate grasps --fit`."""

from __future__ import annotations

# The constant, then one for each of `grasp_score.FEATURES`.
COEFFICIENTS = (-4.9399, 5.3689, 4.2907, -3.199, 0.0535, -1.0531, -0.3159, -1.9432, 0.5267)
