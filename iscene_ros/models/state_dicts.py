"""Comparing the tensors of a file with those that a network expects."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from iscene_ros.core.errors import ModelError

LISTED_DIFFERENCES = 8


def check_tensors(
    expected: Mapping[str, Tensor],  # may be on the meta device
    found: Mapping[str, Tensor],
    what: str,  # names the file in the error
) -> None:
    """Check that names and shapes are the same.

    Raises:
        ModelError: they are not; the differences are counted and the first ones listed.
    """
    faults = [f"missing {name}" for name in expected.keys() - found.keys()]
    faults += [f"unexpected {name}" for name in found.keys() - expected.keys()]
    faults += [
        f"{name} is {tuple(found[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected.keys() & found.keys()
        if found[name].shape != expected[name].shape
    ]
    if faults:
        listed = "; ".join(sorted(faults)[:LISTED_DIFFERENCES])
        more = "; ..." if len(faults) > LISTED_DIFFERENCES else ""
        raise ModelError(f"{what}: {len(faults)} tensors differ: {listed}{more}")
