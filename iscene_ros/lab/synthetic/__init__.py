"""Synthetic scenes: shapes, arrangements at rest, cameras and depth sensors."""
