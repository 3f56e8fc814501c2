"""Bodies for collision checking: convex parts or few faces, and frames to grasp and place by."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec

import numpy as np
import trimesh
from scipy.spatial import QhullError

from iscene_ros.core.errors import InputError
from iscene_ros.core.scene import Mesh, Plane, SceneObject
from iscene_ros.geometry.decimation import decimated
from iscene_ros.geometry.mesh_measures import signed_volume
from iscene_ros.geometry.object_frame import object_frame
from iscene_ros.geometry.offset_surface import offset_hull, offset_surface

MAX_FACES = 5000
MAX_PARTS = 16
CONCAVITY = 0.05
# What convex parts are made from and how hard they are searched for: less than half a second an
# object of 5k faces; finer settings take ten times as long for volumes that differ by a percent.
PARTS_FACES = 1000
PARTS_SEARCH = {
    "threshold": 0.08,
    "max_convex_hull": MAX_PARTS,
    "decimate": True,
    "max_ch_vertex": 64,
    "resolution": 500,
    "preprocess_resolution": 30,
    "mcts_iterations": 20,
    "mcts_max_depth": 2,
    "mcts_nodes": 10,
}
# coacd does not say whether it may run in two threads: for planners, and for twins that are saved.
_ONE_MESH = threading.Lock()
# Hulls of less are flat [m^3].
LEAST_VOLUME = 1e-12
# Thickness of the box below a support plane [m].
SUPPORT_THICKNESS_M = 0.02
# A plane within 15 degrees of the horizontal supports.
LEVEL = np.cos(np.deg2rad(15.0))


class CollisionShape(str, Enum):
    """How an object's mesh is simplified."""

    AUTO = "auto"  # convex parts where coacd is installed, else the hull
    PARTS = "parts"
    HULL = "hull"
    MESH = "mesh"


@dataclass(frozen=True)
class Subframe:
    """A frame on an object.

    Attributes:
        name: "top", "support", "grasp_narrow", "grasp_wide".
        object_from_subframe: (4, 4) float64. Of "top" and "support" z points up; of grasps z is the
            way in from above and x the direction in which a gripper closes.
        width_m: of a grasp: how far a gripper has to open [m].
    """

    name: str
    object_from_subframe: np.ndarray
    width_m: float | None = None


@dataclass(frozen=True)
class CollisionBody:
    """One object for a planning scene.

    Attributes:
        id, label, color: of the object.
        frame_from_object: (4, 4) float64 pose in the scene's frame.
        pieces: meshes in the object's frame [m], at least one; convex unless `shape` is MESH.
        shape: how they were made; never AUTO.
        subframes: frames to grasp and place by.
    """

    id: int
    label: str
    color: np.ndarray
    frame_from_object: np.ndarray
    pieces: tuple[Mesh, ...]
    shape: CollisionShape
    subframes: tuple[Subframe, ...]


@dataclass(frozen=True)
class SupportBox:
    """A box below a level plane of the surroundings: (4, 4) pose of its centre, edges (3,) [m]."""

    frame_from_box: np.ndarray
    size: np.ndarray


def collision_body(
    item: SceneObject,
    shape: CollisionShape | str = CollisionShape.AUTO,
    padding: float = 0.0,
) -> CollisionBody | None:
    """Return an object as a body for collision checking; None where its mesh is degenerate.

    Args:
        item: the object.
        shape: how its mesh is simplified.
        padding: by which bodies are larger than the mesh on all sides [m].

    Raises:
        InputError: a negative padding, an unknown shape, or convex parts without coacd.
    """
    if padding < 0:
        raise InputError(f"padding: {padding} m is negative; expected 0 or more")
    try:
        shape = CollisionShape(shape)
    except ValueError as error:
        names = ", ".join(s.value for s in CollisionShape)
        raise InputError(f"collision shape {shape!r}: expected one of {names}") from error
    if shape is CollisionShape.AUTO:
        shape = CollisionShape.PARTS if _has_coacd() else CollisionShape.HULL
    pieces = _padded(_pieces(item.mesh, shape), item.mesh, shape, padding)
    if not pieces:
        return None
    return CollisionBody(
        item.id, item.label, item.color, item.frame_from_object, pieces, shape, subframes(item)
    )


def subframes(item: SceneObject) -> tuple[Subframe, ...]:
    """Return frames on top of an object, below it, and for two grasps from above."""
    half = 0.5 * np.asarray(item.size, np.float64)
    frames = [
        Subframe("top", _at((0.0, 0.0, half[2]))),
        Subframe("support", _at((0.0, 0.0, -half[2]))),
    ]
    narrow = 0 if half[0] <= half[1] else 1
    for name, axis in (("grasp_narrow", narrow), ("grasp_wide", 1 - narrow)):
        pose = _at((0.0, 0.0, 0.0))
        x, z = np.eye(3)[axis], np.array([0.0, 0.0, -1.0])
        pose[:3, :3] = np.column_stack([x, np.cross(z, x), z])
        frames.append(Subframe(name, pose, float(2 * half[axis])))
    return tuple(frames)


def support_boxes(planes: Sequence[Plane], up: np.ndarray) -> tuple[SupportBox, ...]:
    """Return boxes whose tops are the visible parts of the level planes of the surroundings.

    Args:
        planes: in the scene's frame.
        up: (3,) unit direction against gravity in that frame.
    """
    boxes = []
    for plane in planes:
        if plane.normal @ up < LEVEL:
            continue
        below = plane.corners - SUPPORT_THICKNESS_M * plane.normal
        corners = Mesh(np.concatenate([plane.corners, below]), np.zeros((0, 3), np.int32))
        placed = object_frame(corners, np.eye(4), plane.normal)
        boxes.append(SupportBox(placed.frame_from_object, placed.size))
    return tuple(boxes)


def _pieces(mesh: Mesh, shape: CollisionShape) -> tuple[Mesh, ...]:
    """Return the simplified mesh; no piece where it is flat or without a finite triangle."""
    if shape is CollisionShape.MESH:
        return (decimated(mesh, MAX_FACES),) if len(mesh.faces) else ()
    hull = _hull(mesh.vertices)
    if hull is None:
        return ()
    volume, around = (
        float(signed_volume(m.vertices.astype(np.float64), m.faces).sum()) for m in (mesh, hull)
    )
    if shape is CollisionShape.HULL or volume > (1 - CONCAVITY) * around:
        return (decimated(hull, MAX_FACES),)
    # Where all convex parts are flat, the hull takes their place.
    return tuple(decimated(part, MAX_FACES) for part in _convex_parts(mesh) or [hull])


def _convex_parts(mesh: Mesh) -> list[Mesh]:
    if not _has_coacd():
        raise InputError("coacd is not installed; run: pip install coacd, or choose shape hull")
    import coacd

    coacd.set_log_level("error")
    coarse = decimated(mesh, PARTS_FACES)
    with _ONE_MESH:
        found = coacd.run_coacd(
            coacd.Mesh(coarse.vertices.astype(np.float64), coarse.faces), **PARTS_SEARCH
        )
    hulls = (_hull(np.asarray(vertices)) for vertices, _ in found)
    return [hull for hull in hulls if hull is not None]


def _has_coacd() -> bool:
    return find_spec("coacd") is not None


def _hull(points: np.ndarray) -> Mesh | None:
    """Return the convex hull; None where it is flat or the points are not finite."""
    try:
        hull = trimesh.convex.convex_hull(np.asarray(points, np.float64))
    except (QhullError, ValueError):
        return None
    if signed_volume(np.asarray(hull.vertices), np.asarray(hull.faces)).sum() <= LEAST_VOLUME:
        return None
    return Mesh(np.asarray(hull.vertices, np.float32), np.asarray(hull.faces, np.int32))


def _padded(
    pieces: tuple[Mesh, ...], mesh: Mesh, shape: CollisionShape, padding: float
) -> tuple[Mesh, ...]:
    """Return pieces that are larger than an object's mesh by the padding [m] on all sides."""
    if padding == 0 or not pieces:
        return pieces
    if shape is CollisionShape.MESH:
        return tuple(offset_surface(piece, padding) for piece in pieces)
    distance = padding + _protrusion(mesh, pieces)
    return tuple(offset_hull(piece, distance) for piece in pieces)


def _protrusion(mesh: Mesh, pieces: Sequence[Mesh]) -> float:
    """Return how far a mesh reaches out of its simplified convex pieces [m]."""
    hull = _hull(mesh.vertices) if len(pieces) == 1 else None
    points = (mesh if hull is None else hull).vertices.astype(np.float64)
    outside = np.full(len(points), np.inf)
    for piece in pieces:
        corners = piece.vertices.astype(np.float64)[piece.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        lengths = np.linalg.norm(normals, axis=1)
        normals = normals[lengths > 0] / lengths[lengths > 0, None]
        offsets = np.einsum("ij,ij->i", normals, corners[lengths > 0, 0])
        outside = np.minimum(outside, (points @ normals.T - offsets).max(axis=1))
    return float(max(outside.max(), 0.0))


def _at(position: tuple[float, float, float]) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = position
    return pose
