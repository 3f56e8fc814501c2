"""Synthetic worlds: shapes, scenes at rest, cameras, depth images; by torch, numpy and scipy."""
