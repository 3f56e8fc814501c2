"""Predicted shapes, what they are worth, and their surfaces."""
