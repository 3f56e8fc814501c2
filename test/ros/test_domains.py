"""Workers of pytest-xdist do not hear each other."""

import os

from ros_domain import DOMAINS, domain_of


def test_workers_of_one_run_have_domains_of_their_own():
    for process in (1, 4711, 31_337):
        names = ("", *(f"gw{number}" for number in range(8)))
        domains = {domain_of(process, name) for name in names}
        assert len(domains) == len(names) and domains <= set(range(1, DOMAINS + 1))


def test_this_worker_uses_its_domain():
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    process = os.getppid() if worker else os.getpid()
    assert os.environ["ROS_DOMAIN_ID"] == str(domain_of(process, worker))
