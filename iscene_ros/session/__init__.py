"""What a running system remembers between frames; inputs in, the scene of now out, no ROS."""
