"""A task planner on our PDDL."""

import pytest

from iscene_ros.planning.pddl import pddl_domain, pddl_problem


def plan(graph, goal, tmp_path, graspable=None):
    """Names and arguments of the actions, or None, by pyperplan, which reads STRIPS alone."""
    pytest.importorskip("pyperplan")
    from pyperplan.planner import HEURISTICS, SEARCHES, search_plan

    domain, problem = tmp_path / "domain.pddl", tmp_path / "problem.pddl"
    domain.write_text(pddl_domain(graph, graspable=graspable), "utf-8")
    problem.write_text(pddl_problem(graph, goal, graspable=graspable), "utf-8")
    found = search_plan(str(domain), str(problem), SEARCHES["gbf"], HEURISTICS["hff"])
    if found is None:
        return None
    return [tuple(step.name.strip("()").split()) for step in found]
