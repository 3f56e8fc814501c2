"""A completed scene: the output of a completion."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import open3d
    import trimesh

    from iscene_ros.core.observation import Observation
    from iscene_ros.core.scene_graph import SceneGraph


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices: (V, 3) float32 [m].
        faces: (F, 3) int32, counter-clockwise from outside.
    """

    vertices: np.ndarray
    faces: np.ndarray

    def transformed(self, transform: np.ndarray) -> Mesh:
        """Return the mesh moved by a (4, 4) rigid transform."""
        moved = self.vertices @ transform[:3, :3].T + transform[:3, 3]
        return Mesh(moved.astype(np.float32), self.faces)

    def to_trimesh(self) -> trimesh.Trimesh:
        """Return the mesh as a trimesh object, vertices and faces in their order."""
        import trimesh

        return trimesh.Trimesh(self.vertices, self.faces, process=False)

    def to_open3d(self) -> open3d.geometry.TriangleMesh:
        """Return the mesh as an open3d object; open3d is not installed with this package."""
        import open3d

        return open3d.geometry.TriangleMesh(
            open3d.utility.Vector3dVector(self.vertices.astype(np.float64)),
            open3d.utility.Vector3iVector(self.faces),
        )


@dataclass(frozen=True)
class ObjectProperties:
    """Physical properties of an object of uniform density, in the object's own frame.

    Attributes:
        volume: of the closed mesh [m^3].
        center_of_mass: (3,) float64 [m].
        upright_axis: (3,) float64 unit direction that points up when the object stands on its most
            stable face, or on the face that it stands on now; None where no face is stable.
    """

    volume: float
    center_of_mass: np.ndarray
    upright_axis: np.ndarray | None


@dataclass(frozen=True)
class SceneObject:
    """One completed object.

    Attributes:
        id: the instance id of the input, positive.
        label, score: class name and detection score in [0, 1] of the input.
        mesh: closed surface in the object's own frame: origin at the centre of its box, z up.
        frame_from_object: (4, 4) float64 pose in the scene's frame.
        size: (3,) float64 edge lengths of the box along the object's axes [m].
        observed_fraction: share of the surface that the depth image saw, in [0, 1].
        confidence: trust in the mesh, in [0, 1]: of iscene-mini the expected overlap (IoU) with the
            true object; of a released model the share of pixels that agree with mask and depth.
        depth_residual: median distance of the observed points to the mesh [m].
        seconds: time spent on this object [s].
        color: (3,) uint8 RGB.
        vertex_observed: (V,) bool, whether the camera saw this vertex of the mesh; None where that
            is not known, as after reading a scene from files.
        vertex_colors: (V, 3) uint8 RGB that the model gave the mesh's vertices, or None.
        vertex_sigma: (V,) float32 standard deviation of the surface along its normal at the mesh's
            vertices [m]; None where that is not known, as after reading a scene from files.
        uncertainty: median of it over the vertices that the camera did not see [m], or None; 0
            where the mesh is known exactly, as that of a CAD model.
        properties: of the mesh; None where there is no finite triangle, or not computed.
        transparent_suspect: whether much of its depth lies on the surface behind it, as of glass;
            its mesh is a guess then.
    """

    id: int
    label: str
    score: float
    mesh: Mesh
    frame_from_object: np.ndarray
    size: np.ndarray
    observed_fraction: float
    confidence: float
    depth_residual: float
    seconds: float
    color: np.ndarray
    vertex_observed: np.ndarray | None = None
    vertex_colors: np.ndarray | None = None
    vertex_sigma: np.ndarray | None = None
    uncertainty: float | None = None
    properties: ObjectProperties | None = None
    transparent_suspect: bool = False


@dataclass(frozen=True)
class SkippedObject:
    """An instance that could not be completed, and why."""

    id: int
    label: str
    reason: str


@dataclass(frozen=True)
class Plane:
    """A plane of the surroundings, such as a table: normal . p + offset = 0.

    Attributes:
        normal: (3,) float64 unit direction on the camera's side.
        offset: [m].
        sigma: standard deviation of the depth readings from the plane [m].
        axes: (2, 3) float64 orthogonal unit directions in the plane.
        outline: (K, 3) half planes a, b, c of the seen part: a u + b v + c <= 0 within, where u, v
            are coordinates along the axes [m].
        corners: (K, 3) float64 corners of the seen part [m].
        margin: how far the plane may extend beyond the seen part [m].
        share: of the depth readings, in [0, 1].
    """

    normal: np.ndarray
    offset: float
    sigma: float
    axes: np.ndarray
    outline: np.ndarray
    corners: np.ndarray
    margin: float
    share: float

    def transformed(self, transform: np.ndarray) -> Plane:
        """Return the plane moved by a (4, 4) rigid transform."""
        rotation, translation = transform[:3, :3], transform[:3, 3]
        normal, axes = self.normal @ rotation.T, self.axes @ rotation.T
        outline = self.outline.copy()
        outline[:, 2] -= outline[:, :2] @ (axes @ translation)
        return replace(
            self,
            normal=normal,
            offset=float(self.offset - normal @ translation),
            axes=axes,
            outline=outline,
            corners=self.corners @ rotation.T + translation,
        )

    def reaches(self, points: np.ndarray) -> np.ndarray:
        """Return (M,) bool, True for points (M, 3) of the plane in the seen part or its margin."""
        flat = points @ self.axes.T
        return np.all(flat @ self.outline[:, :2].T + self.outline[:, 2] <= self.margin, axis=1)


@dataclass(frozen=True)
class RelationEvidence:
    """Measurements behind an edge of the scene graph; None where one does not apply.

    Attributes:
        gap_m: free distance of the surfaces [m].
        penetration_m: depth by which they overlap [m].
        area_m2: of the contact, or of the overlap seen from above [m^2].
        contact_point: in the scene's frame [m].
        normal: unit direction from the object of the edge to its subject, in the scene's frame.
        share: of the subject's volume (inside), of the object's outline (blocks_from_above) or of
            its pixels (occludes), in [0, 1].
        is_stable: whether the subject's centre of mass lies over its supports.
        error_m: of a shape laid over another one [m].
        frame: in which a direction is meant: "camera", its axes made horizontal.
    """

    gap_m: float | None = None
    penetration_m: float | None = None
    area_m2: float | None = None
    contact_point: tuple[float, float, float] | None = None
    normal: tuple[float, float, float] | None = None
    share: float | None = None
    is_stable: bool | None = None
    error_m: float | None = None
    frame: str | None = None


@dataclass(frozen=True)
class Relation:
    """A directed edge of the scene graph; object 0 is the environment."""

    subject: int
    predicate: str
    object: int
    confidence: float
    evidence: RelationEvidence | None = None


@dataclass(frozen=True)
class Timings:
    """Seconds by stage [s]; `total` includes all of them."""

    prepare: float = 0.0
    network: float = 0.0
    meshing: float = 0.0
    total: float = 0.0
    relations: float = 0.0


@dataclass(frozen=True)
class Scene:
    """The completed objects of one observation and their relations.

    Attributes:
        frame_id: "world" where a camera pose was given, else "camera" (optical frame).
        objects: completed objects, in the order of the input.
        skipped: instances without a completion, each with its reason.
        frame_from_camera: (4, 4) float64 transform of the optical frame into the scene's frame.
        gravity_camera: (3,) unit direction of gravity in the camera frame.
        relations: edges of the scene graph.
        model_name, model_checksum: of the weights (sha256, hex).
        seed, steps: of a released model's sampler; iscene-mini has one step.
        stamp: of the observation [s].
        warnings: one line each.
        is_metric: False where the scale is unknown; lengths are not metres then.
        planes: of the surroundings, in the scene's frame; None where they were not looked for.
        environment: surface of the surroundings that all frames of a session have shown, in the
            scene's frame, its front on the side that was seen; None where it was not fused.
        observation: what was completed, rectified, with clean masks and depth; None where that is
            not known, as after reading a scene from files.
    """

    frame_id: str
    objects: tuple[SceneObject, ...]
    skipped: tuple[SkippedObject, ...]
    frame_from_camera: np.ndarray
    gravity_camera: np.ndarray
    model_name: str
    model_checksum: str
    seed: int
    steps: int
    timings: Timings
    stamp: float = 0.0
    relations: tuple[Relation, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    is_metric: bool = True
    planes: tuple[Plane, ...] | None = None
    environment: Mesh | None = None
    observation: Observation | None = None

    @cached_property
    def graph(self) -> SceneGraph:
        """The scene graph, for queries such as `scene.graph.removal_order(id)`."""
        from iscene_ros.core.scene_graph import SceneGraph

        nodes = ((item.id, item.label, item.confidence) for item in self.objects)
        return SceneGraph(nodes, self.relations)

    def __getitem__(self, object_id: int) -> SceneObject:
        """Return an object by its id.

        Raises:
            KeyError: there is no such object; the known ids are listed.
        """
        for item in self.objects:
            if item.id == object_id:
                return item
        known = ", ".join(str(item.id) for item in self.objects) or "none"
        raise KeyError(f"object {object_id}: not in the scene; its ids are {known}")

    def save(self, directory: str | Path, observation: Observation | None = None) -> None:
        """Write the scene as a folder; see `iscene_ros.io.scene_io.write_scene`.

        Raises:
            InputError: the folder holds something else or cannot be written.
        """
        # The one import upwards: saving belongs to the public face of a scene.
        from iscene_ros.io.scene_io import write_scene

        write_scene(self, Path(directory), observation)
