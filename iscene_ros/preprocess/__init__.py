"""Cleaning of masks and depth, crops around instances, and the observation volumes in them."""
