"""Bags without ROS: read, completed, written; and one to try it on."""
