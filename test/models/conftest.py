"""The tiny package of the released model: one for all tests that read it, and copies to spoil."""

import shutil
from pathlib import Path

import pytest
from tiny_release import BASE_ID, TinyPackage, write_tiny_package


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> TinyPackage:
    return write_tiny_package(tmp_path_factory.mktemp("package"))


@pytest.fixture
def package(written: TinyPackage, tmp_path: Path) -> TinyPackage:
    """A copy to spoil."""
    folder = tmp_path / "copy"
    shutil.copytree(written.release, folder)
    return TinyPackage(folder, folder / BASE_ID)
