"""Meshes as files: PLY for one object, GLB for the whole scene; same meshes, same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh
from trimesh.exchange.gltf import export_glb

from iscene_ros.core.colors import ENVIRONMENT_COLOR, linear_from_srgb
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.scene import Mesh, Scene
from iscene_ros.core.slugs import object_name
from iscene_ros.geometry.rasteriser import vertex_normals
from iscene_ros.io.file_errors import reading

# glTF is y up and looks along -z; the gravity-aligned frame is z up and looks along y.
GLTF_FROM_ALIGNED = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def write_ply(
    mesh: Mesh, color: np.ndarray, path: Path, vertex_sigma: np.ndarray | None = None
) -> None:
    """Write a binary PLY [m]; PLY has no axis convention, so z stays up.

    Args:
        mesh: in the object's own frame.
        color: (3,) or (V, 3) uint8 sRGB, of the whole mesh or of its vertices.
        path: the file to write.
        vertex_sigma: (V,) standard deviation of the surface [m], the property `sigma` of the
            vertices; None = without.
    """
    colors = np.full((len(mesh.vertices), 4), 255, np.uint8)
    colors[:, :3] = color
    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=colors, process=False)
    if vertex_sigma is not None:
        surface.vertex_attributes["sigma"] = np.asarray(vertex_sigma, np.float32)
    path.write_bytes(surface.export(file_type="ply", vertex_normal=False))


def read_ply(path: Path) -> Mesh:
    """Read the mesh of a PLY, vertices and faces in their order.

    Raises:
        InputError: the file is missing or malformed.
    """
    with reading(path, "a PLY triangle mesh"):
        surface = trimesh.load(path, file_type="ply", process=False)
        return Mesh(surface.vertices.astype(np.float32), surface.faces.astype(np.int32))


def write_glb(scene: Scene, path: Path) -> None:
    """Write the scene as binary glTF.

    Nodes: "scene", which turns the scene's frame upright (y up, as viewers expect), and under it
    one node "<label>_<id>" an object, whose matrix is the object's pose in the scene's frame, and
    the node "environment" where the surroundings were fused.
    """
    asset = trimesh.Scene(base_frame="gltf")
    gltf_from_frame = np.eye(4)
    gltf_from_frame[:3, :3] = GLTF_FROM_ALIGNED
    if scene.frame_id == "camera":
        aligned_frame = GravityAlignedFrame.from_gravity(scene.gravity_camera)
        gltf_from_frame[:3, :3] = GLTF_FROM_ALIGNED @ aligned_frame.aligned_from_camera
    asset.graph.update(frame_from="gltf", frame_to="scene", matrix=gltf_from_frame)
    for scene_object in scene.objects:
        name = object_name(scene_object.label, scene_object.id)
        visual = _material(name, scene_object.color)
        if scene_object.vertex_colors is not None:
            visual = trimesh.visual.ColorVisuals(vertex_colors=_linear(scene_object.vertex_colors))
        asset.add_geometry(
            _surface(scene_object.mesh, visual),
            node_name=name,
            geom_name=name,
            parent_node_name="scene",
            transform=scene_object.frame_from_object,
        )
    if scene.environment is not None:
        asset.add_geometry(
            _surface(scene.environment, _material("environment", ENVIRONMENT_COLOR)),
            node_name="environment",
            geom_name="environment",
            parent_node_name="scene",
        )
    # Unlike Scene.export, this also writes a scene in which every instance was skipped.
    path.write_bytes(export_glb(asset, include_normals=True))


def _surface(mesh: Mesh, visual: trimesh.visual.base.Visuals) -> trimesh.Trimesh:
    return trimesh.Trimesh(
        mesh.vertices,
        mesh.faces,
        vertex_normals=vertex_normals(mesh),
        visual=visual,
        process=False,
    )


def _material(name: str, color: np.ndarray) -> trimesh.visual.TextureVisuals:
    material = trimesh.visual.material.PBRMaterial(
        name=name,
        baseColorFactor=np.append(_linear(color), np.uint8(255)),
        metallicFactor=0.0,
        roughnessFactor=0.8,
    )
    return trimesh.visual.TextureVisuals(material=material)


def _linear(color: np.ndarray) -> np.ndarray:
    """Convert (..., 3) uint8 sRGB to the linear light of glTF, as uint8."""
    return np.rint(255 * linear_from_srgb(color / 255)).astype(np.uint8)
