"""Which model completes, and how: what a command line or the parameters of a node say."""

from __future__ import annotations

from dataclasses import dataclass

SHIPPED_MODEL = "iscene-mini"
DEVICES = ("auto", "cpu", "cuda")
# How a released model spends its time; `iscene_ros.model.release.presets` says what each does.
PRESETS = ("exact", "balanced", "fast", "structure-only")


@dataclass(frozen=True)
class ModelChoice:
    """A model and how it runs.

    Attributes:
        name: a shipped model, the path of a checkpoint or of a released package, or a hub id.
        device: "auto", "cpu" or "cuda".
        preset: of a released model, one of `PRESETS`; iscene-mini has none.
        base: folder or hub id of a released model's base; "" = the one that its package names.
        camera_height: of the camera above the support [m], which tells a released model the scale
            of a view without depth; None = not known.
    """

    name: str = SHIPPED_MODEL
    device: str = "auto"
    preset: str = "exact"
    base: str = ""
    camera_height: float | None = None
