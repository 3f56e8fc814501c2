"""Random scenes settled by mujoco.

Their contact forces are the ground truth of relations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.lab.synthetic.physics_shapes import CONTAINERS, PhysicsShape
from iscene_ros.lab.synthetic.primitives import pose
from iscene_ros.lab.synthetic.simulation import (
    ENVIRONMENT,
    EngineSettings,
    FixedBox,
    Machine,
    PhysicsContact,
    RigidBody,
    Simulation,
)

Box = tuple[np.ndarray, np.ndarray]  # lower and upper corner (3,) [m]

SETTINGS = EngineSettings(
    step_s=0.002,
    option='cone="elliptic" impratio="5" integrator="implicitfast"',
    geom='friction="0.7 0.005 0.002" solref="0.005 1" solimp="0.98 0.995 0.0005" density="500"',
    quaternion_digits=17,
)
MIN_SECONDS, MAX_SECONDS = 0.5, 4.0
CHECKED_STEPS = 50
AVERAGED_STEPS = 50
# Bodies slower than this are at rest [m/s, rad/s].
REST_SPEED = 0.004
REST_SPIN = 0.1
# Bodies that creep further than this while contacts are averaged are not at rest [m].
REST_SHIFT = 2e-3

# Objects further from the middle than this have left the scene [m].
REACH_M = 0.6
MAX_OBJECTS = 7


class Arrangement(str, Enum):
    """How the objects of a scene are dropped."""

    SPREAD = "spread"
    PILE = "pile"
    STACK = "stack"
    CONTAINER = "container"
    BIN = "bin"
    CORNER = "corner"


@dataclass(frozen=True)
class PhysicsScene:
    """Objects at rest in the world, z up.

    Attributes:
        shapes: Shape of each object.
        shape_ids: Objects with the same number are copies of each other.
        world_from_object: (N, 4, 4) float64.
        boxes: Environment: lower and upper corners (3,) of boxes [m].
        contacts: Contacts between objects, and with the environment, which is -1.
        arrangement: How the objects were dropped.
    """

    shapes: tuple[PhysicsShape, ...]
    shape_ids: tuple[int, ...]
    world_from_object: np.ndarray
    boxes: tuple[Box, ...]
    contacts: tuple[PhysicsContact, ...]
    arrangement: Arrangement


def physics_scenes(pool: list[PhysicsShape], count: int, seed: int) -> Iterator[PhysicsScene]:
    """Yield `count` random scenes at rest of objects from a pool of shapes."""
    made, number = 0, 0
    while made < count:
        rng = np.random.default_rng([seed, number])
        number += 1
        scene = random_physics_scene(rng, pool)
        if scene is not None:
            made += 1
            yield scene


def random_physics_scene(rng: np.random.Generator, pool: list[PhysicsShape]) -> PhysicsScene | None:
    """Drop random shapes; None where some do not come to rest, or fewer than two stay."""
    arrangement = list(Arrangement)[int(rng.integers(len(Arrangement)))]
    chosen = _chosen(rng, pool, arrangement, int(rng.integers(2, MAX_OBJECTS + 1)))
    if arrangement is Arrangement.STACK:
        chosen.sort(key=lambda pair: -np.prod(np.ptp(pair[0].mesh.vertices, axis=0)[:2]))
    shapes = [shape for shape, _ in chosen]
    boxes = _environment(rng, arrangement)
    poses = _dropped(rng, shapes, arrangement)
    settled = settle(shapes, poses, boxes)
    if settled is None:
        return None
    world_from_object, contacts = settled
    stays = np.linalg.norm(world_from_object[:, :2, 3], axis=1) < REACH_M
    stays &= world_from_object[:, 2, 3] > -0.02
    if stays.sum() < 2:
        return None
    # The environment, -1, keeps its number: it reads the last entry.
    number = np.append(np.cumsum(stays) - 1, ENVIRONMENT)
    contacts = tuple(
        replace(contact, one=int(number[contact.one]), other=int(number[contact.other]))
        for contact in contacts
        if stays[contact.one] and (contact.other < 0 or stays[contact.other])
    )
    kept = np.flatnonzero(stays)
    return PhysicsScene(
        shapes=tuple(shapes[i] for i in kept),
        shape_ids=tuple(chosen[i][1] for i in kept),
        world_from_object=world_from_object[kept],
        boxes=boxes,
        contacts=contacts,
        arrangement=arrangement,
    )


def settle(
    shapes: Sequence[PhysicsShape], poses: Sequence[np.ndarray], boxes: Sequence[Box]
) -> tuple[np.ndarray, tuple[PhysicsContact, ...]] | None:
    """Drop shapes from their poses (4, 4) onto boxes.

    Returns:
        Poses at rest (N, 4, 4) and contacts; None where they do not come to rest.

    Raises:
        InputError: Mujoco is not installed.
    """
    simulation = simulated(shapes, poses, boxes)
    for _ in range(round(MAX_SECONDS / SETTINGS.step_s / CHECKED_STEPS)):
        simulation.advance(CHECKED_STEPS)
        if simulation.seconds > MIN_SECONDS and _all_rest(simulation):
            break
    else:
        return None
    before = simulation.states
    contacts = simulation.mean_contacts(AVERAGED_STEPS)
    if not _all_rest(simulation) or np.abs(simulation.states - before).max() > REST_SHIFT:
        return None
    return simulation.poses, contacts


def simulated(
    shapes: Sequence[PhysicsShape],
    poses: Sequence[np.ndarray],
    boxes: Sequence[Box],
    machine: Machine | None = None,
) -> Simulation:
    """Return a simulation of shapes at poses (4, 4) among fixed boxes, and of a machine.

    Raises:
        InputError: Mujoco is not installed.
    """
    bodies = [
        RigidBody([piece.vertices for piece in shape.pieces], at)
        for shape, at in zip(shapes, poses, strict=True)
    ]
    fixed = [FixedBox(0.5 * (high - low), pose(0.5 * (low + high))) for low, high in boxes]
    return Simulation(bodies, fixed, SETTINGS, machine)


def _all_rest(simulation: Simulation) -> bool:
    speeds = np.abs(simulation.velocities)
    return bool(speeds[:, :3].max() < REST_SPEED and speeds[:, 3:].max() < REST_SPIN)


def _chosen(
    rng: np.random.Generator, pool: list[PhysicsShape], arrangement: Arrangement, count: int
) -> list[tuple[PhysicsShape, int]]:
    """Draw shapes and their ids, equal for copies; containers come first and are large enough."""
    picked: list[tuple[PhysicsShape, int]] = []
    containers = [shape for shape in pool if shape.family in CONTAINERS]
    if arrangement is Arrangement.CONTAINER and containers:
        container = containers[int(rng.integers(len(containers)))]
        width = float(np.ptp(container.mesh.vertices, axis=0)[:2].min())
        picked.append((container.scaled(max(1.0, rng.uniform(0.11, 0.2) / width)), 0))
        room = 0.6 * float(np.ptp(picked[0][0].mesh.vertices, axis=0)[:2].min())
        for number in range(min(count, 4)):
            shape = pool[int(rng.integers(len(pool)))]
            size = float(np.ptp(shape.mesh.vertices, axis=0).max())
            factor = min(1.0, room * rng.uniform(0.5, 1.2) / size)
            picked.append((shape.scaled(factor), number + 1))
        return picked
    while len(picked) < count:
        if picked and rng.random() < 0.15:
            picked.append(picked[int(rng.integers(len(picked)))])
        else:
            shape = pool[int(rng.integers(len(pool)))]
            picked.append((shape.scaled(rng.uniform(0.8, 1.2)), len(picked)))
    return picked


def _environment(rng: np.random.Generator, arrangement: Arrangement) -> tuple[Box, ...]:
    half = rng.uniform(0.5, 0.8, 2)
    boxes = [_box((-half[0], -half[1], -0.05), (half[0], half[1], 0.0))]
    if arrangement is Arrangement.BIN:
        x, y = rng.uniform(0.13, 0.22, 2)
        wall, height = rng.uniform(0.004, 0.015), rng.uniform(0.06, 0.14)
        boxes += [_box((-x - wall, -y - wall, 0), (-x, y + wall, height))]
        boxes += [_box((x, -y - wall, 0), (x + wall, y + wall, height))]
        boxes += [
            _box((-x, -y - wall, 0), (x, -y, height)),
            _box((-x, y, 0), (x, y + wall, height)),
        ]
    elif arrangement is Arrangement.CORNER:
        boxes += [_box((-0.12, -0.5, 0.0), (-0.1, 0.5, 0.3))]
        if rng.random() < 0.5:
            boxes += [_box((-0.1, 0.1, 0.0), (0.5, 0.12, 0.3))]
    return tuple(boxes)


def _box(low: tuple[float, ...], high: tuple[float, ...]) -> Box:
    return np.array(low, np.float64), np.array(high, np.float64)


def _dropped(
    rng: np.random.Generator, shapes: list[PhysicsShape], arrangement: Arrangement
) -> np.ndarray:
    """Return poses (N, 4, 4) one above the other, so that each falls onto those before it."""
    spread = {
        Arrangement.SPREAD: 0.25,
        Arrangement.PILE: 0.06,
        Arrangement.STACK: 0.008,
        Arrangement.CONTAINER: 0.02,
        Arrangement.BIN: 0.08,
        Arrangement.CORNER: 0.07,
    }[arrangement]
    poses, floor = [], 0.002
    for number, shape in enumerate(shapes):
        at = np.eye(4)
        at[:3, :3] = _orientation(rng, arrangement, number)
        moved = shape.mesh.transformed(at).vertices
        low, high = moved.min(axis=0), moved.max(axis=0)
        position = rng.normal(0, spread, 2)
        if arrangement is Arrangement.CONTAINER and number == 0:
            position = np.zeros(2)
        if arrangement is Arrangement.CORNER:
            position = np.maximum(position, (-0.095, -1.0)) + (max(-low[0], 0.0) * 0.7, 0.0)
            position[1] = min(position[1], 0.09 - high[1])
            position[0] = max(position[0], -0.098 - low[0])
        at[:3, 3] = [*position, floor - low[2]]
        if arrangement is not Arrangement.SPREAD:
            floor += float(high[2] - low[2]) + 0.004
        poses.append(at)
    return np.array(poses)


def _orientation(rng: np.random.Generator, arrangement: Arrangement, number: int) -> np.ndarray:
    yaw = Rotation.from_euler("z", rng.uniform(-np.pi, np.pi))
    upright = arrangement is Arrangement.CONTAINER and number == 0
    if upright or rng.random() < 0.55:
        tilt = Rotation.from_euler("xy", np.zeros(2) if upright else rng.normal(0, 0.1, 2))
    elif rng.random() < 0.5:
        tilt = Rotation.from_euler("x", np.pi / 2) * Rotation.from_euler("z", rng.uniform(0, 6))
    else:
        tilt = Rotation.random(random_state=int(rng.integers(2**31)))
    return (yaw * tilt).as_matrix()
