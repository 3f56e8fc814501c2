"""Robots of other users, and of the workers beside this one, stay unheard."""

import os

from ros_domain import domain_of

worker = os.environ.get("PYTEST_XDIST_WORKER", "")
# Workers inherit the environment of the process that started them.
process = os.getppid() if worker else os.getpid()
os.environ["ROS_DOMAIN_ID"] = str(domain_of(process, worker))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
