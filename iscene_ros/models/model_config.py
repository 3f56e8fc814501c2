"""Settings of a model, from a command line or from the parameters of a node."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from iscene_ros.core.errors import InputError

SHIPPED_MODEL = "iscene-mini"
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "bfloat16")
# Trade-offs of a released model between quality and time; see `models.iscene.sampling.presets`.
PRESETS = ("exact", "balanced", "fast", "structure-only")


class Envelope(str, Enum):
    """The surface to extract from a prediction and its uncertainty; each contains the one before.

    The inner one holds the almost certainly solid volume, the outer one the possibly solid volume:
    about one standard deviation to either side of the mean.
    """

    INNER = "inner"
    MEAN = "mean"
    OUTER = "outer"


ENVELOPES = ("mean", "inner", "outer")


@dataclass(frozen=True)
class CompletionOptions:
    """Options of a completer.

    A model raises an InputError for an option that it does not have, unless it is the default.

    Attributes:
        relations: whether the scene gets the edges of its graph.
        envelope: surface of iscene-mini; a released model has the mean one only.
        precision: of iscene-mini's arithmetic, one of `PRECISIONS`; a released model has its own.
        preset: of a released model, one of `PRESETS`; iscene-mini has none.
        camera_height: of the camera above the support [m], which gives a released model the scale
            of a view without depth; None = not known.
        support_height: of the support in the world [m], which gives the scale as `camera_height`
            does, where the camera's pose is known.
        twins: whether instances of the same shape complete one another; a released model cannot.
        objects_at_once: instances computed together, which bounds memory.
    """

    relations: bool = True
    envelope: Envelope = Envelope.MEAN
    precision: str = PRECISIONS[0]
    preset: str = PRESETS[0]
    camera_height: float | None = None
    support_height: float | None = None
    twins: bool = False
    objects_at_once: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "envelope", Envelope(self.envelope))
        for name, value, known in (
            ("precision", self.precision, PRECISIONS),
            ("preset", self.preset, PRESETS),
        ):
            if value not in known:
                raise InputError(f"{name}: {value!r}, expected one of {', '.join(known)}")


@dataclass(frozen=True)
class ModelConfig:
    """A model, its device and its options.

    Attributes:
        name: a shipped model, the path of a checkpoint or of a released package, or a hub id.
        device: one of `DEVICES`.
        base: folder or hub id of a released model's base; "" = the one that its package names.
        options: of the completer.
    """

    name: str = SHIPPED_MODEL
    device: str = "auto"
    base: str = ""
    options: CompletionOptions = CompletionOptions()
