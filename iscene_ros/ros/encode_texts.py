"""The scene graph as JSON and as PDDL, and the knowledge of PlanSys2."""

from __future__ import annotations

from typing import Any

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.core.slugs import letter_first, slug
from iscene_ros.io.map_document import scene_graph_document
from iscene_ros.io.scene_json import dumps
from iscene_ros.planning.pddl import (
    ENVIRONMENT_NAME,
    pddl_domain,
    pddl_facts,
    pddl_goal,
    pddl_problem,
)
from iscene_ros.ros.common_messages import encode_string
from iscene_ros.ros.messages import MessageTypes

KNOWLEDGE_TYPE = "plansys2_msgs/msg/Knowledge"


def encode_scene_graph(
    types: MessageTypes, update: SceneUpdate, meshes_topic: str, inline: bool
) -> Any:
    """Return a std_msgs/String with the scene.json document of `scene_graph_document`."""
    return encode_string(types, dumps(scene_graph_document(update, meshes_topic, inline)))


def encode_pddl_domain(types: MessageTypes) -> Any:
    """Return a std_msgs/String with the PDDL domain, which is always the same."""
    return encode_string(types, pddl_domain())


def encode_pddl_problem(types: MessageTypes, update: SceneUpdate) -> Any:
    """Return a std_msgs/String with the PDDL problem; its objects are named as their TF frames."""
    return encode_string(types, pddl_problem(update.graph, names=pddl_names(update)))


def encode_knowledge(types: MessageTypes, update: SceneUpdate) -> Any:
    """Return a plansys2_msgs/Knowledge with the objects, facts and goal of the PDDL problem.

    Raises:
        LookupError: plansys2_msgs is not installed.
    """
    names = pddl_names(update)
    return types.make(
        KNOWLEDGE_TYPE,
        instances=[*names.values(), ENVIRONMENT_NAME],
        predicates=["hand-empty", *pddl_facts(update.graph, names)],
        goal=f"(and ({pddl_goal(update.graph, None, names)}))",
    )


def pddl_names(update: SceneUpdate) -> dict[int, str]:
    """Return PDDL names by object id: in lower case, other characters replaced by a hyphen."""
    return {known.id: _pddl_name(known.name) for known in update.objects}


def _pddl_name(name: str) -> str:
    return letter_first(slug(name, "-", keep="_-"), "item-")
