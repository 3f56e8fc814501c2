"""Samples that several tests of the training read."""

from pathlib import Path

import pytest
from tiny_run import make_samples


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return make_samples(tmp_path_factory.mktemp("cache"))
