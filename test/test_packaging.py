import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from packaging.requirements import Requirement

from iscene_ros import __version__
from iscene_ros.cli.main import EXTRAS

ROOT = Path(__file__).parents[1]
ROS_PLACES = (
    "iscene_ros/ros",
    "iscene_ros/lab/benchmarks",
    "test/ros",
    "test/helpers/robot.py",
    "test/helpers/move_group.py",
    "test/helpers/service_calls.py",
)
# All extras of setup.py but that of the tests.
USER_EXTRAS = ("bag", "evaluate", "release", "train")
PYTHONS = ("3.10", "3.11", "3.12")
# Import name -> name of the distribution, where they differ.
DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "pxr": "usd-core",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of a copy of the sources, so that no build folder of the checkout takes part."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("iscene_ros", "resource", "config", "launch"):
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    made = subprocess.run(
        [*command, "--no-index", "-w", str(target), str(source)], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    return zipfile.ZipFile(next(target.glob("*.whl")))


def requirements(wheel: zipfile.ZipFile, extra: str = "") -> dict[str, Requirement]:
    info = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    lines = re.findall(r"^Requires-Dist: (.+)$", wheel.read(info).decode(), re.MULTILINE)
    found = map(Requirement, lines)
    return {r.name: r for r in found if r.marker is None or r.marker.evaluate({"extra": extra})}


def test_wheel_holds_everything(wheel):
    names = wheel.namelist()
    assert "iscene_ros/io/scene.schema.json" in names
    definitions = {
        str(p.relative_to(ROOT)) for p in ROOT.glob("iscene_ros/ros/definitions/**/*.msg")
    }
    assert definitions and definitions <= set(names)
    for checkpoint in (ROOT / "iscene_ros/checkpoints").glob("*"):
        assert f"iscene_ros/checkpoints/{checkpoint.name}" in names
    modules = {str(path.relative_to(ROOT)) for path in ROOT.glob("iscene_ros/**/*.py")}
    assert modules <= set(names)
    shared = [name.split(".data/data/")[1] for name in names if ".data/data/" in name]
    assert "share/ament_index/resource_index/packages/iscene_ros" in shared
    assert "share/iscene_ros/package.xml" in shared
    entry_points = next(name for name in names if name.endswith("entry_points.txt"))
    assert "iscene = iscene_ros.cli.main:main" in wheel.read(entry_points).decode()


def imports(path: Path) -> set[str]:
    """The packages that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"iscene_ros"}


def ros_packages() -> set[str]:
    """The packages of ROS that package.xml asks for."""
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    return {e.text for e in package.findall("exec_depend") if not e.text.startswith("python3-")}


def is_of_ros(path: Path) -> bool:
    """Whether a module may import ROS: the layer, its benchmark and its tests."""
    return any(path.is_relative_to(ROOT / place) for place in ROS_PLACES)


def test_imports_are_declared(wheel):
    declared = set(requirements(wheel))
    # Bags are read where rosbags is at hand.
    declared |= set(requirements(wheel, "bag"))
    # Relations are evaluated where a physics engine is at hand.
    declared |= set(requirements(wheel, "evaluate"))
    # Names are transliterated where anyascii is at hand.
    declared |= set(requirements(wheel, "names"))
    # The published model is loaded where its extra is installed.
    declared |= set(requirements(wheel, "release"))
    # Twins become USD stages where usd-core is at hand.
    declared |= set(requirements(wheel, "usd"))
    for path in ROOT.glob("iscene_ros/**/*.py"):
        undeclared = imports(path)
        if is_of_ros(path):
            undeclared -= ros_packages()
        distributions = {DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in undeclared}
        assert distributions <= declared, path.name


def test_the_hint_for_a_missing_module_names_the_extra_that_installs_it(wheel):
    base = set(requirements(wheel))
    extras = {extra: set(requirements(wheel, extra)) - base for extra in USER_EXTRAS}
    named = {DISTRIBUTIONS.get(m, m.replace("_", "-")): extra for m, extra in EXTRAS.items()}
    assert set(named) == set().union(*extras.values())
    assert all(distribution in extras[extra] for distribution, extra in named.items())


def test_ros_is_imported_by_its_layer_alone():
    for path in (*ROOT.glob("iscene_ros/**/*.py"), *ROOT.glob("test/**/*.py")):
        if not is_of_ros(path):
            assert not imports(path) & ros_packages(), path.name


def test_bags_need_rosbags_but_the_core_does_not(wheel):
    assert "rosbags" in requirements(wheel, "bag") and "rosbags" not in requirements(wheel)


@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_pin_every_requirement(wheel, python):
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    environment = {"python_version": python}
    pins = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(environment)]
    versions = {pin.name: next(iter(pin.specifier)).version for pin in pins}
    assert len(versions) == len(pins)
    for name, requirement in requirements(wheel, "test").items():
        assert requirement.specifier.contains(versions[name]), name


def test_package_xml_agrees(wheel):
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    assert package.get("format") == "3" and package.findtext("name") == "iscene_ros"
    assert package.findtext("version") == __version__
    assert package.findtext("export/build_type") == "ament_python"
    assert package.findtext("license") == "Apache-2.0"
    assert f"iscene_ros-{__version__}-" in Path(wheel.filename).name
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_ci_runs_the_tests():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text("utf-8")


def test_modules_are_short():
    lengths = {
        path: len(path.read_text("utf-8").splitlines()) for path in ROOT.glob("iscene_ros/**/*.py")
    }
    assert not {path.name: length for path, length in lengths.items() if length >= 300}
