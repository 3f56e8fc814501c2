"""Everything the node does between decoded inputs and outputs: sync, TF, tracking; no ROS."""
