"""Imports run downwards: the levels of the package, and which of them may use torch and ROS."""

import ast
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

PACKAGE = Path(__file__).parents[1] / "iscene_ros"
# From the bottom to the top; a module may import its own level and those before it.
LEVELS = (
    *("core", "geometry", "preprocess", "models", "relations", "completion", "planning"),
    *("viz", "io", "session", "ros", "bag", "cli", "lab"),
)
# A facade for users: `scene.save(folder)`.
ALLOWED_UPWARD = {("iscene_ros.core.scene", "iscene_ros.io.scene_io")}
# The command line imports the lab by the names in its table, when a subcommand is called.
ROS_ROOMS = ("iscene_ros.ros", "iscene_ros.lab.benchmarks")


@cache
def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("iscene_ros", *path.relative_to(PACKAGE).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text("utf-8"))
    return found


def imports(tree: ast.AST, runs_when_called: bool = True) -> set[str]:
    """Names of the imported modules; not what only a type checker imports."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the level"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif runs_when_called or not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            found |= imports(node, runs_when_called)
    return found


def own_edges(runs_when_called: bool) -> list[tuple[str, str]]:
    return [
        (name, target)
        for name, tree in modules().items()
        for target in sorted(imports(tree, runs_when_called))
        if target in modules() and target != "iscene_ros"
    ]


def level(module: str) -> int | None:
    """The number of a module's level; None of the package itself and its `__main__`."""
    room = [*module.split("."), ""][1]
    return LEVELS.index(room) if room in LEVELS else None


def test_every_room_has_a_level():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(LEVELS)


def test_no_import_runs_upwards():
    upward = {
        (source, target)
        for source, target in own_edges(runs_when_called=True)
        if level(source) is not None and level(source) < level(target)
    }
    assert upward == ALLOWED_UPWARD


def test_no_import_runs_in_a_circle():
    graph = nx.DiGraph(edge for edge in own_edges(runs_when_called=False) if edge[0] != edge[1])
    assert list(nx.simple_cycles(graph)) == []


@pytest.mark.parametrize(
    ("library", "rooms", "allowed"),
    [
        ("torch", ("core", "geometry", "planning", "viz", "io"), False),
        ("rclpy", ROS_ROOMS, True),
    ],
)
def test_libraries_stay_in_their_rooms(library, rooms, allowed):
    users = {
        name
        for name, tree in modules().items()
        if any(target.partition(".")[0] == library for target in imports(tree))
    }
    rooms = tuple(room if room.startswith("iscene_ros") else f"iscene_ros.{room}" for room in rooms)
    inside = {name for name in users if f"{name}.".startswith(tuple(f"{r}." for r in rooms))}
    assert (users - inside if allowed else inside) == set()


def test_the_lower_rooms_know_no_ros():
    ros = {"rclpy", "rosbags", "sensor_msgs", "sensor_msgs_py", "std_msgs", "tf2_ros", "rosidl"}
    above = LEVELS.index("ros")
    users = {
        name
        for name, tree in modules().items()
        if (level(name) if level(name) is not None else above) < above
        and {target.partition(".")[0] for target in imports(tree)} & ros
    }
    assert users == set()
