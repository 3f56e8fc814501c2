"""The planning problem is read by common parsers and solved by a planner."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_planner import plan

from iscene_ros.core.errors import InputError
from iscene_ros.core.scene import Relation
from iscene_ros.core.scene_graph import SceneGraph
from iscene_ros.core.slugs import object_name
from iscene_ros.planning.pddl import pddl_domain, pddl_facts, pddl_names, pddl_problem

# With anyascii or without.
UNKNOWN = object_name("ünknown", 4)


def graph_of(*facts, labels=("box", "cup", "Ball 3", "ünknown")):
    relations = [Relation(s, p, o, c) for s, p, o, *rest in facts for c in (rest or [0.9])]
    relations += [
        Relation(r.object, inverse, r.subject, r.confidence)
        for r in relations
        for inverse in [{"supported_by": "supports", "inside": "contains"}.get(r.predicate)]
        if inverse
    ]
    return SceneGraph(((i, label, 0.8) for i, label in enumerate(labels, 1)), relations)


TOWER = graph_of(
    (1, "supported_by", 0),
    (2, "supported_by", 1),
    (3, "supported_by", 2),
    (3, "inside", 2),
    (2, "blocks_from_above", 1),
    (3, "blocks_from_above", 1),
    (4, "supported_by", 0),
)


def test_planner_clears_the_target_from_the_top(tmp_path):
    steps = plan(TOWER, 1, tmp_path)
    assert steps == [
        ("lift_ball_3_3",),
        ("put_away", "ball_3_3"),
        ("lift_cup_2",),
        ("put_away", "cup_2"),
        ("lift_box_1",),
    ]


def test_an_empty_scene_needs_no_plan(tmp_path):
    assert plan(SceneGraph((), ()), None, tmp_path) == []


def test_planners_without_adl_read_it():
    shortcuts = pytest.importorskip("unified_planning.shortcuts")
    from unified_planning.io import PDDLReader

    shortcuts.get_environment().credits_stream = None
    task = PDDLReader().parse_problem_string(pddl_domain(TOWER), pddl_problem(TOWER))
    kind = task.kind
    assert not (
        kind.has_negative_conditions()
        or kind.has_disjunctive_conditions()
        or kind.has_universal_conditions()
        or kind.has_conditional_effects()
    )
    assert "-" not in "".join(str(o) for o in task.all_objects)


def test_a_frame_prefix_is_part_of_the_name():
    names = pddl_names({3: "Robot1/mug_3", 4: "4"})
    assert names == {0: "environment", 3: "robot1_mug_3", 4: "item_4"}


def test_pddl_package_reads_domain_and_problem(tmp_path):
    pddl = pytest.importorskip("pddl")
    domain, problem = tmp_path / "domain.pddl", tmp_path / "problem.pddl"
    domain.write_text(pddl_domain(TOWER), "utf-8")
    problem.write_text(pddl_problem(TOWER), "utf-8")
    read, task = pddl.parse_domain(domain), pddl.parse_problem(problem)
    assert {action.name for action in read.actions} == {
        "put_away",
        *("lift_box_1", "lift_cup_2", "lift_ball_3_3", f"lift_{UNKNOWN}"),
    }
    items = {"box_1", "cup_2", "ball_3_3", UNKNOWN}
    assert {str(o) for o in read.constants} == {"environment", *items} and not task.objects
    assert task.domain_name == read.name


def test_facts_follow_the_relations():
    facts = pddl_facts(TOWER)
    assert {"on box_1 environment", "on cup_2 box_1", "in ball_3_3 cup_2"} <= set(facts)
    assert {"blocked_by box_1 cup_2", "blocked_by box_1 ball_3_3"} <= set(facts)
    assert "clear ball_3_3" in facts and "clear box_1" not in facts


def test_the_default_goal_has_the_most_in_its_way_and_an_unknown_one_is_rejected():
    assert "(:goal (holding box_1))" in pddl_problem(TOWER)
    with pytest.raises(InputError, match="goal 9"):
        pddl_problem(TOWER, goal=9)


def test_objects_may_be_named_as_their_frames():
    names = {1: "r_box_1", 2: "r_cup_2", 3: "r_ball_3", 4: "r_thing_4"}
    text = pddl_problem(TOWER, goal=1, names=names) + pddl_domain(TOWER, names=names)
    assert "(on r_cup_2 r_box_1)" in text and "(on r_box_1 environment)" in text
    assert "(holding r_box_1)" in text and "lift_r_box_1" in text and " box_1" not in text


BLOCKING = ("blocks_from_above", "supported_by", "leaning_on", "inside")


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4), st.sampled_from(BLOCKING), st.integers(1, 4), st.floats(0.5, 1)
        ).filter(lambda fact: fact[0] != fact[2]),
        max_size=10,
    )
)
@settings(max_examples=200, deadline=None)
def test_whatever_blocks_whatever_everything_can_be_removed_in_the_order_that_the_graph_gives(
    facts,
):
    graph = graph_of(*facts)
    names = dict(zip(graph.ids, ("box_1", "cup_2", "ball_3_3", UNKNOWN), strict=True))
    blocked = {tuple(f.split()[1:]) for f in pddl_facts(graph) if f.startswith("blocked_by")}
    free = {f.split()[1] for f in pddl_facts(graph) if f.startswith("clear")}
    assert free == {*names.values()} - {below for below, _ in blocked}
    for object_id in graph.ids:
        away: set[str] = set()
        for other in graph.removal_order(object_id):
            assert {above for below, above in blocked if below == names[other]} <= away
            away.add(names[other])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((1, "supported_by", 2, 0.9), (2, "leaning_on", 1, 0.7)),
        ((1, "blocks_from_above", 2, 0.9), (2, "blocks_from_above", 1, 0.6)),
    ],
)
def test_of_two_objects_that_block_each_other_the_more_certain_one_blocks(first, second):
    for facts in ((first, second), (second, first)):
        graph = graph_of(*facts, (1, "near", 2, 1.0), (2, "near", 1, 1.0))
        assert {f for f in pddl_facts(graph) if f.startswith("blocked")} == {
            "blocked_by cup_2 box_1"
        }
        assert graph.removal_order(2) == (1, 2) and graph.removal_order(1) == (1,)


def test_what_no_gripper_holds_is_not_lifted(tmp_path):
    assert plan(TOWER, 1, tmp_path, graspable={1, 2, 3})[-1] == ("lift_box_1",)
    assert plan(TOWER, 1, tmp_path, graspable={1, 2}) is None
    assert plan(TOWER, 4, tmp_path, graspable={4})
