"""Scenes of the same objects, made in several ways, for the same planner of grasps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.colors import instance_color
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh, Scene, SceneObject, Timings
from iscene_ros.geometry.object_frame import object_frame
from iscene_ros.geometry.planes import find_planes
from iscene_ros.geometry.surface_distance import observed_fraction, observed_vertices
from iscene_ros.lab.evaluation.baselines import extruded, hull
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene
from iscene_ros.lab.synthetic.physics_shapes import joined_mesh
from iscene_ros.lab.synthetic.physics_views import tiled_box

TRUE_MESHES, COMPLETED = "true meshes", "completed"
UP = np.array([0.0, 0.0, 1.0])
# Of baselines: what is known of their surfaces.
CONFIDENCE, RESIDUAL_M, SEEN_WITHIN_M = 0.5, 0.002, 0.005
# Depth is averaged over and sampled every so many pixels; larger steps are edges [m].
STRIDE, EDGE_M = 3, 0.015


@dataclass(frozen=True)
class Seen:
    """One instance in one view: the view, and its mask (H, W)."""

    view: Observation
    mask: np.ndarray

    @cached_property
    def points(self) -> np.ndarray:
        """(M, 3) observed points in the world [m]."""
        rows, columns = np.nonzero(self.mask & (self.view.depth > 0))
        pixels = np.column_stack([columns, rows])
        points = self.view.camera.unproject(pixels, self.view.depth[rows, columns])
        pose = self.view.world_from_camera
        return points @ pose[:3, :3].T + pose[:3, 3]


# Views of one instance -> mesh in the world.
Shape = Callable[[Sequence[Seen]], Mesh | None]


def true_scene(scene: PhysicsScene) -> Scene:
    """Return the true objects, ids index + 1, and the true surroundings as a mesh."""
    objects = (
        _object(i + 1, shape.family, shape.mesh.transformed(pose))
        for i, (shape, pose) in enumerate(zip(scene.shapes, scene.world_from_object, strict=True))
    )
    camera = np.diag([1.0, -1.0, -1.0, 1.0])
    surroundings = joined_mesh([tiled_box(low, high) for low, high in scene.boxes])
    return Scene(
        "world", tuple(objects), (), camera, -UP @ camera[:3, :3], "true meshes", "", 0, 0,
        Timings(), environment=surroundings,
    )  # fmt: skip


def completed_scene(completer: SceneCompleter, views: Sequence[Observation]) -> Scene:
    """Return the scene completed from views, of which the first is the reference."""
    seen = [*views[::-1]] if len(views) > 1 else views[0]
    return completer.complete(seen)


def baseline_scene(views: Sequence[Observation], shape: Shape) -> Scene:
    """Return the scene whose meshes a simple method makes of the observed points."""
    seen: dict[int, list[Seen]] = {}
    for view in views:
        for instance_id, mask in zip(view.instance_ids, view.masks, strict=True):
            seen.setdefault(instance_id, []).append(Seen(view, mask))
    reference = views[0]
    objects = []
    for instance_id, label in zip(reference.instance_ids, reference.labels, strict=True):
        mesh = shape(seen[instance_id])
        if mesh is not None and len(mesh.faces):
            objects.append(_object(instance_id, label, mesh, points=_points(seen[instance_id])))
    pose = reference.world_from_camera
    planes = tuple(p.transformed(pose) for p in find_planes(reference.rectified()))
    return Scene(
        "world", tuple(objects), (), pose, -UP @ pose[:3, :3], "baseline", "", 0, 0, Timings(),
        planes=planes,
    )  # fmt: skip


BASELINES: dict[str, Shape] = {
    "convex hull": lambda seen: hull(_points(seen), 0.0),
    "extruded": lambda seen: extruded(_points(seen), 0.0),
    "depth points": lambda seen: joined_mesh([depth_surface(s.view, s.mask) for s in seen]),
}


def depth_surface(view: Observation, mask: np.ndarray) -> Mesh:
    """Return the observed surface of an instance in the world: smoothed points, joined."""
    inside = (mask & (view.depth > 0)).astype(np.float64)
    weight = ndimage.uniform_filter(inside, STRIDE)
    depth = ndimage.uniform_filter(inside * view.depth, STRIDE) / np.maximum(weight, 1e-9)
    grid = np.where(inside > 0, depth, 0)[::STRIDE, ::STRIDE]
    rows, columns = np.nonzero(grid)
    number = np.full(grid.shape, -1)
    number[rows, columns] = np.arange(len(rows))
    pixels = STRIDE * np.column_stack([columns, rows])
    points = view.camera.unproject(pixels, grid[rows, columns])
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    # Seen from the camera counter-clockwise: the fronts face it.
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, c, b), (b, c, d))])
    faces = faces[(faces >= 0).all(axis=1)]
    step = np.ptp(points[faces][..., 2], axis=1) if len(faces) else np.zeros(0)
    mesh = Mesh(points.astype(np.float32), faces[step < EDGE_M].astype(np.int32))
    return mesh.transformed(view.world_from_camera)


def _points(seen: Sequence[Seen]) -> np.ndarray:
    return np.concatenate([one.points for one in seen])


def _object(
    object_id: int, label: str, mesh: Mesh, points: np.ndarray | None = None
) -> SceneObject:
    """Return an object of a mesh in the world; without points (M, 3) it is known exactly."""
    placed = object_frame(mesh, np.eye(4), UP)
    exact = points is None
    return SceneObject(
        id=object_id,
        label=label,
        score=1.0,
        mesh=placed.mesh,
        frame_from_object=placed.frame_from_object,
        size=placed.size,
        observed_fraction=1.0 if exact else observed_fraction(mesh, points, SEEN_WITHIN_M),
        confidence=1.0 if exact else CONFIDENCE,
        depth_residual=0.0 if exact else RESIDUAL_M,
        seconds=0.0,
        color=instance_color(object_id),
        vertex_observed=None if exact else observed_vertices(mesh, points, SEEN_WITHIN_M),
        uncertainty=0.0 if exact else None,
    )
