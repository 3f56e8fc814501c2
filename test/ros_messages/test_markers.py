from dataclasses import replace

import numpy as np
import pytest
import scene_updates

from iscene_ros.core.scene import Mesh, Relation
from iscene_ros.core.scene_update import RemovedObject, SceneUpdate
from iscene_ros.ros.mesh_markers import (
    MARKERS_TYPE,
    drawable_faces,
    environment_cdr,
    meshes_cdr,
)
from iscene_ros.ros.messages import RosbagsTypes
from iscene_ros.ros.relation_markers import encode_relation_markers

TYPES = RosbagsTypes()
ARROW, TEXT, TRIANGLES = 0, 9, 11
ADD, DELETE, DELETE_ALL = 0, 2, 3


def meshes(update: SceneUpdate, alpha: float = 1.0) -> list:
    return TYPES.deserialize(MARKERS_TYPE, meshes_cdr(update, alpha)).markers


def relations(*edges: Relation) -> list:
    made = encode_relation_markers(TYPES, scene_updates.small_update(relations=edges))
    return TYPES.deserialize(MARKERS_TYPE, TYPES.serialize(MARKERS_TYPE, made)).markers


def points(marker: object) -> np.ndarray:
    return np.array([[p.x, p.y, p.z] for p in marker.points]).reshape(-1, 3)


def test_a_mesh_is_its_triangles_in_the_objects_frame() -> None:
    update = scene_updates.small_update()
    for marker, tracked in zip(meshes(update, alpha=0.5), update.objects, strict=True):
        mesh = tracked.item.mesh
        assert (marker.type, marker.action) == (TRIANGLES, ADD)
        assert (marker.ns, marker.id) == (tracked.name, tracked.id)
        np.testing.assert_array_equal(points(marker), mesh.vertices[mesh.faces.ravel()])
        origin = tracked.item.frame_from_object[:3, 3]
        at = marker.pose.position
        np.testing.assert_array_equal([at.x, at.y, at.z], origin)
        color = [marker.color.r, marker.color.g, marker.color.b]
        np.testing.assert_allclose(color, tracked.item.color / 255, atol=1e-6)
        assert marker.color.a == 0.5 and len(marker.colors) == 0
        assert (marker.scale.x, marker.scale.y, marker.scale.z) == (1, 1, 1)
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (0, 0)
        assert not marker.frame_locked and marker.header.frame_id == "map"


def test_the_environment_is_one_mesh_in_the_frame_of_the_update() -> None:
    update, mesh = scene_updates.small_update(), scene_updates.cube(2.0)

    def markers(environment: Mesh | None) -> list:
        scene = replace(update.scene, environment=environment)
        data = environment_cdr(replace(update, scene=scene), 0.5)
        return TYPES.deserialize(MARKERS_TYPE, data).markers

    (marker,) = markers(mesh)
    assert (marker.ns, marker.id, marker.type) == ("environment", 0, TRIANGLES)
    assert (marker.action, marker.header.frame_id, marker.color.a) == (ADD, "map", 0.5)
    np.testing.assert_array_equal(points(marker), mesh.vertices[mesh.faces.ravel()])
    assert [m.action for m in markers(None)] == [DELETE_ALL]


def test_removed_objects_are_deleted_and_the_rest_added_again() -> None:
    update = scene_updates.small_update(removed=(RemovedObject(5, "can_5"),))
    assert [(m.action, m.ns, m.id) for m in meshes(update)] == [
        (DELETE, "can_5", 5),
        (ADD, "mug_1", 1),
        (ADD, "bowl_2", 2),
    ]


def test_the_first_update_clears_what_another_run_left() -> None:
    actions = [m.action for m in meshes(scene_updates.small_update(first=True))]
    assert actions == [DELETE_ALL, ADD, ADD]


def test_every_marker_has_a_valid_rotation() -> None:
    update = scene_updates.small_update(first=True, removed=(RemovedObject(5, "can_5"),))
    for marker in [*meshes(update), *relations(*update.relations)]:
        q = marker.pose.orientation
        assert np.linalg.norm([q.x, q.y, q.z, q.w]) == pytest.approx(1)


def test_degenerate_triangles_are_dropped() -> None:
    vertices = np.array(
        [[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0.2, 0, 0], [np.nan, 0, 0]], np.float32
    )
    good, same_corner, in_line, not_finite = [0, 1, 2], [0, 1, 1], [0, 1, 3], [0, 1, 4]
    mesh = Mesh(vertices, np.array([same_corner, good, in_line, not_finite], np.int32))
    np.testing.assert_array_equal(drawable_faces(mesh), [good])
    tracked = scene_updates.tracked_object(scene_updates.scene_object(mesh=mesh))
    (marker,) = meshes(scene_updates.small_update((tracked,)))
    np.testing.assert_array_equal(points(marker), vertices[:3])


def test_relations_are_arrows_with_names() -> None:
    clear, arrow, text = relations(Relation(1, "leaning_on", 2, 0.5))
    assert clear.action == DELETE_ALL
    assert (arrow.type, arrow.action, arrow.ns, arrow.id) == (ARROW, ADD, "relations", 0)
    np.testing.assert_allclose(points(arrow), [[0.2, -0.1, 0.05], [0.4, -0.1, 0.05]])
    assert (text.type, text.text, text.ns) == (TEXT, "leaning_on", "relation_names")
    assert text.pose.position.x == pytest.approx(0.3)
    assert arrow.color.a == pytest.approx(0.5) and text.color == arrow.color


@pytest.mark.parametrize("ends", [(1, 0), (0, 1)])
def test_the_environment_is_below_the_object(ends: tuple[int, int]) -> None:
    _, arrow, _ = relations(Relation(ends[0], "supported_by", ends[1], 0.9))
    environment = points(arrow)[ends.index(0)]
    np.testing.assert_allclose(environment, [0.2, -0.1, 0.0], atol=1e-9)


def test_names_of_one_pair_do_not_cover_each_other() -> None:
    made = relations(Relation(1, "inside", 2, 0.5), Relation(2, "blocks_from_above", 1, 0.5))
    heights = [marker.pose.position.z for marker in made if marker.type == TEXT]
    assert heights[1] - heights[0] == pytest.approx(0.015)


@pytest.mark.parametrize("ends", [(1, 9), (9, 1), (9, 0), (0, 0)])
def test_edges_to_nowhere_are_left_out(ends: tuple[int, int]) -> None:
    assert len(relations(Relation(ends[0], "inside", ends[1], 0.5))) == 1


@pytest.mark.parametrize("predicate", ["near", "left_of", "supports", "touching", "hums_to"])
def test_what_clutters_the_view_is_left_out(predicate: str) -> None:
    assert len(relations(Relation(1, predicate, 2, 0.9))) == 1


def test_no_relations_clear_the_old_ones() -> None:
    assert [marker.action for marker in relations()] == [DELETE_ALL]
