"""The state of a run on disk, from which it is resumed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from iscene_ros.core.atomic_files import new_file
from iscene_ros.core.errors import InputError
from iscene_ros.models.iscene.scene_flow_config import MiniConfig

# Number of the format of the file; one of another format is rejected.
FORMAT = 2


@dataclass
class RunProgress:
    """How far a run has come.

    Attributes:
        phase: Index of the phase.
        step, seconds: Steps and training time [s] within the phase.
        shard, batch: Position in the phase's stream of mini-batches.
        total_steps, total_seconds: Steps and training time [s] of the run.
        best: Best held-out overlap so far in this phase.
    """

    phase: int = 0
    step: int = 0
    seconds: float = 0.0
    shard: int = 0
    batch: int = 0
    total_steps: int = 0
    total_seconds: float = 0.0
    best: float = -1.0

    def next_phase(self) -> RunProgress:
        """Return the progress at the beginning of the next phase."""
        return RunProgress(
            self.phase + 1, total_steps=self.total_steps, total_seconds=self.total_seconds
        )


def save_state(path: Path, state: dict[str, Any], model: MiniConfig) -> None:
    """Write the state of a run."""
    with new_file(path) as temporary:
        torch.save({**state, "format": FORMAT, "model": model.to_dict()}, temporary)


def load_state(path: Path, model: MiniConfig, device: torch.device) -> dict[str, Any]:
    """Read the state of a run of this network.

    Raises:
        InputError: The file cannot be read, is of another version of this package, or of a
            network of other sizes.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch.load raises whatever unpickling meets
        raise InputError(
            f"{path}: cannot be read ({str(error).splitlines()[0]}); "
            "delete it, or choose another --out"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise InputError(
            f"{path}: the run there is of another version of iscene_ros; "
            "delete it, or choose another --out"
        )
    if differing := _differences(state["model"], model.to_dict()):
        raise InputError(
            f"{path}: the run there has another model: {'; '.join(differing)}; "
            "resume it with its own config, or choose another --out"
        )
    return state


def _differences(found: dict, expected: dict, prefix: str = "") -> list[str]:
    lines = []
    for key in sorted(found.keys() | expected.keys()):
        one, other = found.get(key), expected.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            lines += _differences(one, other, f"{prefix}{key}.")
        elif one != other:
            lines.append(f"{prefix}{key} is {one}, the config says {other}")
    return lines
