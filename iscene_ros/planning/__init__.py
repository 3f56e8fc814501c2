"""Inputs of motion and task planners, without ROS: collision objects, scene diffs, PDDL."""
