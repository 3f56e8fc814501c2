"""The scene graph: queries, exports, drawing; and relations from a scene."""

import json
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_objects import scene_object, scene_of
from made_scenes import box

from iscene_ros.core.colors import instance_color
from iscene_ros.core.scene import Relation, RelationEvidence, Scene
from iscene_ros.core.scene_graph import SceneGraph
from iscene_ros.io.graph_files import to_dot, to_graphml, to_json, write_graph
from iscene_ros.relations.build import relate, with_relations
from iscene_ros.viz.graph_image import draw_graph


def tower() -> Scene:
    """Return three boxes on each other, a fourth beside them, without a table."""
    return scene_of(
        *(scene_object(i, box((0.1, 0.1, 0.05), bottom=0.05 * (i - 1))) for i in (1, 2, 3)),
        scene_object(4, box((0.05, 0.05, 0.1), (0.13, 0.0))),
    )


@pytest.fixture(scope="module")
def graph() -> SceneGraph:
    return with_relations(tower()).graph


def test_queries(graph):
    assert graph.ids == (1, 2, 3, 4)
    assert graph.on_top_of(1) == (2,) and graph.on_top_of(3) == ()
    assert graph.supporters(3) == (2,)
    assert graph.removal_order(1) == (3, 2, 1)
    assert graph.removal_order(4) == (4,)
    assert graph.contents(1) == ()
    nearest = graph.nearest(4, 2)
    assert nearest[0][0] in (1, 2) and nearest[0][1] == pytest.approx(0.055, abs=4e-3)
    assert graph.label(1) == "thing"
    with pytest.raises(KeyError, match="object 9"):
        graph.on_top_of(9)


def test_equal_boxes_have_the_same_shape(graph):
    assert set(graph.objects_of(1, "same_shape")) == {2, 3}


def test_objects_that_block_each_other_have_a_removal_order():
    relations = [
        Relation(1, "blocks_from_above", 2, 0.9),
        Relation(2, "blocks_from_above", 1, 0.6),
        Relation(3, "leaning_on", 1, 0.8),
    ]
    graph = SceneGraph(((i, "thing", 1.0) for i in (1, 2, 3)), relations)
    assert graph.removal_order(2) == (3, 1, 2)


def test_exports_agree(graph):
    document = json.loads(to_json(graph))
    assert {node["id"] for node in document["nodes"]} == {0, 1, 2, 3, 4}
    assert len(document["edges"]) == graph.nx.number_of_edges()
    contact = next(
        e
        for e in document["edges"]
        if (e["subject"], e["predicate"], e["object"]) == (2, "supported_by", 1)
    )
    assert len(contact["contact_point"]) == 3 and contact["area_m2"] > 0
    read = nx.parse_graphml(to_graphml(graph), node_type=int)
    assert read.number_of_edges() == graph.nx.number_of_edges()
    assert '2 -> 1 [label="supported_by' in to_dot(graph)


def test_files_by_suffix(graph, tmp_path):
    for suffix in ("json", "graphml", "dot", "png"):
        write_graph(graph, tmp_path / f"graph.{suffix}")
        assert (tmp_path / f"graph.{suffix}").stat().st_size > 200
    with pytest.raises(ValueError, match=r"expected \.json"):
        write_graph(graph, tmp_path / "graph.txt")


def test_drawing_shows_every_object(graph):
    colors = {tuple(c) for c in np.asarray(draw_graph(graph)).reshape(-1, 3).tolist()}
    assert {tuple(int(v) for v in instance_color(i)) for i in graph.ids} <= colors
    assert draw_graph(SceneGraph((), ())).size[0] > 0


def test_labels_are_quoted_in_dot():
    graph = SceneGraph([(1, 'a "b" \\', 1.0)], ())
    assert '[label="1 a \\"b\\" \\\\"]' in to_dot(graph)


def test_evidence_is_given_in_the_frame_of_the_scene():
    scene = tower()
    turn = np.eye(4)
    turn[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]  # up becomes x
    turned = replace(
        scene,
        objects=tuple(
            replace(o, frame_from_object=turn @ o.frame_from_object) for o in scene.objects
        ),
        frame_from_camera=turn @ scene.frame_from_camera,
    )
    found = relate(turned, shapes=False)
    contact = next(r for r in found if (r.subject, r.predicate, r.object) == (2, "supported_by", 1))
    assert contact.evidence.normal == pytest.approx((1, 0, 0), abs=1e-3)
    assert contact.evidence.contact_point[0] == pytest.approx(0.05, abs=2e-3)


def test_without_gravity_only_what_does_not_need_it():
    for gravity in (np.zeros(3), np.full(3, np.nan)):
        found = relate(replace(tower(), gravity_camera=gravity))
        predicates = {r.predicate for r in found}
        assert "touching" in predicates and "near" in predicates
        assert not predicates & {"supported_by", "above", "left_of", "blocks_from_above"}


def test_scene_without_objects_has_an_empty_graph():
    scene = with_relations(scene_of())
    assert scene.relations == () and scene.graph.ids == ()


def test_edges_carry_their_evidence():
    evidence = RelationEvidence(gap_m=0.01, is_stable=True)
    graph = SceneGraph([(1, "thing", 1.0)], [Relation(1, "supported_by", 0, 0.7, evidence)])
    data = graph.nx.edges[1, 0, "supported_by"]
    assert data == {"confidence": 0.7, "gap_m": 0.01, "is_stable": True}
    assert graph.confidence(1, "supported_by", 0) == 0.7
    assert graph.confidence(0, "supported_by", 1) == 0.0


@given(edges=st.sets(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=20))
@settings(max_examples=40, deadline=None)
def test_removal_order_ends_with_the_object_and_names_each_once(edges):
    relations = [Relation(a, "blocks_from_above", b, 0.5 + a / 20) for a, b in edges if a != b]
    graph = SceneGraph(((i, "thing", 1.0) for i in range(1, 7)), relations)
    for object_id in graph.ids:
        order = graph.removal_order(object_id)
        assert len(set(order)) == len(order)
        assert order[-1] == object_id


def test_equal_objects_are_a_group():
    scene = scene_of(
        *(scene_object(i, box((0.03, 0.05, 0.08), (0.1 * i, 0.0))) for i in (1, 2, 3, 4)),
        scene_object(5, box((0.2, 0.05, 0.02), (0.0, 0.5))),
    )
    scene = with_relations(scene)
    assert scene.graph.shape_groups() == ((1, 2, 3, 4),)
