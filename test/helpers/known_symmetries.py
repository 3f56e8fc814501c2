"""Shapes with known symmetry groups, and how many of their symmetries are found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.bodies import Body
from iscene_ros.geometry.shape_alignment import ShapeSample
from iscene_ros.geometry.symmetry import ANY_ANGLE, symmetry_axes, symmetry_planes
from iscene_ros.lab.evaluation.bodies import true_body
from iscene_ros.lab.synthetic.primitives import (
    box,
    cylinder,
    ellipsoid,
    extrusion,
    pose,
    revolution,
)
from iscene_ros.lab.synthetic.shapes import Part, Solid

# A direction within this angle of the true one is right.
RIGHT = np.cos(np.deg2rad(5.0))
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


def found_symmetries(shape: KnownShape, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return right, found and true planes (3,), and axes (3,), of the shape in a random pose."""
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
