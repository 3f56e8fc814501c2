"""What the release computes more than once, and is computed once here."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Shortcuts:
    """Each leaves the result as it is, up to rounding; all are on by default.

    Attributes:
        scene_once: one scene slot for all instances, as it looks at none of them.
        first_unconditional_once: in the first step, where all instances are the same noise, their
            unconditional pass is one.
        constant_unconditional: cross-attention to tokens of zeros is a constant.
        cached_context: keys and values of picture tokens serve all steps.
        one_batch: conditional and unconditional slots run together.
    """

    scene_once: bool = True
    first_unconditional_once: bool = True
    constant_unconditional: bool = True
    cached_context: bool = True
    one_batch: bool = True

    @classmethod
    def none(cls) -> Shortcuts:
        """All work as in the release."""
        return cls(**{field.name: False for field in fields(cls)})
