"""Coefficients of the score of a grasp, written by `iscene evaluate grasps --fit`."""

from __future__ import annotations

# The constant, then one for each of `grasp_score.FEATURES`.
COEFFICIENTS = (-0.3305, 6.0703, 2.7118, -8.7459, -1.1973, 0.9763, -3.0247, -1.7101, 0.3248)
