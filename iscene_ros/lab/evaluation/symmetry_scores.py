"""Symmetries of shapes whose groups are known, and pairs of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.bodies import Body
from iscene_ros.geometry.shape_alignment import ShapeSample, shape_matches
from iscene_ros.geometry.symmetry import ANY_ANGLE, symmetry_axes, symmetry_planes
from iscene_ros.lab.evaluation.report import markdown_table
from iscene_ros.lab.evaluation.truth import true_body
from iscene_ros.lab.synthetic.primitives import (
    box,
    cylinder,
    ellipsoid,
    extrusion,
    pose,
    revolution,
)
from iscene_ros.lab.synthetic.shapes import Part, Solid
from iscene_ros.relations.rule import probability
from iscene_ros.relations.shape_rules import shape_candidate

# A direction within this angle of the true one is right.
RIGHT = np.cos(np.deg2rad(5.0))
SAMPLES = 3
X, Y, Z = np.eye(3)


@dataclass(frozen=True)
class KnownShape:
    """A solid with the directions of its symmetries.

    Attributes:
        name: of the shape; parts: that it is made of.
        planes: normals; None where there are endless ones.
        axes: (direction, order), 0 = any angle; across a round axis none is listed.
    """

    name: str
    parts: tuple[Part, ...]
    planes: tuple[np.ndarray, ...] | None
    axes: tuple[tuple[np.ndarray, int], ...]


def known_shapes(rng: np.random.Generator) -> list[KnownShape]:
    """Shapes of random proportions with known groups."""
    a, b, c = 0.16 * rng.uniform(0.8, 1.2), 0.1 * rng.uniform(0.9, 1.1), 0.05
    two = ((X, 2), (Y, 2), (Z, 2))
    shapes = [
        KnownShape("box", (box((a, b, c)),), (X, Y, Z), two),
        KnownShape("ellipsoid", (ellipsoid((0.5 * a, 0.5 * b, 0.5 * c)),), (X, Y, Z), two),
        KnownShape("can", (cylinder(0.3 * b, a),), None, ((Z, ANY_ANGLE),)),
        KnownShape(
            "bowl",
            (revolution([(0, 0), (0.3 * a, 0), (0.5 * a, c), (0.46 * a, c), (0, 0.1 * a)]),),
            None,
            ((Z, ANY_ANGLE),),
        ),
        KnownShape(
            "mug",
            (cylinder(0.4 * b, b), box((0.5 * b, 0.1 * b, 0.6 * b), pose((0.5 * b, 0, 0.1 * b)))),
            (Y,),
            (),
        ),
        KnownShape(
            "bracket",
            (box((a, b, 0.3 * c)), box((0.3 * c, b, b), pose((-0.5 * a, 0, 0.5 * b)))),
            (Y,),
            (),
        ),
        KnownShape(
            "lopsided",
            (
                box((a, 0.4 * b, 0.4 * b)),
                box((0.3 * b, b, 0.3 * b), pose((0.4 * a, 0.4 * b, 0))),
                box((0.3 * b, 0.3 * b, 0.8 * b), pose((-0.3 * a, 0, 0.4 * b))),
            ),
            (),
            (),
        ),
    ]
    return shapes + [_prism(sides, b, a) for sides in (3, 4, 5, 6)]


def _prism(sides: int, width: float, height: float) -> KnownShape:
    turns = 2 * np.pi * np.arange(sides) / sides
    outline = 0.5 * width * np.column_stack([np.cos(turns), np.sin(turns)])
    mirrors = np.pi * np.arange(sides) / sides + 0.5 * np.pi
    planes = [np.array([np.cos(m), np.sin(m), 0.0]) for m in mirrors]
    across = [np.cross(Z, plane) for plane in planes]
    axes = ((Z, sides), *((axis, 2) for axis in across))
    return KnownShape(f"prism {sides}", (extrusion(outline, height),), (*planes, Z), axes)


def symmetry_report() -> str:
    """A Markdown table of precision, recall and F1 of planes, axes and pairs."""
    planes, axes, pairs = np.zeros(3), np.zeros(3), np.zeros(3)
    for seed in range(SAMPLES):
        rng = np.random.default_rng(seed)
        shapes = known_shapes(rng)
        for shape in shapes:
            found_planes, found_axes = _found(shape, rng)
            planes += found_planes
            axes += found_axes
        pairs += _found_pairs(shapes, rng)
    lines = [["symmetry", "precision", "recall", "F1", "true", "found"]]
    rows = {"own planes": planes, "own axes with order": axes, "same or mirrored pairs": pairs}
    for name, (right, found, wanted) in rows.items():
        scores = right / max(found, 1), right / max(wanted, 1), 2 * right / (found + wanted)
        lines.append([name, *(f"{100 * s:.1f}" for s in scores), f"{wanted:.0f}", f"{found:.0f}"])
    return f"Shapes with known symmetry, true meshes:\n\n{markdown_table(lines)}"


def _found_pairs(shapes: list[KnownShape], rng: np.random.Generator) -> np.ndarray:
    """Right, found and true pairs (3,) among two copies of each shape and its mirror image."""
    mirror = np.diag([1.0, 1.0, -1.0])
    samples, names = [], []
    for shape in shapes:
        mesh = _mesh(shape)
        is_chiral = shape.planes == ()
        for turn in (np.eye(3), np.eye(3), mirror)[: 3 if is_chiral else 2]:
            faces = mesh.faces if turn is not mirror else mesh.faces[:, ::-1]
            samples.append(_turned(mesh.vertices @ turn, faces, rng)[0])
            names.append((shape.name, turn is mirror))
    wanted = {
        (i, j, _pair(names[i], names[j]))
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if names[i][0] == names[j][0]
    }
    found = {
        (c.subject, c.object, c.predicate)
        for c in (shape_candidate(match, is_exact=True) for match in shape_matches(samples))
        if probability(c) >= 0.5
    }
    return np.array([len(found & wanted), len(found), len(wanted)], float)


def _pair(one: tuple[str, bool], other: tuple[str, bool]) -> Predicate:
    return Predicate.SAME_SHAPE if one[1] == other[1] else Predicate.MIRRORED


def _mesh(shape: KnownShape) -> Mesh:
    solid = Solid(shape.parts)
    low, high = (corner.numpy().astype(np.float64) for corner in solid.bounds())

    def distance(points: np.ndarray) -> np.ndarray:
        return solid.distance(torch.from_numpy(points).float()).numpy()

    return true_body(distance, low, high).mesh


def _turned(
    vertices: np.ndarray, faces: np.ndarray, rng: np.random.Generator
) -> tuple[ShapeSample, np.ndarray]:
    """A sample of a mesh in a random orientation, and the rotation (3, 3)."""
    turn = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    return ShapeSample.of(Body.of(1, vertices @ turn.T, faces)), turn


def _found(shape: KnownShape, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Right, found and true planes (3,), and axes (3,), of the shape in a random pose."""
    mesh = _mesh(shape)
    sample, turn = _turned(mesh.vertices, mesh.faces, rng)
    planes = [plane.normal @ turn for plane in symmetry_planes(sample)]
    axes = [(axis.direction @ turn, axis.order) for axis in symmetry_axes(sample)]
    round_ = any(order == ANY_ANGLE for _, order in shape.axes)
    if round_:
        axes = [(d, order) for d, order in axes if order == ANY_ANGLE]
    right_axes = sum(
        any(abs(d @ e) > RIGHT and order == wanted for e, wanted in shape.axes) for d, order in axes
    )
    of_axes = np.array([right_axes, len(axes), len(shape.axes)], float)
    if shape.planes is None:
        return np.zeros(3), of_axes
    right = sum(any(abs(d @ e) > RIGHT for e in shape.planes) for d in planes)
    return np.array([right, len(planes), len(shape.planes)], float), of_axes
