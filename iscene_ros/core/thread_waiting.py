"""Waiting of torch's threads for one another."""

from __future__ import annotations

import os


def wait_passively() -> None:
    """Let waiting threads sleep instead of spin, unless OMP_WAIT_POLICY is set.

    A robot's cores are shared. Where other processes are busy, threads that spin take the cores
    from those they wait for, and a completion takes several times as long. It has to be called
    before torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
