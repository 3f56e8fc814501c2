"""The DDS domain of a test process: robots of other users, and of other workers, stay unheard."""

from __future__ import annotations

# On Linux, higher ones take ports of outgoing connections.
DOMAINS = 100


def domain_of(process: int, worker: str) -> int:
    """Return the domain of a worker of pytest-xdist, such as "gw1"; "" without xdist.

    Args:
        process: id of the process that started the workers, or of the only one.
        worker: name of the worker.
    """
    number = int(worker.removeprefix("gw")) + 1 if worker else 0
    return 1 + (process * 7 + number) % DOMAINS
