"""What MoveIt and task planners get from the node, on a real ROS."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")
pytest.importorskip("moveit_msgs.srv", reason="needs moveit_msgs")

from lifecycle_msgs.msg import Transition
from move_group import move_group
from moveit_msgs.msg import CollisionObject
from rclpy.parameter import Parameter
from robot import robot, wait_until

from iscene_ros.ros import moveit
from iscene_ros.ros.messages import RclpyTypes

HULLS = {"collision_shape": "hull"}


def objects_of(r) -> set[str]:
    return {d.id for d in r.until("~/objects")[-1].detections}


def publish_until(r, condition) -> None:
    def holds() -> bool:
        if not condition():
            r.publish_frame()
            time.sleep(0.15)
        return condition()

    wait_until(holds)


@contextmanager
def planned() -> Iterator[tuple]:
    """A robot and a MoveIt that has its objects, and their names."""
    with robot(**HULLS) as r, move_group() as moveit_:
        r.listen("~/objects")
        names = objects_of(r)
        publish_until(r, lambda: moveit_.names == names)
        yield r, moveit_, names


def test_moveit_gets_all_objects_and_then_only_changes() -> None:
    with planned() as (r, moveit_, names):
        assert len(names) == 8
        r.pause(True)
        time.sleep(0.5)
        moveit_.model.operations.clear()
        r.pause(False)
        r.until("~/objects", len(r.received["~/objects"]) + 2)
        time.sleep(0.3)
        assert moveit_.model.operations == []
        assert r.call("~/reset").success
        r.pause(True)
        wait_until(lambda: not moveit_.model.world)


def test_a_moveit_that_comes_later_gets_the_scene_of_now() -> None:
    with robot(**HULLS) as r:
        r.listen("~/objects")
        names = objects_of(r)
        r.pause(True)
        with move_group() as moveit_:
            wait_until(lambda: moveit_.names == names)


def test_what_the_robot_holds_is_left_alone() -> None:
    with planned() as (r, moveit_, names):
        r.pause(True)
        time.sleep(0.5)
        held = sorted(names)[0]
        moveit_.model.hold(held)
        assert r.call("~/reset").success
        wait_until(lambda: not moveit_.model.world)
        assert moveit_.model.attached == {held}


def test_cleanup_takes_our_objects_back_and_leaves_those_of_others() -> None:
    with planned() as (r, moveit_, names):
        moveit_.model.world["wall"] = CollisionObject(id="wall")
        assert r.change_state(Transition.TRANSITION_DEACTIVATE)
        assert r.change_state(Transition.TRANSITION_CLEANUP)
        wait_until(lambda: set(moveit_.model.world) == {"wall"})


def test_a_new_run_claims_the_objects_of_the_one_before() -> None:
    with planned() as (r, moveit_, names):
        left = dict(moveit_.model.world)
        assert r.change_state(Transition.TRANSITION_DEACTIVATE)
        assert r.change_state(Transition.TRANSITION_CLEANUP)
        wait_until(lambda: not moveit_.model.world)
        ghost = left[sorted(names)[0]]
        ghost.id = "ghost_9"
        moveit_.model.world["ghost_9"] = ghost  # what a killed node leaves
        assert r.change_state(Transition.TRANSITION_CONFIGURE)
        assert r.change_state(Transition.TRANSITION_ACTIVATE)
        publish_until(r, lambda: moveit_.names == names)


def test_a_refusal_is_reported_and_everything_is_sent_again() -> None:
    with robot(**HULLS) as r, move_group() as moveit_:
        moveit_.rejects = True
        r.listen("~/objects", "/diagnostics")

        def reported() -> bool:
            values = r.diagnostics() if r.received["/diagnostics"] else {}
            return int(values.get("rejected: planning scene", 0)) >= 2

        publish_until(r, reported)
        assert "map" in r.diagnostics()["newest rejection"]
        moveit_.rejects = False
        names = objects_of(r)
        publish_until(r, lambda: moveit_.names == names)


def test_a_moveit_that_does_not_answer_holds_nothing_up(monkeypatch) -> None:
    monkeypatch.setattr(moveit, "CALL_TIMEOUT", 0.5)
    with robot(**HULLS) as r, move_group() as moveit_:
        moveit_.may_answer.clear()
        r.listen("~/objects", "/diagnostics")
        r.until("~/objects")
        publish_until(r, lambda: moveit_.calls)
        r.until("~/objects", len(r.received["~/objects"]) + 4)
        publish_until(r, lambda: "did not answer" in r.diagnostics().get("newest rejection", ""))
        moveit_.may_answer.set()
        names = objects_of(r)
        publish_until(r, lambda: moveit_.names == names)


def test_moveit_gets_nothing_where_it_is_disabled() -> None:
    with robot(moveit=False, **HULLS) as r, move_group() as moveit_:
        r.listen("~/objects")
        r.until("~/objects", 3)
        assert moveit_.calls == 0
        assert r.scene.set_parameters([Parameter("moveit", value=True)])[0].successful
        publish_until(r, lambda: moveit_.calls)


def test_every_new_subscriber_of_the_topic_gets_all_objects() -> None:
    with robot(moveit=False, **HULLS) as r:
        r.listen("~/objects")
        names = objects_of(r)
        for _ in range(2):
            r.received["~/planning_scene"] = []
            r.listen("~/planning_scene")
            messages = r.until("~/planning_scene", 4)
            received_ids = {c.id for m in messages for c in m.world.collision_objects}
            assert names <= received_ids


def test_without_the_packages_of_planners_the_node_does_without(monkeypatch) -> None:
    found = RclpyTypes.message_class

    def message_class(types, name: str) -> type:
        if name.startswith(("moveit_msgs/", "plansys2_msgs/")):
            raise LookupError(f"message type {name} is not installed")
        return found(types, name)

    monkeypatch.setattr(RclpyTypes, "message_class", message_class)
    with robot(**HULLS) as r, move_group() as moveit_:
        r.listen("~/objects", "~/pddl")
        r.until("~/objects", 2)
        assert r.received["~/pddl"] and moveit_.calls == 0
        names = {name for name, _ in r.scene.get_topic_names_and_types()}
        assert r.name("~/pddl") in names
        assert not names & {r.name("~/planning_scene"), r.name("~/knowledge")}


def test_task_planners_get_the_same_facts_in_both_forms() -> None:
    pytest.importorskip("plansys2_msgs.msg", reason="needs plansys2_msgs")
    with robot() as r:
        r.listen("~/objects")
        names = objects_of(r)
        r.pause(True)
        r.listen("~/pddl", "~/pddl_domain", "~/knowledge")
        for topic in ("~/pddl", "~/pddl_domain", "~/knowledge"):
            wait_until(lambda topic=topic: r.received[topic])
        problem, knowledge = r.received["~/pddl"][-1].data, r.received["~/knowledge"][-1]
        assert set(knowledge.instances) == names | {"environment"}
        assert all(f"({fact})" in problem for fact in knowledge.predicates)
        assert knowledge.goal.removeprefix("(and ").removesuffix(")") in problem
        assert "(define (domain" in r.received["~/pddl_domain"][-1].data
