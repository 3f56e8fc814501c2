"""The scene graph of a whole world, of which the newest frame shows a part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from iscene_ros.core.scene import Relation
from iscene_ros.core.scene_graph import ENVIRONMENT
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.relations.build import relate
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.settings import Settings


@dataclass(frozen=True)
class MapRelations:
    """Adds relations to updates.

    Attributes:
        settings: whether, and which.
        reject: takes a line on what failed; the update then has no relations.
    """

    settings: Settings
    reject: Callable[[RejectReason, str], None]

    def __call__(self, update: SceneUpdate, before: SceneUpdate | None) -> SceneUpdate:
        """The update with the relations of all its objects; never raises.

        What an object out of view has to do with the environment is not seen any more; it stays
        as it was.

        Args:
            update: the world, without relations.
            before: the update before it; None = there was none.
        """
        if not (self.settings.relations and update.objects):
            return update
        try:
            relations = relate(update.world, update.observation, self.settings.compare_shapes)
        except Exception as error:  # the scene is worth more than its graph
            line = f"{type(error).__name__}: {error}; the scene is published without relations"
            self.reject(RejectReason.RELATIONS, line)
            return update
        found = {_key(relation) for relation in relations}
        kept = [r for r in _remembered(update, before) if _key(r) not in found]
        return replace(update, relations=(*relations, *kept))


def _remembered(update: SceneUpdate, before: SceneUpdate | None) -> list[Relation]:
    if before is None or before.frame_id != update.frame_id:
        return []
    unseen = {known.id for known in update.objects} - update.seen
    return [
        relation
        for relation in before.relations
        if ENVIRONMENT in (relation.subject, relation.object)
        and unseen & {relation.subject, relation.object}
    ]


def _key(relation: Relation) -> tuple[int, str, int]:
    return relation.subject, relation.predicate, relation.object
