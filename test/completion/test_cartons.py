"""Cartons get flat faces and their true size; what only fits into a box stays as predicted."""

import numpy as np
import pytest
import trimesh
from moving_table import Body, bracket, can, looking, seen

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.camera import Camera
from iscene_ros.models.model_config import CompletionOptions

CAMERA = Camera(640, 480, np.array([[560.0, 0, 319.5], [0, 560, 239.5], [0, 0, 1]]))


@pytest.fixture(scope="module")
def completer() -> SceneCompleter:
    return SceneCompleter.from_pretrained("iscene-mini", options=CompletionOptions(relations=False))


def completed(completer, *bodies: Body, azimuth: float = -60.0, elevation: float = 35.0):
    pose = looking(azimuth, elevation)
    observation, _ = seen(bodies, pose, noise=0.001, camera=CAMERA)
    return completer.complete(observation).objects


def carton(size, **place: float) -> Body:
    return Body(trimesh.creation.box(size).subdivide_to_size(0.02), **place)


@pytest.mark.parametrize(
    ("size", "azimuth", "elevation"),
    [((0.2, 0.06, 0.14), -60, 35), ((0.12, 0.08, 0.04), -125, 50), ((0.07, 0.16, 0.2), 20, 40)],
)
def test_a_carton_has_its_true_size_and_flat_faces(completer, size, azimuth, elevation):
    (found,) = completed(completer, carton(size), azimuth=azimuth, elevation=elevation)
    error = np.sort(found.size) - np.sort(size)
    assert np.abs(error).max() < 0.005
    assert found.mesh.to_trimesh().volume > 0.95 * np.prod(found.size)


@pytest.mark.parametrize("body", [Body(can()), Body(bracket())], ids=["can", "bracket"])
def test_what_is_no_box_does_not_become_one(completer, body):
    (found,) = completed(completer, body)
    assert found.mesh.to_trimesh().volume < 0.9 * np.prod(found.size)


def test_a_carton_whose_end_is_hidden_is_not_cut_off_there(completer):
    """What stands before it hides where it ends."""
    size = (0.2, 0.06, 0.06)
    row = carton(size), Body(can(0.14), x=-0.1, y=-0.09)
    found = completed(completer, *row, azimuth=-90, elevation=30)[0]
    assert np.abs(np.sort(found.size) - np.sort(size)).max() < 0.03


def test_a_carton_on_something_flat_does_not_reach_down_to_the_table(completer):
    size = (0.12, 0.12, 0.03)
    plate = Body(trimesh.creation.cylinder(radius=0.09, height=0.015, sections=48))
    found = completed(completer, plate, carton(size, z=0.015))[1]
    assert np.abs(np.sort(found.size) - np.sort(size)).max() < 0.005


def test_a_carton_whose_foot_is_hidden_stands_on_the_table(completer):
    size = (0.14, 0.07, 0.12)
    pair = carton(size, y=0.06), carton((0.3, 0.05, 0.05), x=0.03, y=-0.05)
    found = completed(completer, *pair, azimuth=-80, elevation=30)[0]
    assert np.abs(np.sort(found.size) - np.sort(size)).max() < 0.005
