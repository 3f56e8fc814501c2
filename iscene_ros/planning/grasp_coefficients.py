"""Coefficients of the score of a grasp, written by `iscene evaluate grasps --fit`."""

from __future__ import annotations

# The constant, then one for each of `grasp_score.FEATURES`.
COEFFICIENTS = (-0.8073, 0.8171, 2.3785, -0.9909, 0.7884, -1.4392, 0.5014, -3.8856, 1.2067)
