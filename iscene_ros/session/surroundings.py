"""The surroundings of a session's objects: every posed frame is fused into one mesh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.scene import Mesh, SceneObject
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.core.stamps import SECOND
from iscene_ros.geometry.environment_mesh import enters_objects, environment_mesh
from iscene_ros.geometry.environment_volume import EnvironmentVolume, VoxelBlocks, has_open3d
from iscene_ros.geometry.surroundings_depth import surroundings_depth
from iscene_ros.io.world_files import World
from iscene_ros.session.frames import PosedFrame, TrackedObservation
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.settings import Settings

# A new mesh is made when so many voxels of 1 cm have changed the surface, at most once in a while.
CHANGED_VOXELS, MESH_PERIOD_NS = 200, 2 * SECOND
# Objects without a mask in the newest frame hide this much around their boxes [m].
BOX_MARGIN_M = 0.015
NOT_INSTALLED = (
    "environment: open3d is not installed, so that the surroundings are the planes of the newest "
    "frame; for walls and boards: pip install 'iscene_ros[fusion]'"
)

Reject = Callable[[RejectReason, str], None]


class Surroundings:
    """Fuses what is no object, where open3d is installed. One thread at a time may use it.

    Args:
        settings: whether to.
        log: called with one line where open3d is missed.
    """

    def __init__(self, settings: Settings, log: Callable[[str], None]) -> None:
        if settings.environment and not has_open3d():
            log(NOT_INSTALLED)
        self._volume: EnvironmentVolume | None = None
        self._loaded: World | None = None
        self._frame_id = ""
        # Number of resets of the map that the volume has followed, and that it has to follow.
        self._resets = self._valid_from = 0
        self.clear()

    def load(self, world: World) -> None:
        """Go on from the surroundings of a world with the next frame in its frame."""
        self._loaded = world

    def blocks(self, frame_id: str) -> VoxelBlocks | None:
        """Return what was fused in a frame; None where that is nothing."""
        if self._volume is None or not self._volume.block_count or self._frame_id != frame_id:
            return None
        return self._volume.blocks()

    def reset(self, resets: int) -> None:
        """Begin again with the first frame after so many resets of the map; from any thread."""
        self._valid_from = resets

    def summary(self, settings: Settings) -> str:
        """Return what there is, in a few words."""
        if not settings.environment:
            return "off"
        if not has_open3d():
            return NOT_INSTALLED
        blocks = 0 if self._volume is None else self._volume.block_count
        triangles = 0 if self._mesh is None else len(self._mesh.faces)
        return f"mesh of {triangles} triangles from {blocks} blocks"

    def add(
        self,
        update: SceneUpdate,
        frame: PosedFrame,
        observed: TrackedObservation,
        settings: Settings,
        reject: Reject,
    ) -> SceneUpdate:
        """Fuse the frame of an update, and return the update with the mesh of the surroundings.

        A frame without a pose is only counted, by `reject`. A failure costs the update its mesh.
        """
        if not settings.environment or not has_open3d() or frame.resets < self._valid_from:
            return update
        try:
            self._begin(frame)
            self._fuse(update, frame, observed, reject)
            mesh = self._current_mesh(update)
        except (RuntimeError, MemoryError, ImportError, OSError) as error:  # how open3d fails
            line = f"environment: {type(error).__name__}: {error}; the surroundings begin again"
            reject(RejectReason.ENVIRONMENT, line)
            self._volume = None
            self.clear()
            return update
        # Where there is no mesh yet, the planes of the frame stand for the surroundings.
        environment = mesh if len(mesh.faces) else None
        return replace(update, scene=replace(update.scene, environment=environment))

    def clear(self) -> None:
        """Begin again; for the completing thread only."""
        if self._volume is not None:
            self._volume.clear()
        self._mesh: Mesh | None = None
        self._meshed_ns = 0

    def _begin(self, frame: PosedFrame) -> None:
        """Begin again after a reset and in another frame, where possible from what was loaded."""
        if self._volume is None:
            self._volume = EnvironmentVolume()
        if self._resets < self._valid_from:
            self._loaded = None
            self.clear()
        elif frame.frame_id != self._frame_id:
            self.clear()
        self._frame_id, self._resets = frame.frame_id, self._valid_from
        if self._loaded is not None and self._loaded.frame_id == frame.frame_id:
            if self._loaded.environment is not None:
                self._volume.load(self._loaded.environment)
            self._loaded = None

    def _fuse(
        self, update: SceneUpdate, frame: PosedFrame, observed: TrackedObservation, reject: Reject
    ) -> None:
        observation = observed.observation
        if frame.frame_from_camera is None:
            line = (
                "environment: this view has no pose in a fixed frame and is not fused; "
                "set world_frame to one that TF connects to the camera, or environment to false"
            )
            reject(RejectReason.ENVIRONMENT, line)
            return
        masked = observation.masks.any(axis=0)
        if observed.left_out is not None:
            masked |= observed.left_out
        depth = surroundings_depth(observation, masked)
        unseen = [known.item for known in update.objects if known.id not in update.seen]
        depth = without_boxes(depth, observation.camera, frame.frame_from_camera, unseen)
        self._volume.integrate(depth, observation.camera, frame.frame_from_camera)

    def _current_mesh(self, update: SceneUpdate) -> Mesh:
        """Return the mesh; made again where the surface has changed or an object lies in it."""
        objects = [known.item for known in update.objects]
        age = abs(update.stamp_ns - self._meshed_ns)
        is_old = self._mesh is None or age >= MESH_PERIOD_NS
        if (is_old and (self._mesh is None or self._volume.has_changed(CHANGED_VOXELS))) or (
            enters_objects(self._mesh, objects)
        ):
            self._mesh = environment_mesh(self._volume.mesh(), objects)
            self._meshed_ns = update.stamp_ns
        return self._mesh


def without_boxes(
    depth: np.ndarray, camera: Camera, frame_from_camera: np.ndarray, items: Sequence[SceneObject]
) -> np.ndarray:
    """Return a rectified depth image (H, W) [m] without the readings in the boxes of objects.

    `frame_from_camera` (4, 4) leads into the frame of the objects' poses.
    """
    if not items:
        return depth
    rows, columns = np.nonzero(depth)
    points = camera.unproject(np.column_stack([columns, rows]), depth[rows, columns])
    hidden = np.zeros(len(points), bool)
    for item in items:
        object_from_camera = np.linalg.inv(item.frame_from_object) @ frame_from_camera
        local = points @ object_from_camera[:3, :3].T + object_from_camera[:3, 3]
        hidden |= np.all(np.abs(local) <= 0.5 * item.size + BOX_MARGIN_M, axis=1)
    depth = depth.copy()
    depth[rows[hidden], columns[hidden]] = 0
    return depth
