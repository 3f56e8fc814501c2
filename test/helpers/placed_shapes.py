"""A table of simple bodies, seen by a camera, and their shapes in a cube of unknown scale."""

from dataclasses import dataclass, replace

import numpy as np
import trimesh
from made_scenes import ball, box, cup, rod

from iscene_ros.core.camera import Camera
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.rasteriser import render
from iscene_ros.models.iscene.registration.result import CubeShape, Similarity

CAMERA = Camera(320, 240, np.array([[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]]))


@dataclass(frozen=True)
class Seen:
    """What a camera saw, the shapes in the cube, and the truth."""

    observation: Observation
    aligned_frame: GravityAlignedFrame
    shapes: tuple[CubeShape, ...]
    truth: Similarity

    def with_mesh(self, row, vertices):
        """The same with another shape in one row; its vertices in the cube."""
        changed = replace(self.shapes[row].mesh, vertices=np.asarray(vertices, np.float32))
        shapes = list(self.shapes)
        shapes[row] = replace(shapes[row], mesh=changed)
        return replace(self, shapes=tuple(shapes))


def bodies():
    """Standing on z = 0; the ball and the second box touch, the small box is on the first."""
    return [
        box((0.12, 0.08, 0.06), (-0.12, 0.03), yaw=0.4),
        box((0.06, 0.06, 0.12), (0.05, -0.08), yaw=0.2),
        ball(0.05, (0.12, 0.09, 0.05)),
        cup(0.04, 0.1, at=(-0.02, 0.12)),
        box((0.04, 0.05, 0.03), (-0.12, 0.03), bottom=0.06, yaw=1.0),
        rod((-0.15, -0.12, 0.015), (-0.03, -0.12, 0.015), 0.015),
    ]


def look_at(down_deg=45.0, azimuth_deg=20.0, distance=0.7, target=(0.0, 0.0, 0.03)):
    """(4, 4) world_from_camera, looking down at a target."""
    down, azimuth = np.deg2rad([down_deg, azimuth_deg])
    back = np.array(
        [-np.sin(azimuth) * np.cos(down), -np.cos(azimuth) * np.cos(down), np.sin(down)]
    )
    right = np.array([np.cos(azimuth), -np.sin(azimuth), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(-back, right), -back], axis=1)
    pose[:3, 3] = target + distance * back
    return pose


def see(meshes, pose, size=1.0, cube=(0.9, (0.02, -0.03, 0.01)), camera=CAMERA):
    """The view of trimesh bodies in the world (everything scaled by `size`) on a table."""
    pose = pose.copy()
    pose[:3, 3] *= size
    world = [Mesh((size * m.vertices).astype(np.float32), m.faces.astype(np.int32)) for m in meshes]
    top = trimesh.creation.box((2 * size, 2 * size, 0.02 * size))
    top.apply_translation((0, 0, -0.01 * size))
    vertices, faces = trimesh.remesh.subdivide_to_size(top.vertices, top.faces, 0.1 * size)
    table = Mesh(np.asarray(vertices, np.float32), np.asarray(faces, np.int32))
    camera_from_world = np.linalg.inv(pose)
    image = render([m.transformed(camera_from_world) for m in (*world, table)], camera)
    observation = Observation(
        depth=np.where(np.isfinite(image.depth), image.depth, 0),
        masks=np.stack([image.ids == row for row in range(len(world))]),
        camera=camera,
        world_from_camera=pose,
    )
    aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    view = [m.transformed(view_space_pose(aligned_frame) @ camera_from_world) for m in world]
    shapes, truth = in_cube(view, *cube)
    return Seen(observation, aligned_frame, shapes, truth)


def view_space_pose(aligned_frame):
    """(4, 4) aligned_from_camera."""
    pose = np.eye(4)
    pose[:3, :3] = aligned_frame.aligned_from_camera
    return pose


def in_cube(meshes_aligned, filled, offset):
    """Shapes that fill a share of the cube, off its centre; and the way back to view space."""
    points = np.concatenate([m.vertices for m in meshes_aligned]).astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = float((high - low).max()) / filled
    truth = Similarity(scale, 0.5 * (low + high) - scale * np.array(offset))
    shapes = [
        CubeShape(row, Mesh(truth.to_cube(m.vertices).astype(np.float32), m.faces))
        for row, m in enumerate(meshes_aligned)
    ]
    return tuple(shapes), truth


def with_depth(seen, depth):
    """The same view with other readings."""
    return replace(seen, observation=replace(seen.observation, depth=depth))
