"""Objects of one shape together, and how they are lined up."""

from __future__ import annotations

import networkx as nx

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import Scene
from iscene_ros.core.scene_graph import SceneGraph
from iscene_ros.geometry.bodies import surface_sigma
from iscene_ros.relations.rows import Arrangement, arrangements


def shape_groups(graph: SceneGraph) -> tuple[tuple[int, ...], ...]:
    """Ids of objects that have the same shape, two or more a group, the largest group first."""
    alike = nx.Graph()
    alike.add_edges_from((s, o) for s, _, o in graph.edges(Predicate.SAME_SHAPE))
    groups = (tuple(sorted(group)) for group in nx.connected_components(alike))
    return tuple(sorted(groups, key=lambda group: (-len(group), group)))


def scene_arrangements(scene: Scene) -> tuple[Arrangement, ...]:
    """Rows and grids of objects of one shape; the steps are in the scene's frame [m]."""
    items = {item.id: item for item in scene.objects}
    found: list[Arrangement] = []
    for group in shape_groups(scene.graph):
        centers = [items[i].frame_from_object[:3, 3] for i in group]
        found += arrangements(group, centers, [surface_sigma(items[i]) for i in group])
    return tuple(found)
