"""Diffs for MoveIt, applied to a model of its planning scene."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import scene_updates
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_scene_model import PlanningSceneModel, corners_of, transform_of
from session_driver import Driver

from iscene_ros.core.scene import Mesh
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.planning.collision_objects import CollisionObjectCache, observed_supports
from iscene_ros.planning.planning_scene_tracker import PlanningSceneTracker
from iscene_ros.ros import topics
from iscene_ros.ros.encode_planning_scene import (
    ADD,
    MOVE,
    PLANNING_SCENE_TYPE,
    REMOVE,
    encode_planning_scene,
    encode_removal,
)
from iscene_ros.ros.encoder import Encoder
from iscene_ros.ros.messages import RosbagsTypes
from iscene_ros.session.settings import Settings

TYPES = RosbagsTypes()
SETTINGS = Settings(collision_shape="hull")


@lru_cache
def cube(edge_m: float) -> Mesh:
    return scene_updates.cube(edge_m)


def cubes(*things: tuple[int, float, float], frame_id: str = "map") -> SceneUpdate:
    """An update with cubes of (id, edge [m], x [m])."""
    objects = []
    for object_id, edge, x in things:
        pose = np.eye(4)
        pose[:3, 3] = x, 0.1 * object_id, 0.05
        item = scene_updates.scene_object(object_id, "mug", cube(edge))
        item = replace(item, frame_from_object=pose, size=np.full(3, edge))
        objects.append(scene_updates.tracked_object(item))
    return scene_updates.small_update(tuple(objects), frame_id=frame_id)


OWNER = "iscene_ros /iscene"


def _owner(item) -> str:
    """The mark of an object; others are texts."""
    return "" if isinstance(item, str) else item.type.db


class Planner:
    """A planner that is sent of worlds as messages."""

    def __init__(self, options: Settings = SETTINGS, lists_objects: bool = True) -> None:
        self.model, self.tracker = PlanningSceneModel(), PlanningSceneTracker()
        self._maker, self.options, self._lists_objects = (
            CollisionObjectCache(),
            options,
            lists_objects,
        )

    def send(self, update: SceneUpdate) -> bool:
        scene = self._maker.collision_scene(update, self.options.collision_options())
        present = set(self.model.world) if self._lists_objects else None
        claimed = [n for n in present or () if _owner(self.model.world[n]) == OWNER]
        difference = self.tracker.difference(scene, self.model.attached, present, claimed)
        message = encode_planning_scene(TYPES, difference, OWNER)
        data = TYPES.serialize(PLANNING_SCENE_TYPE, message)
        self.model.operations.clear()
        done = self.model.apply(TYPES.deserialize(PLANNING_SCENE_TYPE, data))
        self.tracker.confirm(difference)
        if not done:
            self.tracker.forget()
        return done

    def assert_has(self, update: SceneUpdate) -> None:
        names = {tracked.name: tracked.item for tracked in update.objects}
        world = {name: item for name, item in self.model.world.items() if name != "support"}
        assert set(world) == set(names) - self.model.attached
        for name, message in world.items():
            item = names[name]
            np.testing.assert_allclose(
                transform_of(message.pose), item.frame_from_object, atol=1e-3
            )
            there = corners_of(message)
            wanted = item.mesh.transformed(item.frame_from_object).vertices
            np.testing.assert_allclose(there.min(0), wanted.min(0), atol=1e-3)
            np.testing.assert_allclose(there.max(0), wanted.max(0), atol=1e-3)


def operations(planner: Planner) -> list[tuple[str, int]]:
    return [one for one in planner.model.operations if one[0] != "support"]


def test_objects_are_added_moved_and_removed() -> None:
    planner = Planner()
    planner.send(cubes((1, 0.1, 0.0), (2, 0.1, 0.0)))
    assert operations(planner) == [("mug_1", ADD), ("mug_2", ADD)]
    planner.send(cubes((1, 0.1, 0.3), (3, 0.1, 0.0)))
    assert operations(planner) == [("mug_2", REMOVE), ("mug_3", ADD), ("mug_1", MOVE)]
    planner.send(cubes((1, 0.2, 0.3), (3, 0.1, 0.0)))
    assert operations(planner) == [("mug_1", ADD)]
    planner.send(cubes((1, 0.2, 0.3), (3, 0.1, 0.0)))
    assert planner.model.operations == []


things = st.dictionaries(
    st.integers(1, 3), st.tuples(st.sampled_from([0.05, 0.1]), st.sampled_from([0.0, 0.2, 0.4]))
)
steps = st.lists(
    st.tuples(things, st.sampled_from(["map", "map", "odom"]), st.integers(0, 3), st.integers(0, 9))
)


@given(steps=steps, lists_objects=st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_planner_has_every_map(steps, lists_objects) -> None:
    planner = Planner(lists_objects=lists_objects)
    hand = None
    for objects, frame_id, grasp, event in steps:
        name = f"mug_{grasp}"
        if hand is not None:
            # Held objects are put down somewhere, and are then what MoveIt says they are.
            planner.model.put_down(*hand)
            hand = None
        elif name in planner.model.world:
            hand = name, planner.model.world[name]
            planner.model.hold(name)
        if event == 0 and lists_objects:
            planner.model.world.clear()  # another MoveIt
        update = cubes(*((i, *rest) for i, rest in objects.items()), frame_id=frame_id)
        assert planner.send(update)
        planner.assert_has(update)


def test_what_vanishes_in_the_hand_is_removed_after_it_was_put_down() -> None:
    planner = Planner()
    planner.send(cubes((1, 0.1, 0.0), (2, 0.1, 0.0)))
    held = planner.model.world["mug_1"]
    planner.model.hold("mug_1")
    planner.send(cubes((2, 0.1, 0.0)))
    assert operations(planner) == []
    planner.model.put_down("mug_1", held)
    planner.send(cubes((2, 0.1, 0.0)))
    assert operations(planner) == [("mug_1", REMOVE)]


def test_objects_of_others_stay() -> None:
    planner = Planner()
    planner.model.world["wall"] = "of another node"
    planner.send(cubes((1, 0.1, 0.0)))
    planner.send(cubes())
    assert planner.model.world == {"wall": "of another node"}


def restarted(planner: Planner) -> Planner:
    """A new run of the node beside the same planner."""
    planner.tracker = PlanningSceneTracker()
    return planner


def test_a_new_run_claims_what_the_one_before_left() -> None:
    planner = Planner()
    planner.send(cubes((1, 0.1, 0.0), (2, 0.1, 0.0), (3, 0.1, 0.0)))
    update = cubes((1, 0.2, 0.4))
    restarted(planner).send(update)
    assert set(operations(planner)) == {("mug_2", REMOVE), ("mug_3", REMOVE), ("mug_1", ADD)}
    planner.assert_has(update)


def test_an_object_of_the_same_name_stays_and_ours_gets_another_one() -> None:
    planner = Planner()
    planner.model.world |= {"mug_1": "of the user", "support": "of the user"}
    for x in (0.0, 0.3):
        assert planner.send(cubes((1, 0.1, x), (2, 0.1, 0.0)))
        names = {n for n in planner.model.world if not n.startswith("support")}
        assert names == {"mug_1", "mug_1_iscene", "mug_2"}
    planner.send(cubes())
    assert planner.model.world == {"mug_1": "of the user", "support": "of the user"}


def test_what_an_earlier_run_left_in_the_hand_does_not_block_another_object() -> None:
    planner = Planner()
    planner.send(cubes((1, 0.1, 0.0)))
    held = planner.model.world["mug_1"]
    planner.model.hold("mug_1")
    restarted(planner).send(cubes((1, 0.2, 0.4), (2, 0.1, 0.0)))
    assert set(operations(planner)) == {("mug_1_iscene", ADD), ("mug_2", ADD)}
    planner.model.put_down("mug_1", held)
    update = cubes((1, 0.2, 0.4), (2, 0.1, 0.0))
    planner.send(update)
    planner.assert_has(update)


def test_all_that_was_sent_can_be_removed_at_the_end() -> None:
    planner = Planner()
    planner.model.world["wall"] = "of another node"
    planner.send(cubes((1, 0.1, 0.0), (2, 0.1, 0.0)))
    planner.model.hold("mug_2")
    planner.send(cubes((1, 0.1, 0.0), (2, 0.1, 0.0)))
    message = encode_removal(TYPES, planner.tracker.removal())
    data = TYPES.serialize(PLANNING_SCENE_TYPE, message)
    assert planner.model.apply(TYPES.deserialize(PLANNING_SCENE_TYPE, data))
    assert planner.model.world == {"wall": "of another node"}
    assert planner.model.attached == {"mug_2"}
    assert PlanningSceneTracker().removal() == ()


def test_after_a_refusal_everything_is_sent() -> None:
    planner = Planner(lists_objects=False)
    planner.send(cubes((1, 0.1, 0.0), (2, 0.1, 0.0)))
    del planner.model.world["mug_1"]
    assert not planner.send(cubes((1, 0.1, 0.3), (2, 0.1, 0.0)))
    update = cubes((1, 0.1, 0.3), (2, 0.1, 0.0))
    assert planner.send(update)
    planner.assert_has(update)


def test_an_object_has_frames_a_colour_and_its_class() -> None:
    planner = Planner()
    planner.send(cubes((1, 0.1, 0.0)))
    message = planner.model.world["mug_1"]
    assert message.type.key == "mug" and message.header.frame_id == "map"
    frames = dict(zip(message.subframe_names, message.subframe_poses, strict=True))
    assert {"top", "support", "grasp_narrow", "grasp_wide"} == set(frames)
    assert frames["top"].position.z == pytest.approx(0.05)
    color = planner.model.colors["mug_1"]
    wanted = scene_updates.scene_object(1).color / 255
    np.testing.assert_allclose([color.r, color.g, color.b], wanted, atol=1e-6)


def test_padding_makes_objects_larger() -> None:
    grown = Planner(Settings(collision_shape="mesh", collision_padding=0.01))
    grown.send(cubes((1, 0.1, 0.0)))
    size = np.ptp(corners_of(grown.model.world["mug_1"]), axis=0)
    assert np.all(size > 0.1 + 0.01) and np.all(size < 0.1 + 0.021)


def test_noise_of_a_shape_moves_the_object_and_does_not_add_up() -> None:
    planner = Planner()
    sphere = trimesh.creation.icosphere(2, 0.05)

    def swollen(by: float) -> SceneUpdate:
        mesh = Mesh((sphere.vertices * (1 + by / 0.05)).astype(np.float32), sphere.faces)
        item = scene_updates.scene_object(1, mesh=mesh)
        pose = item.frame_from_object.copy()
        pose[0, 3] += by
        item = replace(item, frame_from_object=pose)
        return scene_updates.small_update((scene_updates.tracked_object(item),))

    sent = []
    for by in (0.0, 0.004, 0.008):
        planner.send(swollen(by))
        sent += operations(planner)
    assert sent == [("mug_1", ADD), ("mug_1", MOVE), ("mug_1", ADD)]


def test_padding_takes_effect_when_it_changes() -> None:
    planner = Planner()
    planner.send(cubes((1, 0.1, 0.0)))
    planner.options = SETTINGS.changed({"collision_padding": 0.02})
    planner.send(cubes((1, 0.1, 0.0)))
    assert operations(planner) == [("mug_1", ADD)]
    assert np.all(np.ptp(corners_of(planner.model.world["mug_1"]), axis=0) > 0.12)


def test_degenerate_objects_are_left_out() -> None:
    flat = Mesh(cube(0.1).vertices * np.float32([1, 1, 0]), cube(0.1).faces)
    item = scene_updates.scene_object(1, mesh=flat)
    planner = Planner()
    planner.send(scene_updates.small_update((scene_updates.tracked_object(item),)))
    assert operations(planner) == []


def test_the_support_is_a_box_below_the_objects_of_the_real_frame() -> None:
    update = scene_updates.arc2017_update()
    assert observed_supports(replace(update, objects=())) == ()
    planner = Planner(Settings(collision_shape="hull", frame_prefix="left/"))
    planner.send(update)
    planner.send(update)
    assert planner.model.operations == []
    for support in observed_supports(update):
        assert support.frame_from_box[:3, 2] @ [0, 0, 1] > 0.9
    assert ("left/support" in planner.model.world) == bool(observed_supports(update))
    planner.send(replace(update, objects=(), relations=()))
    assert planner.model.world == {}


def test_the_support_is_sent_once_and_stays_while_out_of_view() -> None:
    update = Driver(environment=False).step()
    (support,) = observed_supports(update)
    top = support.frame_from_box[2, 3] + 0.5 * support.size[2]
    for tracked in update.objects:
        assert abs(tracked.item.frame_from_object[2, 3] - 0.5 * tracked.item.size[2] - top) < 0.03
    planner = Planner()
    planner.send(update)
    message = planner.model.world["support"]
    np.testing.assert_allclose(message.primitives[0].dimensions, support.size)
    np.testing.assert_allclose(
        transform_of(message.pose) @ transform_of(message.primitive_poses[0]),
        support.frame_from_box,
        atol=1e-6,
    )
    planner.send(update)
    assert planner.model.operations == []
    dark = replace(update, scene=replace(update.scene, planes=()))
    assert observed_supports(dark) == ()
    planner.send(dark)
    assert planner.model.operations == [] and "support" in planner.model.world
    planner.tracker.forget()
    planner.send(update)
    assert ("support", ADD) in planner.model.operations
    planner.send(replace(update, objects=(), relations=()))
    assert planner.model.world == {}


def test_the_topic_has_changes_and_everything_for_new_subscribers() -> None:
    encoder, model = Encoder(TYPES, SETTINGS), PlanningSceneModel()

    def operations_of(update: SceneUpdate) -> list[tuple[str, int]]:
        data = encoder.encode_cdr(topics.PLANNING_SCENE, update)
        model.operations.clear()
        assert model.apply(TYPES.deserialize(PLANNING_SCENE_TYPE, data))
        return [one for one in model.operations if one[0] != "support"]

    assert operations_of(cubes((1, 0.1, 0.0))) == [("mug_1", ADD)]
    assert operations_of(cubes((1, 0.1, 0.0))) == []
    encoder.restart_planning_scene()
    assert operations_of(cubes((1, 0.1, 0.2))) == [("mug_1", ADD)]


def with_environment(update: SceneUpdate, mesh: Mesh | None) -> SceneUpdate:
    return replace(update, scene=replace(update.scene, environment=mesh))


def test_the_environment_replaces_the_support_and_is_sent_when_it_changes() -> None:
    planes = Driver(environment=False).step()
    planner = Planner(Settings(collision_shape="hull", frame_prefix="left/"))
    planner.send(planes)
    assert "left/support" in planner.model.world
    mesh = cube(1.0)
    planner.send(with_environment(planes, mesh))
    assert planner.model.operations == [("left/support", REMOVE), ("left/environment", ADD)]
    message = planner.model.world["left/environment"]
    np.testing.assert_allclose(np.sort(corners_of(message), 0), np.sort(mesh.vertices, 0))
    planner.send(with_environment(planes, scene_updates.cube(1.0)))
    assert planner.model.operations == []
    planner.send(with_environment(planes, scene_updates.cube(1.1)))
    assert planner.model.operations == [("left/environment", ADD)]
    planner.model.world.pop("left/environment")  # another MoveIt
    planner.send(with_environment(planes, scene_updates.cube(1.1)))
    assert planner.model.operations == [("left/environment", ADD)]
    planner.send(planes)
    assert planner.model.operations == [("left/environment", REMOVE), ("left/support", ADD)]


def test_the_environment_stays_when_the_last_object_goes() -> None:
    update = with_environment(cubes((1, 0.1, 0.0)), cube(1.0))
    planner = Planner()
    planner.send(update)
    planner.send(replace(update, objects=()))
    assert set(planner.model.world) == {"environment"}
    planner.send(with_environment(replace(update, objects=()), None))
    assert planner.model.world == {}
