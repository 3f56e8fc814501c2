"""The simple completions, on bodies for which each of them is right."""

import numpy as np
import pytest
import trimesh

from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.mesh_measures import is_watertight, signed_volume
from iscene_ros.lab.evaluation.baselines import (
    BASELINES,
    extruded,
    hull,
    mirrored,
    without_outliers,
)
from iscene_ros.lab.evaluation.bodies import ScoredBody
from iscene_ros.lab.evaluation.metrics import score_object


def visible(body, count=4000):
    """Points of a convex body that the camera at the origin sees."""
    points, face = trimesh.sample.sample_surface(body, 2 * count, seed=0)
    seen = np.einsum("ij,ij->i", body.face_normals[face], points) < 0
    return np.asarray(points[seen])


def body_at(body, center=(0.1, 0.8, -0.5), yaw=0.0):
    body.apply_transform(trimesh.transformations.rotation_matrix(yaw, [0, 0, 1]))
    body.apply_translation(center)
    return body


def iou(mesh, body):
    truth = ScoredBody(Mesh(body.vertices.astype(np.float32), body.faces.astype(np.int32)))
    return score_object(ScoredBody(mesh), truth).iou


@pytest.mark.parametrize("name", BASELINES)
def test_meshes_are_closed_and_point_outward(name):
    box = body_at(trimesh.creation.box([0.2, 0.1, 0.15]), yaw=0.4)
    mesh = BASELINES[name](visible(box), -0.575)
    assert is_watertight(mesh.faces, len(mesh.vertices))
    assert signed_volume(mesh.vertices.astype(float), mesh.faces).sum() > 0
    assert mesh.vertices.dtype == np.float32 and mesh.faces.dtype == np.int32


def test_the_hull_of_a_box_lacks_its_hidden_corner():
    box = body_at(trimesh.creation.box([0.2, 0.1, 0.15]), yaw=0.4)
    points = visible(box)
    mesh = hull(points, -0.575)
    np.testing.assert_allclose(mesh.vertices.max(axis=0), points.max(axis=0), atol=1e-6)
    assert 0.4 < iou(mesh, box) < 0.9


def test_extrusion_completes_a_box_on_a_table():
    box = body_at(trimesh.creation.box([0.2, 0.1, 0.15]), yaw=0.4)
    assert iou(extruded(visible(box), -0.575), box) > 0.9


def test_extrusion_reaches_down_to_the_support():
    plate = body_at(trimesh.creation.box([0.2, 0.2, 0.002]))
    mesh = extruded(visible(plate), -0.6)
    assert mesh.vertices[:, 2].min() == pytest.approx(-0.6, abs=0.003)
    assert mesh.vertices[:, 2].max() == pytest.approx(-0.499, abs=0.003)


def test_mirroring_completes_a_ball_at_eye_level():
    ball = body_at(trimesh.creation.icosphere(4, 0.1), center=(0.2, 0.9, 0.0))
    assert iou(mirrored(visible(ball), -0.1), ball) > 0.7
    assert iou(hull(visible(ball), -0.1), ball) < 0.5


def test_mirroring_completes_a_standing_cylinder():
    cylinder = body_at(trimesh.creation.cylinder(0.05, 0.2, sections=64))
    assert iou(mirrored(visible(cylinder), -0.6), cylinder) > 0.85


def test_from_right_above_only_extrusion_has_a_volume():
    box = body_at(trimesh.creation.box([0.2, 0.1, 0.15]), center=(0.0, 0.0, -0.6))
    assert iou(extruded(visible(box), -0.675), box) > 0.9
    assert hull(visible(box), -0.675) is None
    assert mirrored(visible(box), -0.675) is None


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.zeros((3, 3)), np.ones((20, 3))])
def test_degenerate_points_give_nothing_or_a_closed_mesh(points):
    for completion in BASELINES.values():
        mesh = completion(points, 0.0)
        assert mesh is None or is_watertight(mesh.faces, len(mesh.vertices))


def test_outliers_are_left_out():
    box = body_at(trimesh.creation.box([0.2, 0.1, 0.15]))
    points = visible(box)
    strays = np.array([[0.1, 2.0, -0.5], [0.5, 0.8, -0.5]])
    kept = without_outliers(np.concatenate([points, strays]))
    assert np.abs(kept - [0.1, 0.8, -0.5]).max() < 0.11 and len(kept) > 0.98 * len(points)
