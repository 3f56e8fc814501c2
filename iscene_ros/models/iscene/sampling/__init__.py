"""Sampling of the two stages of the released I-Scene."""
