"""Objects put to rest by a physics engine instead of by straight drops; mujoco is optional."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.transform import Rotation

from iscene_ros.lab.synthetic.collisions import PlacedSolid, lifted_out
from iscene_ros.lab.synthetic.environments import Environment
from iscene_ros.lab.synthetic.shapes import Solid

STEP_S = 0.004
LONGEST_S = 3.0
# At rest: so little motion [m, rad] within so many seconds.
WATCHED_S = 0.1
REST_SHIFT = 6e-4
REST_TURN = 6e-3
# Cells that a solid is cut into along its longest side; each becomes the hull of its surface.
CELLS = 4
RELEASE_GAP = 0.003  # m
FALLEN = 0.02  # m below the support: over its edge
FLATTEST = 5e-4  # m; thinner hulls are nothing to a simulator

_HEADER = (
    '<mujoco><option timestep="{step}" integrator="implicitfast" iterations="30"/>'
    '<size memory="100M"/><default><geom condim="6" friction="0.6 0.01 0.004" density="400" '
    'solref="0.008 1" solimp="0.95 0.99 0.001"/></default>'
)


def can_settle() -> bool:
    """Whether mujoco is installed."""
    return importlib.util.find_spec("mujoco") is not None


def hung_up(
    item: PlacedSolid, others: Sequence[PlacedSolid], surroundings: Environment
) -> PlacedSolid:
    """The solid moved up or down until its box is just above all boxes that it could fall on."""
    low, high = (corner.cpu().numpy().astype(float) for corner in item.box_world)
    floor = surroundings.support_height
    if np.abs([low[0], high[0]]).max() > surroundings.half_x and np.isfinite(surroundings.height):
        floor = surroundings.height
    if np.abs([low[1], high[1]]).max() > surroundings.half_y and np.isfinite(surroundings.height):
        floor = surroundings.height
    for other in others:
        other_low, other_high = (c.cpu().numpy().astype(float) for c in other.box_world)
        if (low[:2] < other_high[:2]).all() and (other_low[:2] < high[:2]).all():
            floor = max(floor, other_high[2])
    return item.shifted((0.0, 0.0, floor + RELEASE_GAP - low[2]))


def brought_to_rest(
    rng: np.random.Generator,
    released: Sequence[PlacedSolid],
    ground: PlacedSolid,
    support_height: float,
) -> tuple[list[int], list[PlacedSolid]]:
    """Which of the solids come to rest on the ground without overlap, and where.

    Raises:
        ModuleNotFoundError: mujoco is not installed.
    """
    moved = {
        index: PlacedSolid(released[index].solid, pose, device=ground.device)
        for index, pose in enumerate(settled(released, ground.solid))
        if pose is not None
    }
    kept: list[int] = []
    resting: list[PlacedSolid] = []
    for index in sorted(moved, key=lambda i: float(moved[i].box_world[0][2])):
        if float(moved[index].box_world[0][2]) < support_height - FALLEN:
            continue
        item = lifted_out(moved[index], [*resting, ground], rng)
        if item is not None:
            kept.append(index)
            resting.append(item)
    return kept, resting


def settled(items: Sequence[PlacedSolid], environment: Solid) -> list[np.ndarray | None]:
    """Poses (4,4) at rest of solids released where they are; None for what does not come to rest.

    The bodies are hulls of cells of the solids, so that hollows stay open down to a quarter of the
    size; what still overlaps is for the caller to mend.

    Raises:
        ModuleNotFoundError: mujoco is not installed.
    """
    import mujoco

    hulls = [convex_cells(item.solid) for item in items]
    kept = [i for i, pieces in enumerate(hulls) if pieces]
    poses: list[np.ndarray | None] = [None] * len(items)
    if not kept:
        return poses
    document = _document([items[i] for i in kept], [hulls[i] for i in kept], environment)
    model = mujoco.MjModel.from_xml_string(document)
    data = mujoco.MjData(model)
    resting = _run(mujoco, model, data)
    found = np.asarray(data.qpos).reshape(-1, 7)
    for row, index in enumerate(kept):
        if resting[row]:
            poses[index] = _pose(found[row])
    return poses


def convex_cells(solid: Solid) -> list[np.ndarray]:
    """Vertices (V,3) of convex pieces that together cover about the solid, in its frame [m]."""
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
    """Corners (V,3) of the hull of points (P,3); None where they lie in a plane."""
    if len(points) < 6 or np.linalg.svd(points - points.mean(0), compute_uv=False)[2] < FLATTEST:
        return None
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:
        return None


def _run(mujoco, model, data) -> np.ndarray:
    """Mask (B,) of the bodies that rest in the end."""
    steps = round(WATCHED_S / STEP_S)
    resting = np.zeros(model.nbody - 1, bool)
    for _ in range(round(LONGEST_S / WATCHED_S)):
        before = np.asarray(data.qpos).reshape(-1, 7).copy()
        mujoco.mj_step(model, data, steps)
        after = np.asarray(data.qpos).reshape(-1, 7)
        shift = np.linalg.norm(after[:, :3] - before[:, :3], axis=1)
        cosine = np.abs((after[:, 3:] * before[:, 3:]).sum(1)).clip(0, 1)
        resting = (shift < REST_SHIFT) & (2 * np.arccos(cosine) < REST_TURN)
        if resting.all() and data.time > 2 * WATCHED_S:
            break
    return resting


def _document(
    items: Sequence[PlacedSolid], hulls: Sequence[list[np.ndarray]], environment: Solid
) -> str:
    assets, bodies = [], []
    for part in environment.parts:
        rotation, position = part.object_from_part[:3, :3], part.object_from_part[:3, 3]
        size = _numbers(part.parameters[:3])
        bodies.append(
            f'<geom type="box" pos="{_numbers(position)}" size="{size}" '
            f'quat="{_numbers(_quaternion(rotation))}"/>'
        )
    for number, (item, pieces) in enumerate(zip(items, hulls, strict=True)):
        names = [f"m{number}_{piece}" for piece in range(len(pieces))]
        for name, piece in zip(names, pieces, strict=True):
            assets.append(f'<mesh name="{name}" vertex="{_numbers(piece.ravel())}"/>')
        pose = item.world_from_object
        geoms = "".join(f'<geom type="mesh" mesh="{name}"/>' for name in names)
        bodies.append(
            f'<body pos="{_numbers(pose[:3, 3])}" quat="{_numbers(_quaternion(pose[:3, :3]))}">'
            f"<freejoint/>{geoms}</body>"
        )
    header = _HEADER.format(step=STEP_S)
    worldbody = f"<worldbody>{''.join(bodies)}</worldbody>"
    return f"{header}<asset>{''.join(assets)}</asset>{worldbody}</mujoco>"


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{float(value):.7g}" for value in values)


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """Quaternion (4,) w, x, y, z."""
    return np.roll(Rotation.from_matrix(rotation).as_quat(), 1)


def _pose(row: np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat(np.roll(row[3:], -1)).as_matrix()
    pose[:3, 3] = row[:3]
    return pose
