"""Relations between all objects of the map, including those out of view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scipy.spatial import QhullError

from iscene_ros.core.scene import Relation
from iscene_ros.core.scene_graph import ENVIRONMENT
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.models.base import Progress, Report
from iscene_ros.relations.build import relate
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.settings import Settings

# How numpy, scipy and trimesh fail on degenerate meshes; LinAlgError is a ValueError.
GEOMETRY_ERRORS = (ArithmeticError, ValueError, QhullError)


def add_relations(
    update: SceneUpdate,
    before: SceneUpdate | None,
    settings: Settings,
    reject: Callable[[RejectReason, str], None],
    progress: Report | None = None,
) -> SceneUpdate:
    """Return an update with the relations of all its objects.

    A relation between the environment and an object out of view cannot be observed; the one of the
    previous update is kept. A mesh that is too degenerate to be related costs the scene its
    relations, but not its objects.

    Args:
        update: the object map without relations.
        before: the previous update, or None.
        settings: parameters that enable relations and the comparison of shapes.
        reject: called with reason and error line where the relations cannot be inferred.
        progress: see `SceneCompleter.complete`.
    """
    if not (settings.relations and update.objects):
        return update
    try:
        relations = relate(
            update.map_scene, update.observation, settings.compare_shapes, Progress(progress)
        )
    except GEOMETRY_ERRORS as error:
        line = f"{type(error).__name__}: {error}; the scene is published without relations"
        reject(RejectReason.RELATIONS, line)
        return update
    found = {_key(relation) for relation in relations}
    kept = [r for r in _out_of_view(update, before) if _key(r) not in found]
    return replace(update, relations=(*relations, *kept))


def _out_of_view(update: SceneUpdate, before: SceneUpdate | None) -> list[Relation]:
    """Return previous relations of the environment with objects that this frame does not show."""
    if before is None or before.frame_id != update.frame_id:
        return []
    unseen = {tracked.id for tracked in update.objects} - update.seen
    return [
        relation
        for relation in before.relations
        if ENVIRONMENT in (relation.subject, relation.object)
        and unseen & {relation.subject, relation.object}
    ]


def _key(relation: Relation) -> tuple[int, str, int]:
    return relation.subject, relation.predicate, relation.object
