"""Grasps in mujoco: a free-flying gripper comes in, closes, lifts and holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.lab.synthetic.physics_scenes import SETTINGS, PhysicsScene, simulated
from iscene_ros.lab.synthetic.simulation import Machine, text_of
from iscene_ros.planning.grippers import Gripper

LIFT_M = 0.15
APPROACH_S, CLOSE_S, LIFT_S, HOLD_S = 0.7, 0.6, 0.8, 1.0
# An object was lifted that ends at least so much higher [m].
LIFTED_M = 0.1
# Another object was knocked over that turned or moved by more.
TURNED_RAD, MOVED_M = np.deg2rad(30.0), 0.05
# Contacts on the way in with less force are grazes that an arm would not notice [N].
COLLISION_N = 1.0
# The arm: stiffness and damping of the hand along each axis [N/m, Ns/m], and its force [N].
STIFFNESS, DAMPING, ARM_N = 8000.0, 250.0, 300.0
HAND_KG, FINGER_KG = 0.7, 0.05
# Inertia of a finger's drive [kg], and its control [N/m, Ns/m]; its force is the gripper's.
DRIVE_KG, GRIP_STIFFNESS, GRIP_DAMPING = 1.0, 4000.0, 120.0
# Fingers are driven to this far beyond closed, so that thin things get the whole force, too [m].
BEYOND_M = 0.03
# Steps between looks at the contacts.
LOOK = 5


@dataclass(frozen=True)
class Outcome:
    """What came of a grasp.

    Attributes:
        collided: Whether the gripper met something on the way in.
        lifted: Whether the object was held high in the end.
        knocked: Whether another object turned or moved.
    """

    collided: bool
    lifted: bool
    knocked: bool

    @property
    def success(self) -> bool:
        """Whether the object was picked and all others stayed."""
        return self.lifted and not self.knocked


class GraspSimulation:
    """A scene at rest and a gripper; each grasp starts from the same scene.

    Raises:
        InputError: Mujoco is not installed.
    """

    def __init__(self, scene: PhysicsScene, gripper: Gripper) -> None:
        self.gripper = gripper
        self._count = len(scene.shapes)
        self._simulation = simulated(
            scene.shapes, scene.world_from_object, scene.boxes, _machine(gripper)
        )

    @property
    def poses(self) -> np.ndarray:
        """world_from_object of all objects, (N, 4, 4), after the last grasp."""
        return self._simulation.poses

    def execute(
        self, target: int, world_from_grasp: np.ndarray, opening: float, approach: float
    ) -> Outcome:
        """Execute a grasp.

        Args:
            target: Index of the object.
            world_from_grasp: (4, 4) pose of the grasp frame.
            opening: Distance of the pads on the way in [m].
            approach: Length of the straight way in [m].
        """
        simulation, model = self._simulation, self._simulation.model
        rotation = world_from_grasp[:3, :3]
        hand = 1 + self._count
        model.body_pos[hand] = world_from_grasp[:3, 3] - approach * rotation[:, 2]
        model.body_quat[hand] = np.roll(Rotation.from_matrix(rotation).as_quat(), 1)
        simulation.reset()
        simulation.data.qpos[-2:] = 0.5 * opening
        before = simulation.poses
        ahead, up = np.array([0.0, 0.0, approach]), LIFT_M * rotation[2]
        far, closed = 0.5 * opening, -BEYOND_M
        collided = self._move(APPROACH_S, lambda share: (*(share * ahead), far))
        self._move(CLOSE_S, lambda share: (*ahead, far + share * (closed - far)))
        self._move(LIFT_S, lambda share: (*(ahead + share * up), closed))
        self._move(HOLD_S, lambda share: (*(ahead + up), closed))
        after = simulation.poses
        risen = after[target, 2, 3] - before[target, 2, 3]
        return Outcome(collided, bool(risen > LIFTED_M), _knocked(before, after, target))

    def _move(self, seconds: float, position: Callable[[float], tuple[float, ...]]) -> bool:
        """Drive hand and fingers to x, y, z, pad at shares of the time; return whether any met."""
        met = False
        steps = round(seconds / SETTINGS.step_s / LOOK)
        for step in range(steps):
            share = min(1.0, 1.15 * (step + 1) / steps)  # a little rest at the end
            wanted = position(share)
            self._simulation.data.ctrl[:] = (*wanted, wanted[-1])
            self._simulation.advance(LOOK)
            met = met or any(
                (one >= self._count) != (other >= self._count) and force[0] > COLLISION_N
                for one, other, _, force in self._simulation.contact_forces()
            )
        return met


def _knocked(before: np.ndarray, after: np.ndarray, target: int) -> bool:
    others = np.arange(len(before)) != target
    moved = np.linalg.norm(after[others, :3, 3] - before[others, :3, 3], axis=1)
    turn = after[others, :3, :3] @ before[others, :3, :3].transpose(0, 2, 1)
    cosine = 0.5 * (np.trace(turn, axis1=1, axis2=2) - 1)
    return bool(np.any((moved > MOVED_M) | (cosine < np.cos(TURNED_RAD))))


def _machine(gripper: Gripper) -> Machine:
    """Return the gripper: a hand on three slides of its own axes, and two coupled fingers."""
    boxes = gripper.boxes(0.0)
    left, right, palm = (
        f'<geom type="box" pos="{text_of(0.5 * (low + high))}" '
        f'size="{text_of(0.5 * (high - low))}" '
        for low, high in zip(boxes.low, boxes.high, strict=True)
    )
    slides = "".join(
        f'<joint name="{name}" type="slide" axis="{axis}"/>'
        for name, axis in (("x", "1 0 0"), ("y", "0 1 0"), ("z", "0 0 1"))
    )
    limit = f'range="0 {0.5 * gripper.max_width}" solreflimit="0.004 1" solimplimit="0.98 0.999"'
    fingers = "".join(
        f'<body name="{name}" gravcomp="1"><joint name="{name}" type="slide" axis="{sign} 0 0" '
        f'{limit} armature="{DRIVE_KG}"/>{geom}mass="{FINGER_KG}"/></body>'
        for name, sign, geom in (("left", -1, left), ("right", 1, right))
    )
    arm = f'kp="{STIFFNESS}" kv="{DAMPING}" forcerange="-{ARM_N} {ARM_N}"'
    controls = "".join(f'<position joint="{name}" {arm}/>' for name in "xyz")
    grip = f'kp="{GRIP_STIFFNESS}" kv="{GRIP_DAMPING}"'
    grip += f' forcerange="-{gripper.force} {gripper.force}"'
    controls += "".join(f'<position joint="{name}" {grip}/>' for name in ("left", "right"))
    return Machine(
        f'<body name="hand" gravcomp="1">{slides}{palm}mass="{HAND_KG}"/>{fingers}</body>',
        '<contact><exclude body1="left" body2="right"/></contact>'
        '<equality><joint joint1="left" joint2="right"/></equality>'
        f"<actuator>{controls}</actuator>",
    )
