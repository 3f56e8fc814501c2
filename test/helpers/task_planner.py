"""A task planner on our PDDL."""

import pytest

from iscene_ros.planning.pddl import pddl_domain, pddl_problem


def plan(graph, goal, tmp_path):
    """Action names with their arguments, found by pyperplan behind unified-planning."""
    up = pytest.importorskip("unified_planning")
    pytest.importorskip("up_pyperplan")
    from unified_planning.engines import CompilationKind
    from unified_planning.io import PDDLReader
    from unified_planning.shortcuts import Compiler, OneshotPlanner

    up.shortcuts.get_environment().credits_stream = None
    domain, problem = tmp_path / "domain.pddl", tmp_path / "problem.pddl"
    domain.write_text(pddl_domain(), "utf-8")
    problem.write_text(pddl_problem(graph, goal), "utf-8")
    task = PDDLReader().parse_problem(str(domain), str(problem))
    maps = []
    for kind in (
        CompilationKind.QUANTIFIERS_REMOVING,
        CompilationKind.DISJUNCTIVE_CONDITIONS_REMOVING,
        CompilationKind.NEGATIVE_CONDITIONS_REMOVING,
    ):
        with Compiler(problem_kind=task.kind, compilation_kind=kind) as compiler:
            result = compiler.compile(task, kind)
        task = result.problem
        maps.append(result.map_back_action_instance)
    with OneshotPlanner(name="pyperplan") as planner:
        found = planner.solve(task).plan
    assert found is not None
    for map_back in reversed(maps):
        found = found.replace_action_instances(map_back)
    return [(a.action.name, *(str(p) for p in a.actual_parameters)) for a in found.actions]
