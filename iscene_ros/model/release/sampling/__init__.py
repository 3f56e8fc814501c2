"""Sampling a scene: both stages, what is computed once, presets, and the release's own schedule."""
