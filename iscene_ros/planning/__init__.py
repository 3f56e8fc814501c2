"""What planners take from a scene, without ROS: PDDL, collision bodies, changes."""
