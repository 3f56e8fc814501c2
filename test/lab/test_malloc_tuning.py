"""Freed tensors leave their memory to the next ones."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import torch
from iscene_ros.lab.training.command import tune_malloc
assert tune_malloc()

def step():
    activations = [torch.ones(megabytes * 2**18) for megabytes in (2, 9, 20, 5, 14, 3)]

for _ in range(5):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults() -> int:
    command = [sys.executable, "-c", PROGRAM]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_tensors_reuse_the_memory_of_freed_ones():
    pages_of_five_steps = 5 * 53 * 256
    assert page_faults() < 0.1 * pages_of_five_steps
