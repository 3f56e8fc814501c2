"""A scene as rigid bodies for a simulator: visual meshes, convex parts for contact, masses.

Everything is in the upright frame: that of the scene, turned so that z points against gravity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import trimesh

from iscene_ros.core.colors import ENVIRONMENT_COLOR
from iscene_ros.core.errors import InputError
from iscene_ros.core.scene import Mesh, Plane, Scene, SceneObject
from iscene_ros.core.slugs import object_name
from iscene_ros.geometry.bodies import up_in_frame
from iscene_ros.geometry.mesh_measures import is_watertight, signed_volume
from iscene_ros.geometry.object_frame import upright_axes
from iscene_ros.geometry.planes import solid_planes
from iscene_ros.planning.collision_bodies import (
    LEAST_VOLUME,
    LEVEL,
    CollisionShape,
    collision_body,
)
from iscene_ros.planning.convex_cuts import ConvexPart, separated
from iscene_ros.planning.twin_bodies import Twin, TwinBody, TwinBox
from iscene_ros.planning.twin_feet import Supports, supports

# Density of what no table names: that of household things with their hollows [kg/m^3].
DENSITY = 500.0
FRICTION = 0.7
# The lightest body: engines are unstable with less [kg].
LEAST_MASS = 1e-3
# Thickness of the boxes behind planes: below level ones, and of walls, beyond which others may
# lie [m].
THICKNESS_M, WALL_M = 0.05, 0.01
# An object that has a larger share of its surface in a box shows that nothing solid is there.
INSIDE_SHARE, BOX_NOISE_M = 0.2, 0.003
# Points of a surface that cuts are chosen by, at most.
MAX_SURFACE = 2000
NOWHERE = np.zeros((0, 3))
# A level plane is extended below objects that begin within this of it [m].
CARRIED_M = 0.03
# What of an object that stands on a plane is within this of it touches the plane: the underside,
# which no camera saw, is uneven by a few millimetres, on which the object would tip [m].
UNDERSIDE_M = 0.008


def make_twin(
    scene: Scene,
    densities: Mapping[str, float] | None = None,
    shape: CollisionShape | str = CollisionShape.AUTO,
) -> Twin:
    """Return the bodies and surroundings of a scene.

    Args:
        scene: completed, in metres.
        densities: by label [kg/m^3]; other labels have `DENSITY`.
        shape: of the parts for contact: convex parts, or the hull alone.

    Raises:
        InputError: a density that cannot be, an unknown scale, or convex parts without coacd.
    """
    densities = dict(densities or {})
    for label, density in densities.items():
        if not (np.isfinite(density) and density > 0):
            raise InputError(f"density of {label!r}: {density}, expected above 0 kg/m^3")
    if not scene.is_metric:
        raise InputError("export: the scale of the scene is not known; a twin needs metres")
    up = up_in_frame(scene)
    world_from_frame = np.eye(4)
    if up is not None:
        world_from_frame[:3, :3] = upright_axes(up).T
    made = (
        _body(item, world_from_frame, densities.get(item.label, DENSITY), shape)
        for item in scene.objects
    )
    bodies = tuple(body for body in made if body is not None)
    planes = [plane.transformed(world_from_frame) for plane in scene.planes or ()]
    surfaces = [body.mesh.transformed(body.world_from_body).vertices for body in bodies]
    solid = solid_planes([plane for plane in planes if plane.normal[2] > LEVEL], surfaces)
    bodies = tuple(_standing(body, solid) for body in bodies)
    walls = [plane for plane in planes if plane.normal[2] <= LEVEL]
    boxes = [_box(plane, bodies) for plane in (*solid, *walls)]
    boxes = [
        box
        for box in boxes
        if not any(box.contains(s, BOX_NOISE_M).mean() > INSIDE_SHARE for s in surfaces)
    ]
    camera = None if up is None else (world_from_frame @ scene.frame_from_camera)[:3, 3]
    bodies = _carried(bodies, boxes, camera)
    names = [object_name(item.label, item.id) for item in scene.objects]
    return Twin(
        bodies,
        tuple(name for name in names if name not in {body.name for body in bodies}),
        tuple(boxes),
        None if scene.environment is None else scene.environment.transformed(world_from_frame),
        np.asarray(ENVIRONMENT_COLOR, np.uint8),
    )


def _carried(
    bodies: Sequence[TwinBody], boxes: Sequence[TwinBox], camera: np.ndarray | None
) -> tuple[TwinBody, ...]:
    """Return bodies whose parts overlap with nothing, with the feet and posts that they need.

    Bodies of which all is cut away, since it lies in others, are left out.

    Args:
        bodies, boxes: objects and surroundings.
        camera: (3,) its position; None where gravity is unknown, and so what carries.
    """
    fixed = _convex([box.corners for box in boxes])
    groups = []
    for body in bodies:
        surface = body.mesh.transformed(body.world_from_body).vertices.astype(np.float64)
        surface = surface[:: 1 + len(surface) // MAX_SURFACE]
        moved = [part.transformed(body.world_from_body).vertices for part in body.parts]
        groups.append(_convex(moved, surface))
    groups = separated(groups, fixed)
    made = []
    for number, (body, parts) in enumerate(zip(bodies, groups, strict=True)):
        if not parts:
            continue
        pose = body.world_from_body
        others = [part for group in (*groups[:number], *groups[number + 1 :]) for part in group]
        center = pose[:3, :3] @ body.center_of_mass + pose[:3, 3]
        added = Supports() if camera is None else supports(parts, others, fixed, center, camera)
        groups[number] = parts + _convex(added.feet)
        hulls = (trimesh.convex.convex_hull(part.vertices) for part in groups[number])
        meshes = (Mesh(np.float32(hull.vertices), np.int32(hull.faces)) for hull in hulls)
        body_from_world = np.linalg.inv(pose)
        own = tuple(mesh.transformed(body_from_world) for mesh in meshes)
        made.append(replace(body, parts=own, posts=tuple(map(TwinBox.around, added.posts))))
        fixed = fixed + _convex(added.posts)
    return tuple(made)


def _convex(hulls: Sequence[np.ndarray], surface: np.ndarray = NOWHERE) -> list[ConvexPart]:
    made = (ConvexPart.of(points.astype(np.float64), surface) for points in hulls)
    return [part for part in made if part is not None]


def _body(
    item: SceneObject, world_from_frame: np.ndarray, density: float, shape: CollisionShape | str
) -> TwinBody | None:
    collision = collision_body(item, shape)
    if collision is None:
        return None
    mass, center, inertia = _inertial(item.mesh, collision.pieces, density)
    return TwinBody(
        object_name(item.label, item.id),
        world_from_frame @ item.frame_from_object,
        item.mesh,
        collision.pieces,
        item.color,
        mass,
        center,
        inertia,
    )


def _standing(body: TwinBody, planes: Sequence[Plane]) -> TwinBody:
    """Return a body whose parts for contact end flat on the level plane that carries it."""
    points = np.concatenate([part.vertices for part in body.parts]).astype(np.float64)
    points = points @ body.world_from_body[:3, :3].T + body.world_from_body[:3, 3]
    for plane in planes:
        lowest = float((points @ plane.normal + plane.offset).min())
        if plane.normal[2] > LEVEL and abs(lowest) < CARRIED_M:
            normal = body.world_from_body[:3, :3].T @ plane.normal
            offset = plane.offset + plane.normal @ body.world_from_body[:3, 3]
            made = (_flat_below(part, normal, offset, max(lowest, 0.0)) for part in body.parts)
            parts = tuple(part for part in made if part is not None)
            return replace(body, parts=parts) if parts else body
    return body


def _flat_below(part: Mesh, normal: np.ndarray, offset: float, lowest: float) -> Mesh | None:
    """Return the hull of a part whose lowest points are on a plane; None where nothing is above.

    Args:
        part: convex, in the frame of the plane.
        normal, offset: of the plane, normal @ x + offset = 0.
        lowest: height of the lowest point of the whole body over the plane [m].
    """
    vertices = part.vertices.astype(np.float64)
    height = vertices @ normal + offset
    flat = height < lowest + UNDERSIDE_M
    if flat.all():
        return None
    vertices[flat] -= height[flat, None] * normal
    hull = trimesh.convex.convex_hull(vertices)
    return Mesh(np.float32(hull.vertices), np.int32(hull.faces))


def _inertial(
    mesh: Mesh, parts: tuple[Mesh, ...], density: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return mass, centre and inertia of a mesh; of its parts where it is not closed."""
    volume = float(signed_volume(mesh.vertices.astype(np.float64), mesh.faces).sum())
    closed = volume > LEAST_VOLUME and is_watertight(mesh.faces, len(mesh.vertices))
    solid = [mesh] if closed else parts
    bodies = [trimesh.Trimesh(m.vertices.astype(np.float64), m.faces, process=False) for m in solid]
    masses = np.array([density * float(body.volume) for body in bodies])
    center = masses @ np.array([body.center_mass for body in bodies]) / masses.sum()
    inertia = np.zeros((3, 3))
    for body, mass in zip(bodies, masses, strict=True):
        offset = np.asarray(body.center_mass) - center
        steiner = mass * (offset @ offset * np.eye(3) - np.outer(offset, offset))
        inertia += density * np.asarray(body.moment_inertia) + steiner
    # What is lighter than engines bear is made heavier as a whole.
    scale = max(1.0, LEAST_MASS / masses.sum())
    return float(scale * masses.sum()), center, scale * inertia


def _box(plane: Plane, bodies: tuple[TwinBody, ...]) -> TwinBox:
    """Return the box behind the part of a plane that was seen, and below what stands on it."""
    outline = [plane.corners]
    if plane.normal[2] > LEVEL:
        for body in bodies:
            points = body.mesh.transformed(body.world_from_body).vertices.astype(np.float64)
            height = points @ plane.normal + plane.offset
            if abs(height.min()) < CARRIED_M:
                outline.append(points - height[:, None] * plane.normal)
    flat = np.concatenate(outline) @ plane.axes.T
    low, high = flat.min(axis=0), flat.max(axis=0)
    pose = np.eye(4)
    axes = np.stack([*plane.axes, plane.normal])
    axes[0] *= np.sign(np.linalg.det(axes))
    pose[:3, :3] = axes.T
    middle = 0.5 * (low + high) @ plane.axes - plane.offset * plane.normal
    thickness = THICKNESS_M if plane.normal[2] > LEVEL else WALL_M
    pose[:3, 3] = middle - 0.5 * thickness * plane.normal
    return TwinBox(pose, 0.5 * np.array([*(high - low), thickness]))
