"""Rigid shapes for the physics engine: solids decomposed into convex pieces.

The pieces are the ground truth: they collide, they are rendered, and the relations of true meshes
are computed from them. How well they approximate the family's solid does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import trimesh

from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import Cube
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.marching_cubes import mesh_from_distance
from iscene_ros.lab.synthetic.shape_families import (
    HELD_OUT_FAMILIES,
    TRAINING_FAMILIES,
    random_solid,
)
from iscene_ros.lab.synthetic.shapes import Solid

RESOLUTION = 80
FACES = 3000
# Meshes with more faces after decimation take too long to decompose.
MAX_FACES = 8000
MAX_PIECES = 32
CONCAVITY = 0.04
CONTAINERS = ("bowl", "open_bin", "tumbler", "frying_pan", "plate", "mug")


@dataclass(frozen=True)
class PhysicsShape:
    """One rigid shape.

    Attributes:
        family: Family of the solid that it was made from.
        pieces: Convex meshes in the object's frame [m].
    """

    family: str
    pieces: tuple[Mesh, ...]

    @property
    def mesh(self) -> Mesh:
        """All pieces as one mesh of overlapping closed shells."""
        return joined_mesh(self.pieces)

    def scaled(self, factor: float) -> PhysicsShape:
        """Return the same shape with all lengths multiplied."""
        pieces = (Mesh(np.float32(factor) * p.vertices, p.faces) for p in self.pieces)
        return PhysicsShape(self.family, tuple(pieces))


def joined_mesh(meshes: Sequence[Mesh]) -> Mesh:
    """Concatenate meshes without merging vertices."""
    offsets = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    faces = [m.faces + offset for m, offset in zip(meshes, offsets, strict=True)]
    return Mesh(
        np.concatenate([m.vertices for m in meshes]), np.concatenate(faces).astype(np.int32)
    )


def shape_pool(
    count: int, held_out: bool, cache: Path, report: Callable[[int], None]
) -> list[PhysicsShape]:
    """Draw random shapes, a third of them containers; made once and read from `cache` later.

    Args:
        count: Number of shapes.
        held_out: Whether shape families are those that training never sees, or those that it does.
        cache: File that the shapes are kept in, since they take minutes to make.
        report: Called with the number of shapes after each that is made.

    Raises:
        InputError: Coacd is not installed.
    """
    if cache.is_file():
        return _read(cache)
    families = HELD_OUT_FAMILIES if held_out else TRAINING_FAMILIES
    hollow = {name: family for name, family in families.items() if name in CONTAINERS}
    rng = np.random.default_rng([0, int(held_out)])
    shapes: list[PhysicsShape] = []
    while len(shapes) < count:
        name, solid = random_solid(rng, hollow if len(shapes) % 3 == 2 else families)
        made = physics_shape(name, solid)
        if made is not None:
            shapes.append(made)
            report(len(shapes))
    _write(cache, shapes)
    return shapes


def physics_shape(family: str, solid: Solid) -> PhysicsShape | None:
    """Decompose a solid into convex pieces; None where its mesh has too many faces."""
    low, high = (corner.numpy().astype(np.float64) for corner in solid.bounds())
    cube = Cube(0.5 * (low + high), 1.06 * float((high - low).max()))
    points = torch.from_numpy(cube.voxel_centers_aligned(RESOLUTION).reshape(-1, 3)).float()
    distance = torch.cat([solid.distance(chunk) for chunk in points.split(200_000)])
    field = distance.numpy().reshape((RESOLUTION,) * 3).astype(np.float32)
    mesh = mesh_from_distance(field, cube, FACES)
    if mesh is None or len(mesh.faces) > MAX_FACES:
        return None
    return PhysicsShape(family, convex_pieces(mesh))


def convex_pieces(mesh: Mesh) -> tuple[Mesh, ...]:
    """Decompose a closed mesh into approximately convex pieces by CoACD (arXiv 2205.02961).

    Raises:
        InputError: Coacd is not installed.
    """
    try:
        import coacd
    except ModuleNotFoundError as error:
        raise InputError("coacd is not installed; run: pip install iscene_ros[evaluate]") from error
    coacd.set_log_level("error")
    parts = coacd.run_coacd(
        coacd.Mesh(mesh.vertices.astype(np.float64), mesh.faces),
        threshold=CONCAVITY,
        max_convex_hull=MAX_PIECES,
        preprocess_mode="off",
        resolution=1000,
        mcts_iterations=60,
        mcts_nodes=12,
        max_ch_vertex=64,
    )
    hulls = [trimesh.convex.convex_hull(np.asarray(vertices)) for vertices, _ in parts]
    return tuple(Mesh(h.vertices.astype(np.float32), h.faces.astype(np.int32)) for h in hulls)


def _write(path: Path, shapes: list[PhysicsShape]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{number:04d}/{piece:03d}/{shape.family}/{name}": getattr(mesh, name)
        for number, shape in enumerate(shapes)
        for piece, mesh in enumerate(shape.pieces)
        for name in ("vertices", "faces")
    }
    np.savez_compressed(path, **arrays)


def _read(path: Path) -> list[PhysicsShape]:
    pieces: dict[tuple[str, str], dict[str, dict[str, np.ndarray]]] = {}
    with np.load(path) as stored:
        for key in stored.files:
            number, piece, family, name = key.split("/")
            pieces.setdefault((number, family), {}).setdefault(piece, {})[name] = stored[key]
    return [
        PhysicsShape(family, tuple(Mesh(**found[piece]) for piece in sorted(found)))
        for (_, family), found in sorted(pieces.items())
    ]
