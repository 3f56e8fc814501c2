"""Parameters of what planners get: MoveIt's objects, and grasps."""

from __future__ import annotations

from dataclasses import dataclass

from iscene_ros.io.twin_files import DOCUMENTS
from iscene_ros.planning.collision_objects import CollisionOptions
from iscene_ros.planning.grasp_cache import GraspOptions
from iscene_ros.planning.grippers import FRANKA_HAND, GRIPPERS
from iscene_ros.session.parameters import Parameters, setting


@dataclass(frozen=True)
class PlanningSettings(Parameters):
    """The parameters of planners, a part of `Settings`."""

    frame_prefix: str = setting("", "put before TF names; if empty, the namespace of the node")
    moveit: bool = setting(
        True,
        "send objects to MoveIt where its service apply_planning_scene is available",
        live=True,
    )
    collision_shape: str = setting(
        "auto",
        "objects for MoveIt: auto: convex parts where coacd is installed, else the hull; hull; "
        "mesh: at most 5000 triangles",
        choices=("auto", "hull", "mesh"),
        live=True,
    )
    collision_padding: float = setting(
        0.0, "objects for MoveIt are larger by this on all sides [m]", low=0, high=1, live=True
    )
    grasps: str = setting(
        "none",
        "plan grasps: none; target: of the object grasp_target; all: of every object",
        choices=("none", "target", "all"),
        live=True,
    )
    grasp_target: str = setting(
        "",
        "name or id of the object whose grasps ~/grasps has; if empty and grasps is all, the one "
        "that is most likely picked",
        live=True,
    )
    gripper: str = setting(
        FRANKA_HAND.name, "that grasps are planned for", choices=tuple(GRIPPERS), live=True
    )
    save_twin: str = setting(
        "none",
        "~/save_scene writes the scene for a simulator, too, into a folder beside; with convex "
        "parts it takes seconds an object, which collision_shape hull saves",
        choices=("none", *DOCUMENTS),
        live=True,
    )

    def collision_options(self) -> CollisionOptions:
        """Return how bodies for collision checking are made."""
        return CollisionOptions(self.collision_shape, self.collision_padding, self.frame_prefix)

    def grasp_options(self) -> GraspOptions:
        """Return which grasps are planned."""
        return GraspOptions(self.grasps, self.grasp_target, self.gripper)
