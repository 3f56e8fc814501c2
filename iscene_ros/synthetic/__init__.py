"""Synthetic worlds: shapes, scenes at rest, cameras, depth images; torch and numpy alone."""
