"""The data types of the library and the frames they are given in; no torch, no ROS."""
