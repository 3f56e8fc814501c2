"""Objects of a random scene dropped by the physics engine instead of placed; mujoco is optional."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from iscene_ros.lab.synthetic.collisions import PlacedSolid, lift_out_of_overlap
from iscene_ros.lab.synthetic.environments import Environment
from iscene_ros.lab.synthetic.shapes import Solid
from iscene_ros.lab.synthetic.simulation import EngineSettings, FixedBox, RigidBody, Simulation

SETTINGS = EngineSettings(
    step_s=0.004,
    option='integrator="implicitfast" iterations="30"',
    geom='friction="0.6 0.01 0.004" density="400" solref="0.008 1" solimp="0.95 0.99 0.001"',
    quaternion_digits=7,
)
MAX_SECONDS = 3.0
# A body is at rest when it moves by no more than this [m, rad] within a window [s].
WINDOW_S = 0.1
REST_SHIFT = 6e-4
REST_TURN = 6e-3
# Cells that a solid is cut into along its longest side; each becomes the hull of its surface.
CELLS = 4
RELEASE_GAP = 0.003  # m
FALLEN = 0.02  # m below the support: over its edge
MIN_THICKNESS = 5e-4  # m; mujoco rejects thinner hulls


def lift_above(
    item: PlacedSolid, others: Sequence[PlacedSolid], surroundings: Environment
) -> PlacedSolid:
    """Move a solid vertically until its box is just above all boxes that it could fall on."""
    low, high = (corner.numpy().astype(float) for corner in item.box_world)
    floor = surroundings.support_height
    if np.isfinite(surroundings.height):
        half = np.array([surroundings.half_x, surroundings.half_y])
        if (np.maximum(np.abs(low[:2]), np.abs(high[:2])) > half).any():
            floor = surroundings.height
    for other in others:
        other_low, other_high = (c.numpy().astype(float) for c in other.box_world)
        if (low[:2] < other_high[:2]).all() and (other_low[:2] < high[:2]).all():
            floor = max(floor, other_high[2])
    return item.shifted((0.0, 0.0, floor + RELEASE_GAP - low[2]))


def drop(
    rng: np.random.Generator,
    released: Sequence[PlacedSolid],
    ground: PlacedSolid,
    support_height: float,
) -> tuple[list[int], list[PlacedSolid]]:
    """Simulate the fall of solids onto the ground.

    Returns:
        Indices of the solids that come to rest without overlap, and the solids at rest.

    Raises:
        InputError: Mujoco is not installed.
    """
    moved = {
        index: PlacedSolid(released[index].solid, pose)
        for index, pose in enumerate(resting_poses(released, ground.solid))
        if pose is not None
    }
    kept: list[int] = []
    resting: list[PlacedSolid] = []
    for index in sorted(moved, key=lambda i: float(moved[i].box_world[0][2])):
        if float(moved[index].box_world[0][2]) < support_height - FALLEN:
            continue
        item = lift_out_of_overlap(moved[index], [*resting, ground], rng)
        if item is not None:
            kept.append(index)
            resting.append(item)
    return kept, resting


def resting_poses(items: Sequence[PlacedSolid], environment: Solid) -> list[np.ndarray | None]:
    """Return the poses (4, 4) at rest of solids released at theirs; None for those still moving.

    The bodies are hulls of cells of the solids, so that cavities stay open down to a quarter of
    the size; small overlaps of the solids themselves remain.

    Raises:
        InputError: Mujoco is not installed.
    """
    hulls = [convex_cells(item.solid) for item in items]
    kept = [i for i, pieces in enumerate(hulls) if pieces]
    poses: list[np.ndarray | None] = [None] * len(items)
    if not kept:
        return poses
    bodies = [RigidBody(hulls[i], items[i].world_from_object) for i in kept]
    boxes = [FixedBox(np.array(p.parameters[:3]), p.object_from_part) for p in environment.parts]
    simulation = Simulation(bodies, boxes, SETTINGS)
    resting = _run(simulation)
    for index, pose, rests in zip(kept, simulation.poses, resting, strict=True):
        if rests:
            poses[index] = pose
    return poses


def convex_cells(solid: Solid) -> list[np.ndarray]:
    """Return vertices (V, 3) [m] of convex pieces that together approximate a solid."""
    points = solid.contact_points.numpy().astype(float)
    low, high = points.min(0), points.max(0)
    edge = float((high - low).max()) / CELLS
    cells = np.maximum(np.round((high - low) / edge), 1)
    # Points near a wall between cells belong to both, or gaps would open along it.
    scaled = (points - low) / (high - low).clip(1e-6) * cells
    pieces = []
    for cell in np.ndindex(*cells.astype(int)):
        inside = ((scaled > np.array(cell) - 0.12) & (scaled < np.array(cell) + 1.12)).all(1)
        piece = _hull(points[inside])
        if piece is not None:
            pieces.append(piece)
    return pieces


def _hull(points: np.ndarray) -> np.ndarray | None:
    """Return the corners (V, 3) of the hull of points (P, 3); None where it is flat."""
    if len(points) < 6:
        return None
    if np.linalg.svd(points - points.mean(0), compute_uv=False)[2] < MIN_THICKNESS:
        return None
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:
        return None


def _run(simulation: Simulation) -> np.ndarray:
    """Simulate until all rest or the time is over; return which bodies rest, (B,) bool."""
    steps = round(WINDOW_S / SETTINGS.step_s)
    after = simulation.states
    for _ in range(round(MAX_SECONDS / WINDOW_S)):
        before = after
        simulation.advance(steps)
        after = simulation.states
        shift = np.linalg.norm(after[:, :3] - before[:, :3], axis=1)
        cosine = np.abs((after[:, 3:] * before[:, 3:]).sum(1)).clip(0, 1)
        resting = (shift < REST_SHIFT) & (2 * np.arccos(cosine) < REST_TURN)
        if resting.all() and simulation.seconds > 2 * WINDOW_S:
            break
    return resting
