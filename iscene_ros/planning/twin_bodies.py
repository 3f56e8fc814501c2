"""Rigid bodies and fixed boxes of a scene for a simulator, in a world whose z is up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.core.scene import Mesh


@dataclass(frozen=True)
class TwinBox:
    """A fixed box of the surroundings: (4, 4) pose of its centre, half edges (3,) [m]."""

    world_from_box: np.ndarray
    half_size: np.ndarray

    @classmethod
    def around(cls, points: np.ndarray) -> TwinBox:
        """Return the box along the axes of the world around points (P, 3)."""
        low, high = points.min(axis=0), points.max(axis=0)
        pose = np.eye(4)
        pose[:3, 3] = 0.5 * (low + high)
        return cls(pose, 0.5 * (high - low))

    @property
    def corners(self) -> np.ndarray:
        """(8, 3) in the world [m]."""
        signs = np.stack(np.meshgrid(*[(-1.0, 1.0)] * 3), axis=-1).reshape(-1, 3)
        pose = self.world_from_box
        return (signs * self.half_size) @ pose[:3, :3].T + pose[:3, 3]

    def contains(self, points: np.ndarray, margin: float) -> np.ndarray:
        """Return (P,) bool, whether points (P, 3) are deeper in the box than a margin [m]."""
        local = (points - self.world_from_box[:3, 3]) @ self.world_from_box[:3, :3]
        return np.all(np.abs(local) < self.half_size - margin, axis=1)


@dataclass(frozen=True)
class TwinBody:
    """One object.

    Attributes:
        name: as in TF and MoveIt, "mug_3".
        world_from_body: (4, 4) float64 pose.
        mesh: visual, in the body's frame [m].
        parts: convex meshes for contact, in the body's frame [m].
        color: (3,) uint8.
        mass: [kg].
        center_of_mass: (3,) in the body's frame [m].
        inertia: (3, 3) about the centre of mass, along the body's axes [kg m^2].
        posts: fixed boxes below it, where nothing that was seen carries it; to be taken away with
            it.
    """

    name: str
    world_from_body: np.ndarray
    mesh: Mesh
    parts: tuple[Mesh, ...]
    color: np.ndarray
    mass: float
    center_of_mass: np.ndarray
    inertia: np.ndarray
    posts: tuple[TwinBox, ...] = ()

    @property
    def posts_name(self) -> str:
        """Name of the fixed body that its posts are."""
        return f"{self.name}_posts"


@dataclass(frozen=True)
class Twin:
    """A scene for a simulator; z is up.

    Attributes:
        bodies: the objects of whose meshes a volume is left beside the others.
        left_out: names of the other objects.
        boxes: behind the planes of the surroundings.
        environment: the fused surroundings, visual only; None where they were not fused.
        environment_color: (3,) uint8.
    """

    bodies: tuple[TwinBody, ...]
    left_out: tuple[str, ...]
    boxes: tuple[TwinBox, ...]
    environment: Mesh | None
    environment_color: np.ndarray
