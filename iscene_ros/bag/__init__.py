"""Reading, completing and writing of recorded bags without ROS."""
