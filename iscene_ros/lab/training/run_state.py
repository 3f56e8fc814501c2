"""What a run needs to go on: its file, and whether it is of the same network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.batches import Place
from iscene_ros.models.iscene.scene_flow_config import MiniConfig


@dataclass
class RunProgress:
    """Where a run stands; what a resume needs beside the weights.

    Attributes:
        phase: index of the phase.
        step, seconds: within the phase.
        shard, pack: within the phase, of rank 0; `RunState.places` has those of all ranks.
        total_steps, total_seconds: of the run.
        best: best held-out overlap so far in this phase.
    """

    phase: int = 0
    step: int = 0
    seconds: float = 0.0
    shard: int = 0
    pack: int = 0
    total_steps: int = 0
    total_seconds: float = 0.0
    best: float = -1.0


def save_state(path: Path, state: dict[str, Any], model: MiniConfig) -> None:
    """Write a run's state; to a temporary name, then renamed."""
    temporary = path.with_suffix(".part")
    torch.save({**state, "model": model.to_dict()}, temporary)
    os.replace(temporary, path)


def load_state(path: Path, model: MiniConfig, device: torch.device) -> dict[str, Any]:
    """The state of a run of this network.

    Raises:
        InputError: unreadable, or of a network of other sizes.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch.load raises whatever unpickling meets
        raise InputError(
            f"{path}: cannot be read ({str(error).splitlines()[0]}); "
            "delete it, or choose another --out"
        ) from error
    found = state.get("model")
    if found is not None and found != model.to_dict():
        differing = "; ".join(_differences(found, model.to_dict()))
        raise InputError(
            f"{path}: the run there has another model: {differing}; "
            "resume it with its own config, or choose another --out"
        )
    return state


def check_network(path: Path, network: torch.nn.Module, state: dict[str, Any]) -> None:
    """Check a state from before files said what model they are of.

    Raises:
        InputError: names or shapes of the weights differ.
    """
    shapes = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in state["network"].items()}
    for name in sorted(shapes.keys() | found.keys()):
        if shapes.get(name) != found.get(name):
            raise InputError(
                f"{path}: the run there has another model: {name} is {found.get(name)}, expected "
                f"{shapes.get(name)}; resume it with its own config, or choose another --out"
            )


def places_of(state: dict[str, Any], ranks: int) -> list[Place]:
    """Where each process goes on reading.

    With another number of processes than before, all start behind the shards that were begun.
    """
    progress = state["progress"]
    places = [Place(*p) for p in state.get("places", [[progress["shard"], progress["pack"]]])]
    if len(places) == ranks:
        return places
    next_shard = max(p.shard + (p.pack > 0) for p in places)
    return [Place(next_shard + rank) for rank in range(ranks)]


def _differences(found: dict, expected: dict, inside: str = "") -> list[str]:
    lines = []
    for key in sorted(found.keys() | expected.keys()):
        one, other = found.get(key), expected.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            lines += _differences(one, other, f"{inside}{key}.")
        elif one != other:
            lines.append(f"{inside}{key} is {one}, the config says {other}")
    return lines
