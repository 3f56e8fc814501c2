"""The scene graph as a planning problem in PDDL: what has to be put away to get at an object.

STRIPS with types and positive preconditions alone, which every planner reads: each object has a
lift action of its own, which asks that what blocks it is away.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from iscene_ros.core.errors import InputError
from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene_graph import ENVIRONMENT, SceneGraph
from iscene_ros.core.slugs import letter_first, object_name, slug

DOMAIN_NAME = "iscene_scene"
ENVIRONMENT_NAME = "environment"
HAND_EMPTY = "hand_empty"

_DOMAIN = f""";; Facts describe the scene as it was seen; an item that is away has left its place.
(define (domain {DOMAIN_NAME})
  (:requirements :strips :typing)
  (:types thing - object item surroundings - thing)
  (:constants {ENVIRONMENT_NAME} - surroundings{{constants}})
  (:predicates
    (on ?a - item ?b - thing)           ; rests on it
    (in ?a - item ?b - item)            ; lies inside of it
    (leaning ?a - item ?b - thing)      ; would fall without it
    (touching ?a - item ?b - thing)
    (blocked_by ?a - item ?b - item)    ; cannot be lifted while the other one is there
    (clear ?a - item)                   ; nothing was seen that blocks it
    (graspable ?a - item)               ; a gripper can hold it once what blocks it is away
    (there ?a - item)                   ; still in its place
    (away ?a - item)
    (holding ?a - item)
    (hand_empty))
  (:action put_away
    :parameters (?a - item)
    :precondition (and (holding ?a))
    :effect (and (away ?a) (hand_empty) (not (holding ?a)))){{lifts}})
"""
_LIFT = """
  (:action lift_{name}
    :parameters ()
    :precondition (and (hand_empty) (there {name}){grasp}{blockers})
    :effect (and (holding {name}) (not (hand_empty)) (not (there {name}))))"""

# Predicate of the graph -> predicate of the domain.
FACTS = {
    Predicate.SUPPORTED_BY: "on",
    Predicate.INSIDE: "in",
    Predicate.LEANING_ON: "leaning",
    Predicate.TOUCHING: "touching",
}


def pddl_domain(
    graph: SceneGraph,
    names: Mapping[int, str] | None = None,
    graspable: Collection[int] | None = None,
) -> str:
    """Return the domain: types, predicates, put_away, and a lift action for each object.

    Arguments are as of `pddl_problem`.
    """
    names = names or item_names(graph)
    items = " ".join(names[i] for i in graph.ids)
    lifts = (
        _LIFT.format(
            name=names[i],
            grasp="" if graspable is None else f" (graspable {names[i]})",
            blockers="".join(f" (away {names[b]})" for b in _blockers(graph, i)),
        )
        for i in graph.ids
    )
    constants = f" {items} - item" if items else ""
    return _DOMAIN.format(constants=constants, lifts="".join(lifts))


def pddl_problem(
    graph: SceneGraph,
    goal: int | None = None,
    names: Mapping[int, str] | None = None,
    graspable: Collection[int] | None = None,
) -> str:
    """Return the facts of a graph as a problem; an empty scene gives a problem that is solved.

    Args:
        graph: of the scene.
        goal: id of the object to hold in the end; None = the one with the most in its way.
        names: PDDL names of the objects by id; None = `item_names`.
        graspable: ids of the objects that a gripper can hold, which lifting then asks for; None =
            not known.

    Raises:
        InputError: the graph does not have the object of the goal.
    """
    if goal is not None and goal not in graph.ids:
        raise InputError(f"pddl: goal {goal} is not an object of the scene {graph.ids}")
    names = names or item_names(graph)
    facts = "".join(f"\n    ({fact})" for fact in pddl_facts(graph, names, graspable))
    return (
        f"(define (problem scene)\n  (:domain {DOMAIN_NAME})\n  (:objects)\n"
        f"  (:init\n    ({HAND_EMPTY}){facts})\n"
        f"  (:goal ({pddl_goal(graph, goal, names)})))\n"
    )


def pddl_goal(
    graph: SceneGraph, goal: int | None = None, names: Mapping[int, str] | None = None
) -> str:
    """Return the fact to reach, such as "holding mug_3"; arguments as of `pddl_problem`."""
    if not graph.ids:
        return HAND_EMPTY
    if goal is None:
        goal = max(graph.ids, key=lambda i: (len(graph.removal_order(i)), -i))
    return f"holding {(names or item_names(graph))[goal]}"


def pddl_facts(
    graph: SceneGraph,
    names: Mapping[int, str] | None = None,
    graspable: Collection[int] | None = None,
) -> tuple[str, ...]:
    """Return the facts of a graph, such as "on mug_3 environment", sorted; see `pddl_problem`."""
    names = {ENVIRONMENT: ENVIRONMENT_NAME, **(names or item_names(graph))}
    facts = set()
    for predicate, word in FACTS.items():
        for subject, _, obj in graph.edges(predicate):
            if subject != ENVIRONMENT and (obj != ENVIRONMENT or word != "in"):
                facts.add(f"{word} {names[subject]} {names[obj]}")
    for object_id in graph.ids:
        blockers = _blockers(graph, object_id)
        facts.add(f"there {names[object_id]}")
        facts |= {f"blocked_by {names[object_id]} {names[b]}" for b in blockers}
        if not blockers:
            facts.add(f"clear {names[object_id]}")
        if object_id in (graspable or ()):
            facts.add(f"graspable {names[object_id]}")
    return tuple(sorted(facts))


def item_names(graph: SceneGraph) -> dict[int, str]:
    """Return PDDL names of all nodes: the names of TF, such as "mug_3"; 0 is the environment."""
    return pddl_names({i: object_name(graph.label(i), i) for i in graph.ids})


def pddl_names(names: Mapping[int, str]) -> dict[int, str]:
    """Return names of objects by id as PDDL takes them, and that of the environment.

    They are in lower-case letters, digits and underscores: "Robot1/mug_3" becomes "robot1_mug_3".
    """
    return {ENVIRONMENT: ENVIRONMENT_NAME} | {
        i: letter_first(slug(name), "item_") for i, name in names.items()
    }


def check_pddl_files(paths: Sequence[Path], result: Path) -> None:
    """Check, before any work is done, that domain and problem can be written.

    Args:
        paths: of the domain and of the problem.
        result: folder of the scene, which is replaced as a whole.

    Raises:
        InputError: both are one file, one is a folder or in the result, or its folder is missing.
    """
    domain, problem = (path.resolve() for path in paths)
    if domain == problem:
        raise InputError(f"--pddl: {paths[0]} twice; name a file for the domain and another one")
    for path in (domain, problem):
        if path.is_dir():
            raise InputError(f"--pddl {path}: is a folder; name a file")
        if result.resolve() in path.parents:
            raise InputError(f"--pddl {path}: lies in --out, which holds nothing but the scene")
        if not path.parent.is_dir():
            raise InputError(f"--pddl {path}: no such folder; make it first")


def write_pddl(paths: Sequence[Path], domain: str, problem: str) -> None:
    """Write a domain and a problem of it.

    Raises:
        InputError: they cannot be written.
    """
    for path, text in zip(paths, (domain, problem), strict=True):
        try:
            path.write_text(text, "utf-8")
        except OSError as error:
            raise InputError(f"--pddl {path}: cannot be written ({error.strerror})") from error


def _blockers(graph: SceneGraph, object_id: int) -> tuple[int, ...]:
    """Return the ids that block an object, without cycles, which no plan could resolve."""
    return tuple(graph.removal_graph.predecessors(object_id))
