"""Which model completes, and how: what a command line or the parameters of a node say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SHIPPED_MODEL = "iscene-mini"
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "bfloat16", "int8")
# How a released model spends its time; each is explained in `model.release.sampling.presets`.
PRESETS = ("exact", "balanced", "fast", "structure-only")


class Envelope(str, Enum):
    """Which surface of those that a prediction leaves open; each contains the one before it.

    The inner one is what is almost certainly solid, the outer one what may be: about one standard
    deviation to either side of the mean.
    """

    INNER = "inner"
    MEAN = "mean"
    OUTER = "outer"


ENVELOPES = ("mean", "inner", "outer")


@dataclass(frozen=True)
class ModelConfig:
    """A model and how it runs.

    Attributes:
        name: a shipped model, the path of a checkpoint or of a released package, or a hub id.
        device: "auto", "cpu" or "cuda".
        preset: of a released model, one of `PRESETS`; iscene-mini has none.
        base: folder or hub id of a released model's base; "" = the one that its package names.
        camera_height: of the camera above the support [m], which tells a released model the scale
            of a view without depth; None = not known.
        envelope: which surface of iscene-mini, one of `ENVELOPES`; a released model has the mean.
        support_height: of the support in the world [m], which tells the scale as `camera_height`
            does, where the camera's pose is known.
        precision: of iscene-mini's arithmetic, one of `PRECISIONS`; a released model has its own.
        compile: whether torch compiles iscene-mini first.
    """

    name: str = SHIPPED_MODEL
    device: str = "auto"
    preset: str = "exact"
    base: str = ""
    camera_height: float | None = None
    envelope: str = Envelope.MEAN.value
    support_height: float | None = None
    precision: str = PRECISIONS[0]
    compile: bool = False
