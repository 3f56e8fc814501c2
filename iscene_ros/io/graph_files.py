"""The scene graph as JSON, GraphML, DOT and PNG files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import networkx as nx

from iscene_ros.core.scene_graph import SceneGraph
from iscene_ros.io.scene_json import plain
from iscene_ros.viz.graph_image import draw_graph

SCHEMA_VERSION = "1.0"


def to_json(graph: SceneGraph) -> str:
    """Return the graph as a JSON document: `nodes` with labels, `edges` with evidence."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "nodes": [{"id": node, **_plain(data)} for node, data in graph.nx.nodes(data=True)],
        "edges": [
            {"subject": subject, "predicate": key, "object": obj, **_plain(data)}
            for subject, obj, key, data in graph.nx.edges(keys=True, data=True)
        ],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def to_graphml(graph: SceneGraph) -> str:
    """Return the graph as GraphML; vectors become text, the predicate of an edge is `predicate`."""
    flat = nx.MultiDiGraph()
    for node, data in graph.nx.nodes(data=True):
        flat.add_node(node, **_flat(data))
    for subject, obj, key, data in graph.nx.edges(keys=True, data=True):
        flat.add_edge(subject, obj, predicate=key, **_flat(data))
    return "\n".join(nx.generate_graphml(flat)) + "\n"


def to_dot(graph: SceneGraph) -> str:
    """Return the graph in the DOT language of Graphviz, without the inverse of each edge."""
    lines = ["digraph scene {", "  rankdir=BT;", '  node [shape=box, style="rounded"];']
    for node, data in graph.nx.nodes(data=True):
        title = f"{node} {data['label']}".replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'  {node} [label="{title}"];')
    for subject, key, obj in graph.drawn_edges():
        confidence = graph.confidence(subject, key, obj)
        lines.append(f'  {subject} -> {obj} [label="{key} {confidence:.2f}"];')
    return "\n".join([*lines, "}"]) + "\n"


def write_graph(graph: SceneGraph, path: Path) -> None:
    """Write the graph; the format follows the suffix: .json, .graphml, .dot or .png.

    Raises:
        ValueError: another suffix.
        OSError: it cannot be written.
    """
    texts = {".json": to_json, ".graphml": to_graphml, ".dot": to_dot}
    if path.suffix == ".png":
        draw_graph(graph).save(path)
    elif path.suffix in texts:
        path.write_text(texts[path.suffix](graph), "utf-8")
    else:
        raise ValueError(f"{path}: expected .json, .graphml, .dot or .png")


def _plain(data: Mapping[str, object]) -> dict[str, object]:
    return {name: plain(value) for name, value in data.items()}


def _flat(data: Mapping[str, object]) -> dict[str, object]:
    """Return attributes as numbers and texts only."""
    flat = {}
    for name, value in _plain(data).items():
        flat[name] = " ".join(f"{v:.6g}" for v in value) if isinstance(value, list) else value
    return flat
