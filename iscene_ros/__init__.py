"""The whole scene from what a robot's camera sees: completed object meshes in metres."""

from __future__ import annotations

import importlib
import os

__version__ = "0.1.0"

# Waiting threads of torch sleep instead of spin, unless the user has set it. A robot's cores are
# shared: threads that spin take them from those they wait for, and a completion takes several times
# as long. OpenMP reads it when torch is imported, which no module of the package does before this.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Imported when first used: the command line and the data types need no torch.
_EXPORTS = {
    "Camera": "iscene_ros.core.camera",
    "CompletionOptions": "iscene_ros.models.model_config",
    "CompletionRequest": "iscene_ros.models.base",
    "Gripper": "iscene_ros.planning.grippers",
    "InputError": "iscene_ros.core.errors",
    "Mesh": "iscene_ros.core.scene",
    "ModelError": "iscene_ros.core.errors",
    "Observation": "iscene_ros.core.observation",
    "Predicate": "iscene_ros.core.predicate",
    "Scene": "iscene_ros.core.scene",
    "SceneCompleter": "iscene_ros.completion.scene_completer",
    "SceneGraph": "iscene_ros.core.scene_graph",
    "plan_grasps": "iscene_ros.planning.grasps",
    "read_scene": "iscene_ros.io.scene_io",
}
__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)
