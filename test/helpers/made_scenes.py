"""Scenes of simple bodies, made by hand; z is up, the table's top is z = 0."""

import numpy as np
import trimesh

from iscene_ros.geometry.bodies import Body
from iscene_ros.geometry.environment import BoxEnvironment

TABLE = (np.array([-0.5, -0.5, -0.05]), np.array([0.5, 0.5, 0.0]))
WALL_X = (np.array([-0.52, -0.5, 0.0]), np.array([-0.5, 0.5, 0.4]))
WALL_Y = (np.array([-0.5, -0.52, 0.0]), np.array([0.5, -0.5, 0.4]))


def table(*walls):
    return BoxEnvironment((TABLE, *walls))


def box(size, at=(0.0, 0.0), bottom=0.0, yaw=0.0):
    """An upright box of full edge lengths [m] whose bottom is at a height."""
    mesh = trimesh.creation.box(size)
    turn = trimesh.transformations.rotation_matrix(yaw, [0, 0, 1])
    return mesh.apply_transform(turn).apply_translation([*at, bottom + 0.5 * size[2]])


def look_from(position, target=(0.0, 0.0, 0.0)):
    """(4, 4) pose of an upright camera that looks at a target."""
    forward = np.subtract(target, position) / np.linalg.norm(np.subtract(target, position))
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = position
    return pose


def ball(radius, center):
    return trimesh.creation.icosphere(4, radius).apply_translation(center)


def cup(radius, height, wall=0.004, at=(0.0, 0.0), bottom=0.0, flare=1.0):
    """A round vessel, open at the top; `flare` is the rim's radius over the foot's."""
    line = np.array(
        [
            (0, 0),
            (radius, 0),
            (flare * radius, height),
            (flare * radius - wall, height),
            (radius - wall, wall),
            (0, wall),
        ]
    )
    return trimesh.creation.revolve(line, sections=64).apply_translation([*at, bottom])


def rod(start, end, radius):
    return trimesh.creation.cylinder(radius, segment=np.array([start, end]), sections=24)


def joined(*meshes):
    return trimesh.util.concatenate(meshes)


def chair():
    """Seat, back and four legs, standing at the origin, facing +x."""
    legs = [box((0.04, 0.04, 0.4), (x, y)) for x in (-0.18, 0.18) for y in (-0.18, 0.18)]
    seat = box((0.4, 0.4, 0.04), bottom=0.4)
    return joined(seat, box((0.04, 0.4, 0.4), (-0.18, 0.0), bottom=0.44), *legs)


def moved(mesh, offset=(0.0, 0.0, 0.0), yaw=0.0):
    turn = trimesh.transformations.rotation_matrix(yaw, [0, 0, 1])
    return mesh.copy().apply_transform(turn).apply_translation(offset)


def noisy(mesh, amplitude, seed=0):
    """The mesh in small triangles, its surface bumpy by up to an amplitude [m]."""
    mesh = trimesh.Trimesh(*trimesh.remesh.subdivide_to_size(mesh.vertices, mesh.faces, 0.012))
    mesh.merge_vertices()
    rng = np.random.default_rng(seed)
    offset = rng.uniform(-amplitude, amplitude, (len(mesh.vertices), 1)) * mesh.vertex_normals
    return trimesh.Trimesh(mesh.vertices + offset, mesh.faces, process=False)


def bodies(*meshes, sigma=2e-4, is_exact=True):
    """Bodies with the ids 1, 2, 3..."""
    return [
        Body.of(number, mesh.vertices, mesh.faces, sigma, is_exact)
        for number, mesh in enumerate(meshes, 1)
    ]
