"""From a cube of unknown scale to view space, where a camera has no depth."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from placed_shapes import bodies, look_at, see

from iscene_ros.models.iscene.registration.register import register_scene

FEW = settings(
    max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def without_depth(seen):
    observation = replace(seen.observation, depth=None)
    return replace(seen, observation=observation)


def register(seen, **options):
    return register_scene(seen.shapes, seen.observation, seen.aligned_frame, **options)


@pytest.fixture(scope="module")
def table():
    return without_depth(see(bodies(), look_at()))


def camera_height(seen):
    return float(seen.observation.world_from_camera[2, 3])


def test_a_stated_camera_height_makes_it_metric(table):
    registration = register(table, camera_height=camera_height(table))
    assert registration.method == "camera_height" and registration.is_metric
    assert not registration.rejected and not registration.warnings
    assert registration.similarity.scale == pytest.approx(table.truth.scale, rel=0.015)
    np.testing.assert_allclose(
        registration.similarity.translation, table.truth.translation, atol=0.012
    )


def test_a_stated_support_height_makes_it_metric(table):
    registration = register(table, support_height=0.0)
    assert registration.method == "support_plane" and registration.is_metric
    by_camera = register(table, camera_height=camera_height(table))
    assert registration.similarity.scale == pytest.approx(by_camera.similarity.scale)


def test_else_the_edge_of_the_cube_is_the_unit_with_a_warning(table):
    registration = register(table)
    assert registration.method == "unit" and not registration.is_metric
    assert registration.similarity.scale == 1.0
    assert "the scale is unknown" in registration.warnings[0]
    expected = table.truth.translation / table.truth.scale
    np.testing.assert_allclose(registration.similarity.translation, expected, atol=0.03)
    assert len(registration.objects) == 6
    assert all(np.isnan(found.residual_m) for found in registration.objects)


@FEW
@given(size=st.floats(0.3, 10.0))
def test_a_world_of_another_size_scales_the_answer(size):
    seen = without_depth(see(bodies(), look_at(), size=size))
    registration = register(seen, camera_height=camera_height(seen))
    assert registration.similarity.scale == pytest.approx(seen.truth.scale, rel=0.015)


@FEW
@given(down=st.floats(10.0, 75.0), azimuth=st.floats(-180.0, 180.0))
def test_from_wherever_the_camera_looks(down, azimuth):
    seen = without_depth(see(bodies(), look_at(down, azimuth)))
    expected = seen.truth.translation / seen.truth.scale
    error = np.linalg.norm(register(seen).similarity.translation - expected) / np.linalg.norm(
        expected
    )
    assert error < 0.02


def test_a_support_height_without_a_pose_is_not_used(table):
    gravity = table.observation.gravity_camera
    unposed = replace(table.observation, world_from_camera=None, gravity_camera=gravity)
    registration = register(replace(table, observation=unposed), support_height=0.0)
    assert registration.method == "unit"
    assert "world_from_camera" in registration.warnings[0]


def test_a_support_above_the_camera_is_not_used(table):
    registration = register(table, support_height=3.0)
    assert registration.method == "unit"
    assert "the scale stays unknown" in registration.warnings[0]


def test_a_wrong_shape_is_rejected_by_its_outline(table):
    vertices = table.shapes[3].mesh.vertices
    middle = vertices.mean(axis=0)
    registration = register(table.with_mesh(3, 2 * (vertices - middle) + middle + (0.3, 0.0, 0.3)))
    assert [row for row, _ in registration.rejected] == [3]
    assert "does not fit the image" in registration.rejected[0][1]


def test_too_few_readings_count_as_none(table):
    depth = np.zeros(table.observation.depth.shape, np.float32)
    rows, columns = np.nonzero(table.observation.masks[0])
    depth[rows[:5], columns[:5]] = 0.7
    observation = replace(table.observation, depth=depth)
    assert register(replace(table, observation=observation)).method == "unit"
