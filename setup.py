"""Package of iscene_ros: a plain Python library that is also an ament_python package."""

import re
from pathlib import Path

from setuptools import find_packages, setup

NAME = "iscene_ros"
ROOT = Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (ROOT / NAME / "__init__.py").read_text("utf-8"), re.MULTILINE
)[1]


def files(pattern: str) -> list[str]:
    """Files below the root, as setuptools wants them: relative, with slashes."""
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


setup(
    name=NAME,
    version=VERSION,
    description="The whole scene from what a robot's camera sees: completed object meshes",
    long_description=(ROOT / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    author="iscene_ros developers",
    maintainer="iscene_ros developers",
    maintainer_email="iscene_ros@example.org",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["io/*.json", "checkpoints/*", "ros/definitions/*/*/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (
            f"share/{NAME}/config",
            [f for kind in ("yaml", "rviz", "xml") for f in files(f"config/*.{kind}")],
        ),
        (f"share/{NAME}/launch", files("launch/*.py")),
    ],
    install_requires=[
        "fast-simplification>=0.1.7",
        "imgviz>=1.7",
        "jsonschema>=4.18",
        "networkx>=3.0",
        "numpy>=1.24",
        "pillow>=10.1",
        "pyyaml>=6.0",
        "safetensors>=0.4",
        "scikit-image>=0.20",
        "scipy>=1.10",
        "small-gicp>=1.0",
        "torch>=2.4",
        "tqdm>=4.64",
        "trimesh>=4.0",
    ],
    extras_require={
        # Bags and messages without ROS; the types of Jazzy came with 0.10.8.
        "bag": ["rosbags>=0.11"],
        # Distances of `iscene evaluate`, and scenes at rest for its relations; coacd for convex
        # collision parts, too.
        "evaluate": ["coacd>=1.0.5", "mujoco>=3.1", "open3d>=0.19"],
        # Names in other scripts as ASCII: "чашка" is chashka.
        "names": ["anyascii>=0.3"],
        # Surroundings that are fused from all frames of a session.
        "fusion": ["open3d>=0.19"],
        # The published model: its weights, and its way to resize pictures.
        "release": ["huggingface-hub>=0.23", "opencv-python-headless>=4.5"],
        # Muon came with torch 2.9; mujoco settles piles, without it objects are placed.
        "train": ["mujoco>=3.1", "torch>=2.9"],
        # Simulation twins as USD stages.
        "usd": ["usd-core>=24.11"],
        "test": [
            "anyascii>=0.3",
            "coacd>=1.0.5",
            "huggingface-hub>=0.23",
            "hypothesis>=6.80",
            "mujoco>=3.1",
            "open3d>=0.19",
            "opencv-python-headless>=4.5",
            "pddl>=0.4",
            "pytest>=7.4",
            "pytest-xdist>=3.3",
            "rosbags>=0.11",
            "usd-core>=24.11",
            "ruff>=0.6",
            "setuptools>=70.1",
            "unified-planning>=1.1",
            "up-pyperplan>=1.0",
        ],
    },
    entry_points={
        "console_scripts": [
            "iscene = iscene_ros.cli.main:main",
            # With ROS: ros2 run iscene_ros scene_node.
            "scene_node = iscene_ros.ros.entry:scene_node",
            "replay_node = iscene_ros.ros.entry:replay_node",
        ]
    },
    zip_safe=False,
)
