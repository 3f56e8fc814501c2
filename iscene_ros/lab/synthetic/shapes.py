"""Solids as signed distance functions: parts combined by set operations [m]."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from iscene_ros.lab.synthetic import primitive_distances


class PartKind(str, Enum):
    """Primitive bodies, with the meaning of `Part.parameters` and `Part.outline`."""

    BOX = "box"  # half x, half y, half z, rounding
    ELLIPSOID = "ellipsoid"  # radius x, y, z
    CYLINDER = "cylinder"  # radius, half height, rounding
    TORUS = "torus"  # ring radius, tube radius
    REVOLUTION = "revolution"  # core x, core y, rounding; outline (K,2) of (r, z)
    EXTRUSION = "extrusion"  # half height, rounding; outline (K,2) of (x, y)
    SWEEP = "sweep"  # none; outline (K,4) of (x, y, z, radius)


class Operation(str, Enum):
    """Set operation that joins a part to the parts before it."""

    UNION = "union"
    SUBTRACT = "subtract"
    INTERSECT = "intersect"


@dataclass(frozen=True, eq=False)
class Part:
    """A primitive at a pose.

    Attributes:
        kind: Kind of primitive; it gives `parameters` and `outline`, in metres, their meaning.
        object_from_part: (4, 4) float64.
        operation: How the part is combined with the parts before it.
        blend: Radius of a smooth union [m], 0 = a sharp one.
    """

    kind: PartKind
    parameters: tuple[float, ...] = ()
    outline: np.ndarray | None = None
    object_from_part: np.ndarray = field(default_factory=lambda: np.eye(4))
    operation: Operation = Operation.UNION
    blend: float = 0.0

    def distance(self, points_object: Tensor) -> Tensor:
        """Return the signed distance (M,) [m] of points_object (M, 3)."""
        points = points_object - self._translation
        if not self._is_axis_aligned:
            points = points @ self._rotation
        sizes, outline = self.parameters, self._outline
        if self.kind is PartKind.BOX:
            return primitive_distances.box_distance(points, points.new_tensor(sizes[:3]), sizes[3])
        if self.kind is PartKind.ELLIPSOID:
            return primitive_distances.ellipsoid_distance(points, points.new_tensor(sizes))
        if self.kind is PartKind.CYLINDER:
            return primitive_distances.cylinder_distance(points, *sizes)
        if self.kind is PartKind.TORUS:
            return primitive_distances.torus_distance(points, *sizes)
        if self.kind is PartKind.REVOLUTION:
            return primitive_distances.revolution_distance(points, outline, *sizes)
        if self.kind is PartKind.EXTRUSION:
            return primitive_distances.extrusion_distance(points, outline, *sizes)
        return primitive_distances.sweep_distance(points, outline)

    def moved(self, object_from_old: np.ndarray) -> Part:
        """Return the part after the whole object was moved rigidly by a transform (4, 4)."""
        return replace(self, object_from_part=object_from_old @ self.object_from_part)

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper corner (3,) of a box around the part, in the object frame."""
        low, high = self._own_box()
        centre = self.object_from_part[:3, :3] @ (0.5 * (low + high)) + self.object_from_part[:3, 3]
        half = np.abs(self.object_from_part[:3, :3]) @ (0.5 * (high - low))
        return centre - half, centre + half

    def _own_box(self) -> tuple[np.ndarray, np.ndarray]:
        sizes, outline = self.parameters, self.outline
        if self.kind is PartKind.REVOLUTION:
            reach = outline[:, 0].max() + sizes[2]
            low = [-reach - sizes[0], -reach - sizes[1], outline[:, 1].min() - sizes[2]]
            return np.array(low), np.array([-low[0], -low[1], outline[:, 1].max() + sizes[2]])
        if self.kind is PartKind.EXTRUSION:
            low = [*(outline.min(0) - sizes[1]), -sizes[0]]
            return np.array(low), np.array([*(outline.max(0) + sizes[1]), sizes[0]])
        if self.kind is PartKind.SWEEP:
            radius = outline[:, 3:]
            return (outline[:, :3] - radius).min(0), (outline[:, :3] + radius).max(0)
        if self.kind is PartKind.CYLINDER:
            half = np.array([sizes[0], sizes[0], sizes[1]])
        elif self.kind is PartKind.TORUS:
            half = np.array([sizes[0] + sizes[1], sizes[0] + sizes[1], sizes[1]])
        else:
            half = np.array(sizes[:3])
        return -half, half

    @cached_property
    def _rotation(self) -> Tensor:
        return torch.from_numpy(self.object_from_part[:3, :3].astype(np.float32).copy())

    @cached_property
    def _is_axis_aligned(self) -> bool:
        return bool(np.abs(self.object_from_part[:3, :3] - np.eye(3)).max() < 1e-9)

    @cached_property
    def _translation(self) -> Tensor:
        return torch.from_numpy(self.object_from_part[:3, 3].astype(np.float32).copy())

    @cached_property
    def _outline(self) -> Tensor:
        outline = np.zeros((0, 2)) if self.outline is None else self.outline
        return torch.from_numpy(np.ascontiguousarray(outline, dtype=np.float32))


@dataclass(frozen=True, eq=False)
class Solid:
    """Parts combined in order by their operations; the first one is the base."""

    parts: tuple[Part, ...]

    def distance(self, points_object: Tensor) -> Tensor:
        """Return the signed distance (M,) [m] of points (M, 3), negative inside."""
        result = self.parts[0].distance(points_object)
        for part in self.parts[1:]:
            other = part.distance(points_object)
            if part.operation is Operation.UNION:
                lower = torch.minimum(result, other)
                if part.blend > 0:
                    overlap = (1.0 - (result - other).abs() / part.blend).clamp_min(0.0)
                    lower = lower - 0.25 * part.blend * overlap * overlap
                result = lower
            elif part.operation is Operation.SUBTRACT:
                result = torch.maximum(result, -other)
            else:
                result = torch.maximum(result, other)
        return result

    def gradient(self, points_object: Tensor, step: float = 4e-4) -> Tensor:
        """Return the gradient (M, 3) of the distance by tetrahedral finite differences."""
        return self._distance_and_gradient(points_object, step)[1]

    def _distance_and_gradient(self, points: Tensor, step: float) -> tuple[Tensor, Tensor]:
        """Return the distance (M,), as the mean of four probes, and its gradient (M, 3)."""
        corners = points.new_tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
        probes = points[None] + step * corners[:, None]
        values = self.distance(probes.reshape(-1, 3)).reshape(4, -1)
        return values.mean(0), values.T @ corners / (4.0 * step)

    def projected(self, points_object: Tensor, steps: int = 3) -> Tensor:
        """Move points (M, 3) by Newton steps; return the (P, 3) that reach the surface."""
        points = points_object
        for _ in range(steps):
            distance, gradient = self._distance_and_gradient(points, 2e-4)
            length = gradient.square().sum(1).clamp_min(0.25)
            points = points - (distance / length)[:, None] * gradient
        return points[self.distance(points).abs() < 2e-4]

    @cached_property
    def contact_points(self) -> Tensor:
        """Points (P, 3) that cover the surface, sharp edges and corners included.

        Grid points near the surface are moved to it; those outside an edge land on the edge.
        """
        grid, spacing = self._grid(4000)
        distance = self.distance(grid)
        return self.projected(grid[distance.abs() < 0.8 * spacing], 2)

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Return lower and upper corner (3,) of the solid in the object frame [m]."""
        return self.contact_points.amin(0), self.contact_points.amax(0)

    def corners(self, margin: float = 0.0) -> np.ndarray:
        """Return the (8, 3) float64 corners of the bounds, grown by a margin [m]."""
        low, high = (corner.numpy().astype(np.float64) for corner in self.bounds())
        pairs = zip(low - margin, high + margin, strict=True)
        return np.stack(np.meshgrid(*pairs), -1).reshape(-1, 3)

    def surface_points(self, count: int, rng: np.random.Generator) -> Tensor:
        """Draw points (count, 3) on the surface."""
        anchors = self.contact_points
        spacing = float((anchors.amax(0) - anchors.amin(0)).max()) / 16.0
        found = anchors[:0]
        while len(found) < count:
            chosen = torch.from_numpy(rng.integers(0, len(anchors), count))
            noise = torch.from_numpy(rng.normal(0.0, 0.5, (count, 3)).astype(np.float32))
            found = torch.cat([found, self.projected(anchors[chosen] + spacing * noise)])
        return found[:count]

    def centred(self) -> Solid:
        """Return the solid with the origin at the centre of its bounds."""
        low, high = self.bounds()
        old_from_new = 0.5 * (low + high)
        object_from_old = np.eye(4)
        object_from_old[:3, 3] = -old_from_new.numpy().astype(float)
        solid = Solid(tuple(part.moved(object_from_old) for part in self.parts))
        # The surface points move along; computing them again would cost as much as before.
        solid.__dict__["contact_points"] = self.contact_points - old_from_new
        return solid

    def _grid(self, count: int) -> tuple[Tensor, float]:
        boxes = [part.box() for part in self.parts if part.operation is Operation.UNION]
        low = np.min([box[0] for box in boxes], axis=0) - 2e-3
        high = np.max([box[1] for box in boxes], axis=0) + 2e-3
        spacing = float(np.prod(high - low) / count) ** (1.0 / 3.0)
        cells = np.maximum(np.ceil((high - low) / spacing), 4).astype(int)
        axes = [torch.linspace(float(low[i]), float(high[i]), int(cells[i]) + 1) for i in range(3)]
        return torch.cartesian_prod(*axes), spacing
