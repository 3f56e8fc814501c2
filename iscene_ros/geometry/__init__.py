"""Geometry of meshes, planes, ray columns and depth renderings in numpy; no torch, no ROS."""
