"""Rigid bodies put to rest by mujoco."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.core.errors import InputError
from iscene_ros.core.scene import Mesh

STEP_S = 0.002
LONGEST_S = 4.0
AVERAGED_STEPS = 50
# Slower than this is at rest [m/s, rad/s].
REST_SPEED = 0.004
REST_SPIN = 0.1
ENVIRONMENT = -1

HEADER = """
<mujoco>
  <option timestep="{step}" cone="elliptic" impratio="5" integrator="implicitfast"/>
  <size memory="200M"/>
  <default><geom condim="6" friction="0.7 0.005 0.002" solref="0.005 1"
    solimp="0.98 0.995 0.0005" density="500"/></default>
"""


@dataclass(frozen=True)
class PhysicsBody:
    """Convex pieces in the body's frame, and where it starts: (4, 4) float64."""

    pieces: Sequence[Mesh]
    world_from_body: np.ndarray


@dataclass(frozen=True)
class PhysicsContact:
    """One contact point of two bodies at rest.

    Attributes:
        one, other: bodies; `other` may be -1, the environment.
        point: (3,) in the world [m].
        normal: (3,) unit direction from `other` to `one`.
        force: (3,) on `one` by `other`, in units of the weight of `one`.
        force_on_other: the same size in units of the weight of `other`; 0 for the environment.
    """

    one: int
    other: int
    point: np.ndarray
    normal: np.ndarray
    force: np.ndarray
    force_on_other: np.ndarray

    def renumbered(self, one: int, other: int) -> PhysicsContact:
        """The same contact of bodies that are counted otherwise."""
        return replace(self, one=one, other=other)

    def seen_from(self, body: int) -> PhysicsContact:
        """The contact with `body` as the first one."""
        if body == self.one:
            return self
        return PhysicsContact(
            self.other, self.one, self.point, -self.normal, self.force_on_other, self.force
        )


@dataclass(frozen=True)
class Rest:
    """Bodies at rest: (N, 4, 4) poses and their contacts."""

    world_from_body: np.ndarray
    contacts: tuple[PhysicsContact, ...]


def settle(
    bodies: Sequence[PhysicsBody], boxes: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Rest | None:
    """Let bodies fall onto boxes until all rest; None where they do not.

    Raises:
        InputError: mujoco is not installed.
    """
    try:
        import mujoco
    except ModuleNotFoundError as error:
        message = "mujoco is not installed; run: pip install iscene_ros[evaluate]"
        raise InputError(message) from error
    model = mujoco.MjModel.from_xml_string(_document(bodies, boxes))
    data = mujoco.MjData(model)
    for _ in range(round(LONGEST_S / STEP_S / 50)):
        mujoco.mj_step(model, data, 50)
        if data.time > 0.5 and _rests(data.qvel):
            break
    else:
        return None
    before = data.qpos.copy()
    found = _contacts(mujoco, model, data)
    if not _rests(data.qvel) or np.abs(data.qpos - before).max() > 2e-3:
        return None
    return Rest(_poses(data.qpos), found)


def _rests(velocity: np.ndarray) -> bool:
    rows = np.asarray(velocity).reshape(-1, 6)
    return bool(np.abs(rows[:, :3]).max() < REST_SPEED and np.abs(rows[:, 3:]).max() < REST_SPIN)


def _document(bodies: Sequence[PhysicsBody], boxes: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    assets, placed = [], []
    for index, body in enumerate(bodies):
        names = [f"m{index}_{number}" for number in range(len(body.pieces))]
        for name, piece in zip(names, body.pieces, strict=True):
            assets.append(f'<mesh name="{name}" vertex="{_numbers(piece.vertices)}"/>')
        w, x, y, z = np.roll(Rotation.from_matrix(body.world_from_body[:3, :3]).as_quat(), 1)
        geoms = "".join(f'<geom type="mesh" mesh="{name}"/>' for name in names)
        position = _numbers(body.world_from_body[:3, 3])
        placed.append(f'<body pos="{position}" quat="{w} {x} {y} {z}"><freejoint/>{geoms}</body>')
    for low, high in boxes:
        center, half = _numbers(0.5 * (low + high)), _numbers(0.5 * (high - low))
        placed.append(f'<geom type="box" pos="{center}" size="{half}"/>')
    header = HEADER.format(step=STEP_S)
    return (
        f"{header}<asset>{''.join(assets)}</asset><worldbody>{''.join(placed)}</worldbody></mujoco>"
    )


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.7g}" for value in np.asarray(values).ravel())


def _poses(positions: np.ndarray) -> np.ndarray:
    rows = np.asarray(positions).reshape(-1, 7)
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3, 3] = rows[:, :3]
    poses[:, :3, :3] = Rotation.from_quat(np.roll(rows[:, 3:], -1, axis=1)).as_matrix()
    return poses


def _contacts(mujoco, model, data) -> tuple[PhysicsContact, ...]:
    """Mean forces of geom pairs over the last steps; single steps of a solver jitter."""
    weights = model.body_mass * np.linalg.norm(model.opt.gravity)
    sums: dict[tuple[int, int, int, int], list[np.ndarray]] = defaultdict(list)
    force = np.zeros(6)
    for _ in range(AVERAGED_STEPS):
        mujoco.mj_step(model, data)
        for number in range(data.ncon):
            contact = data.contact[number]
            mujoco.mj_contactForce(model, data, number, force)
            frame = np.asarray(contact.frame).reshape(3, 3)
            one, other = (int(model.geom_bodyid[g]) - 1 for g in contact.geom)
            row = np.concatenate([contact.pos, frame[0], frame.T @ force[:3], [force[0]]])
            sums[one, other, int(contact.geom[0]), int(contact.geom[1])].append(row)
    found = []
    for (one, other, _, _), rows in sums.items():
        total = np.array(rows)
        weight = total[:, 9:] + 1e-12
        point, normal = ((total[:, i : i + 3] * weight).sum(axis=0) for i in (0, 3))
        point, normal = point / weight.sum(), normal / max(np.linalg.norm(normal), 1e-12)
        # The force acts on the second body, along the normal that points to it.
        pushed = total[:, 6:9].sum(axis=0) / AVERAGED_STEPS
        points = _spread(total[:, :3], total[:, 9])
        found += _shared(other, one, points, normal, pushed, weights)
    return tuple(found)


def _spread(points: np.ndarray, force: np.ndarray) -> np.ndarray:
    """(K, 3) contact points that matter, each about once."""
    pressed = points[force > 0.05 * force.max()] if force.max() > 0 else points
    _, first = np.unique(np.round(pressed / 2e-3), axis=0, return_index=True)
    return pressed[first]


def _shared(
    one: int,
    other: int,
    points: np.ndarray,
    normal: np.ndarray,
    force: np.ndarray,
    weights: np.ndarray,
) -> list[PhysicsContact]:
    if one < 0:
        one, other, normal, force = other, one, -normal, -force
    share = force / len(points)
    on_other = np.zeros(3) if other < 0 else -share / weights[other + 1]
    return [
        PhysicsContact(one, other, point, normal, share / weights[one + 1], on_other)
        for point in points
    ]
