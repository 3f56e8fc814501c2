"""The thin ROS layer: message decoding and encoding, publishers, services, the node."""
