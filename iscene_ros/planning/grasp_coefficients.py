"""Coefficients of the score of a grasp, written by `iscene evaluate grasps --fit`."""

from __future__ import annotations

# The constant, then one for each of `grasp_score.FEATURES`.
COEFFICIENTS = (0.0, 3.0, 2.0, -2.0, 0.5, -2.0, 1.0, 0.0, 0.5)
