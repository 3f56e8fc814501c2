"""What ~/meshes says, before it is a message: which marker is added or deleted, and with what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.core.scene import Mesh, SceneObject
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.geometry.mesh_measures import triangle_areas

MARKERS_TYPE = "visualization_msgs/msg/MarkerArray"
# visualization_msgs/Marker: types and actions.
ARROW, TEXT_VIEW_FACING, TRIANGLE_LIST = 0, 9, 11
ADD, DELETE, DELETE_ALL = 0, 2, 3
# A triangle of a square micrometre shows nothing, and RViz has no normal for it.
SMALLEST_AREA_M2 = 1e-12


@dataclass(frozen=True)
class MeshMarker:
    """One marker of ~/meshes.

    Attributes:
        action: ADD, DELETE or DELETE_ALL.
        namespace: the name of the object.
        id: the id of the object.
        item: the object to add; None for other actions.
    """

    action: int
    namespace: str = ""
    id: int = 0
    item: SceneObject | None = None


def mesh_markers(update: SceneUpdate) -> list[MeshMarker]:
    """The markers of an update, in order: DELETE_ALL where nothing may remain, DELETE, ADD.

    Every object is added each time, so that a late subscriber of the latched topic gets all.
    """
    return [
        *([MeshMarker(DELETE_ALL)] if update.first else []),
        *(MeshMarker(DELETE, removed.name, removed.id) for removed in update.removed),
        *(MeshMarker(ADD, known.name, known.id, known.item) for known in update.objects),
    ]


def drawable_faces(mesh: Mesh) -> np.ndarray:
    """(F, 3) int32 faces without the degenerate ones: no area, or a corner that is not finite."""
    keep = triangle_areas(mesh) > SMALLEST_AREA_M2
    return mesh.faces if keep.all() else mesh.faces[keep]
