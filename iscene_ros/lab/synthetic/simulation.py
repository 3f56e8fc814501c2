"""Rigid bodies in mujoco: free bodies of convex pieces that fall onto fixed boxes."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.core.errors import InputError

if TYPE_CHECKING:
    from mujoco import MjContact

ENVIRONMENT = -1


@dataclass(frozen=True)
class RigidBody:
    """A free body.

    Attributes:
        pieces: Vertices (V, 3) of its convex pieces in the body's frame [m].
        world_from_body: (4, 4) float64 initial pose.
    """

    pieces: Sequence[np.ndarray]
    world_from_body: np.ndarray


@dataclass(frozen=True)
class FixedBox:
    """A box of the environment: half sizes (3,) [m] at a pose (4, 4)."""

    half_size: np.ndarray
    world_from_box: np.ndarray


@dataclass(frozen=True)
class EngineSettings:
    """Solver and contact parameters of mujoco (MJCF attributes).

    Attributes:
        step_s: Time of one step [s].
        option: Attributes of `option`.
        geom: Attributes of all geoms: friction, density, softness of contacts.
        quaternion_digits: Significant digits of initial orientations. Piles are chaotic: which
            scene a seed stands for depends on them.
    """

    step_s: float
    option: str
    geom: str
    quaternion_digits: int


@dataclass(frozen=True)
class Machine:
    """Parts with joints of their own, as MJCF: elements of `worldbody` and those after it."""

    bodies: str = ""
    controls: str = ""


class Simulation:
    """Bodies under gravity, in the order in which they are given, and a machine among them.

    Raises:
        InputError: Mujoco is not installed.
    """

    def __init__(
        self,
        bodies: Sequence[RigidBody],
        boxes: Sequence[FixedBox],
        settings: EngineSettings,
        machine: Machine | None = None,
    ) -> None:
        try:
            import mujoco
        except ModuleNotFoundError as error:
            message = "mujoco is not installed; run: pip install iscene_ros[evaluate]"
            raise InputError(message) from error
        self._mujoco = mujoco
        document = _document(bodies, boxes, settings, machine or Machine())
        self.model = mujoco.MjModel.from_xml_string(document)
        self.data = mujoco.MjData(self.model)
        self._count = len(bodies)

    def reset(self) -> None:
        """Return to the initial poses, at rest."""
        self._mujoco.mj_resetData(self.model, self.data)

    def advance(self, steps: int) -> None:
        """Take so many steps."""
        self._mujoco.mj_step(self.model, self.data, steps)

    @property
    def seconds(self) -> float:
        """Simulated time [s]."""
        return self.data.time

    @property
    def states(self) -> np.ndarray:
        """Positions [m] and quaternions w, x, y, z of the bodies, (N, 7)."""
        return np.asarray(self.data.qpos)[: 7 * self._count].reshape(-1, 7).copy()

    @property
    def velocities(self) -> np.ndarray:
        """Linear [m/s] and angular [rad/s] velocities of the bodies, (N, 6)."""
        return np.asarray(self.data.qvel)[: 6 * self._count].reshape(-1, 6).copy()

    @property
    def poses(self) -> np.ndarray:
        """world_from_body of the bodies, (N, 4, 4)."""
        states = self.states
        poses = np.tile(np.eye(4), (len(states), 1, 1))
        poses[:, :3, 3] = states[:, :3]
        poses[:, :3, :3] = Rotation.from_quat(np.roll(states[:, 3:], -1, axis=1)).as_matrix()
        return poses

    def contact_forces(self) -> Iterator[tuple[int, int, MjContact, np.ndarray]]:
        """Yield the numbers of the two bodies of each contact, itself and its force (6,) [N].

        -1 is the environment; parts of a machine follow the bodies. The force is in the frame of
        the contact: its normal comes first.
        """
        force = np.zeros(6)
        for number in range(self.data.ncon):
            contact = self.data.contact[number]
            self._mujoco.mj_contactForce(self.model, self.data, number, force)
            one, other = (int(self.model.geom_bodyid[g]) - 1 for g in contact.geom)
            yield one, other, contact, force

    def mean_contacts(self, steps: int) -> tuple[PhysicsContact, ...]:
        """Take steps and average the forces of each pair of geoms; single steps jitter."""
        sums: dict[tuple[int, int, int, int], list[np.ndarray]] = defaultdict(list)
        for _ in range(steps):
            self.advance(1)
            for one, other, contact, force in self.contact_forces():
                frame = np.asarray(contact.frame).reshape(3, 3)
                row = np.concatenate([contact.pos, frame[0], frame.T @ force[:3], [force[0]]])
                sums[one, other, int(contact.geom[0]), int(contact.geom[1])].append(row)
        weights = self.model.body_mass * np.linalg.norm(self.model.opt.gravity)
        contacts = []
        for (one, other, _, _), rows in sums.items():
            total = np.array(rows)
            pressure = total[:, 9:] + 1e-12
            normal = (total[:, 3:6] * pressure).sum(axis=0)
            normal = normal / max(np.linalg.norm(normal), 1e-12)
            # The force acts on the second body, along the normal that points to it.
            pushed = total[:, 6:9].sum(axis=0) / steps
            points = _distinct_points(total[:, :3], total[:, 9])
            contacts += _shared_force(other, one, points, normal, pushed, weights)
        return tuple(contacts)


@dataclass(frozen=True)
class PhysicsContact:
    """One contact point of two bodies at rest.

    Attributes:
        one, other: Numbers of the bodies; `other` may be -1, the environment.
        point: (3,) in the world [m].
        normal: (3,) unit direction from `other` to `one`.
        force: (3,) on `one` by `other`, in units of the weight of `one`.
        force_on_other: The opposite force in units of the weight of `other`; 0 for the environment.
    """

    one: int
    other: int
    point: np.ndarray
    normal: np.ndarray
    force: np.ndarray
    force_on_other: np.ndarray

    def seen_from(self, body: int) -> PhysicsContact:
        """Return the contact with `body` as the first one."""
        if body == self.one:
            return self
        return PhysicsContact(
            self.other, self.one, self.point, -self.normal, self.force_on_other, self.force
        )


def mujoco_is_installed() -> bool:
    """Return whether bodies can be simulated."""
    return importlib.util.find_spec("mujoco") is not None


def _document(
    bodies: Sequence[RigidBody],
    boxes: Sequence[FixedBox],
    settings: EngineSettings,
    machine: Machine,
) -> str:
    """Return the MJCF document of the world."""
    assets, world = [], []
    for box in boxes:
        pose = _pose(box.world_from_box, settings.quaternion_digits)
        world.append(f'<geom type="box" {pose} size="{text_of(box.half_size)}"/>')
    for number, body in enumerate(bodies):
        names = [f"m{number}_{piece}" for piece in range(len(body.pieces))]
        for name, vertices in zip(names, body.pieces, strict=True):
            assets.append(f'<mesh name="{name}" vertex="{text_of(vertices)}"/>')
        pose = _pose(body.world_from_body, settings.quaternion_digits)
        geoms = "".join(f'<geom type="mesh" mesh="{name}"/>' for name in names)
        world.append(f"<body {pose}><freejoint/>{geoms}</body>")
    return (
        f'<mujoco><option timestep="{settings.step_s}" {settings.option}/><size memory="200M"/>'
        f'<default><geom condim="6" {settings.geom}/></default><asset>{"".join(assets)}</asset>'
        f"<worldbody>{''.join(world)}{machine.bodies}</worldbody>{machine.controls}</mujoco>"
    )


def _pose(transform: np.ndarray, quaternion_digits: int) -> str:
    quaternion = np.roll(Rotation.from_matrix(transform[:3, :3]).as_quat(), 1)
    return f'pos="{text_of(transform[:3, 3])}" quat="{text_of(quaternion, quaternion_digits)}"'


def text_of(values: np.ndarray, digits: int = 7) -> str:
    """Return all numbers of an array as MJCF writes them."""
    return " ".join(f"{float(value):.{digits}g}" for value in np.asarray(values).ravel())


def _distinct_points(points: np.ndarray, force: np.ndarray) -> np.ndarray:
    """Return the contact points (K, 3) that bear a share of the force, each about once."""
    pressed = points[force > 0.05 * force.max()] if force.max() > 0 else points
    _, first = np.unique(np.round(pressed / 2e-3), axis=0, return_index=True)
    return pressed[first]


def _shared_force(
    one: int,
    other: int,
    points: np.ndarray,
    normal: np.ndarray,
    force: np.ndarray,
    weights: np.ndarray,
) -> list[PhysicsContact]:
    """Distribute a force (3,) [N] on `one` evenly over the points; weights (N + 1,) [N]."""
    if one == ENVIRONMENT:
        one, other, normal, force = other, one, -normal, -force
    share = force / len(points)
    on_other = np.zeros(3) if other == ENVIRONMENT else -share / weights[other + 1]
    return [
        PhysicsContact(one, other, point, normal, share / weights[one + 1], on_other)
        for point in points
    ]
