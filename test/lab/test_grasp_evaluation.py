"""Grasps executed in mujoco, and what is counted of them."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from iscene_ros.cli.main import main
from iscene_ros.core.scene import Mesh, Plane, Relation
from iscene_ros.lab.evaluation import grasp_scores
from iscene_ros.lab.evaluation.clearing import Clearing, clear, clearing_table, graph_order
from iscene_ros.lab.evaluation.grasp_methods import (
    BASELINES,
    TRUE_MESHES,
    Seen,
    depth_surface,
    true_scene,
)
from iscene_ros.lab.evaluation.grasp_scenes import Trial, free_objects
from iscene_ros.lab.evaluation.grasp_scores import calibration_error, grasp_report
from iscene_ros.lab.evaluation.twin_rest import moved_distances
from iscene_ros.lab.synthetic.grasp_simulation import GraspSimulation, Outcome
from iscene_ros.lab.synthetic.physics_scenes import Arrangement, PhysicsScene, settle
from iscene_ros.lab.synthetic.physics_shapes import PhysicsShape
from iscene_ros.lab.synthetic.physics_views import observe_physics
from iscene_ros.planning.grippers import FRANKA_HAND
from iscene_ros.planning.twin import make_twin

TABLE = (np.array([-0.5, -0.5, -0.05]), np.array([0.5, 0.5, 0.0]))
TABLE_PLANE = Plane(
    normal=np.array([0.0, 0.0, 1.0]),
    offset=0.0,
    sigma=0.001,
    axes=np.eye(3)[:2],
    outline=np.array([[1, 0, -0.5], [-1, 0, -0.5], [0, 1, -0.5], [0, -1, -0.5]]),
    corners=np.array([[0.5, 0.5, 0], [-0.5, 0.5, 0], [-0.5, -0.5, 0], [0.5, -0.5, 0]]),
    margin=0.1,
    share=0.9,
)
DOWN = np.diag([1.0, -1.0, -1.0, 1.0])


def block(size):
    made = trimesh.creation.box(size)
    mesh = Mesh(np.asarray(made.vertices, np.float32), np.asarray(made.faces, np.int32))
    return PhysicsShape("block", (mesh,))


@pytest.fixture
def scene():
    """A block, and another one that stands 6 cm beside it."""
    pytest.importorskip("mujoco")
    shapes = block((0.04, 0.06, 0.05)), block((0.03, 0.03, 0.12))
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[:, :3, 3] = [[0, 0, 0.026], [0, 0.09, 0.061]]
    settled, contacts = settle(shapes, poses, [TABLE])
    return PhysicsScene(shapes, (0, 1), settled, (TABLE,), contacts, Arrangement.SPREAD)


def at(x=0.0, y=0.0, z=0.025):
    pose = DOWN.copy()
    pose[:3, 3] = x, y, z
    return pose


def test_a_block_is_picked_and_each_grasp_starts_anew(scene):
    simulation = GraspSimulation(scene, FRANKA_HAND)
    for _ in range(2):
        assert simulation.execute(0, at(), 0.06, 0.12) == Outcome(False, True, False)


def test_a_grasp_beside_the_block_lifts_nothing(scene):
    outcome = GraspSimulation(scene, FRANKA_HAND).execute(0, at(x=0.2), 0.06, 0.12)
    assert outcome == Outcome(False, False, False) and not outcome.success


def test_fingers_on_the_block_are_a_collision(scene):
    assert GraspSimulation(scene, FRANKA_HAND).execute(0, at(), 0.03, 0.12).collided


def test_fingers_in_the_table_are_a_collision(scene):
    assert GraspSimulation(scene, FRANKA_HAND).execute(0, at(z=0.005), 0.06, 0.12).collided


def test_another_object_that_moves_is_no_success(scene):
    simulation = GraspSimulation(scene, FRANKA_HAND)
    on_the_neighbour = at(y=0.09, z=0.1)
    assert simulation.execute(1, on_the_neighbour, 0.05, 0.12) == Outcome(False, True, False)
    assert simulation.execute(0, on_the_neighbour, 0.05, 0.12) == Outcome(False, False, True)


def test_a_heavy_object_slips(scene):
    heavy = replace(scene, shapes=(block((0.04, 0.4, 0.4)), scene.shapes[1]))
    poses = scene.world_from_object.copy()
    poses[0, 2, 3], poses[1, 1, 3] = 0.2, 0.4
    simulation = GraspSimulation(replace(heavy, world_from_object=poses), FRANKA_HAND)
    weak = replace(FRANKA_HAND, force=3.0)
    assert simulation.execute(0, at(z=0.39), 0.06, 0.12).lifted
    simulation = GraspSimulation(replace(heavy, world_from_object=poses), weak)
    assert not simulation.execute(0, at(z=0.39), 0.06, 0.12).lifted


def test_free_objects_carry_nothing(scene):
    assert free_objects(scene) == [1, 2]
    on_top = scene.world_from_object.copy()
    on_top[1, :3, 3] = 0, 0, 0.111
    poses, contacts = settle(scene.shapes, on_top, [TABLE])
    stacked = replace(scene, world_from_object=poses, contacts=contacts)
    assert free_objects(stacked) == [2]


def test_a_stack_is_cleared_from_above_and_not_from_below(scene):
    shapes = block((0.05, 0.06, 0.06)), block((0.03, 0.03, 0.12))
    poses = scene.world_from_object.copy()
    poses[:, :3, 3] = [[0, 0, 0.031], [0, 0, 0.122]]
    settled, contacts = settle(shapes, poses, [TABLE])
    stack = replace(scene, shapes=shapes, world_from_object=settled, contacts=contacts)
    known = replace(true_scene(stack), planes=(TABLE_PLANE,), environment=None)
    known = replace(known, relations=(Relation(2, "supported_by", 1, 1.0),))
    assert graph_order(known) == [2, 1]
    cleared = clear(stack, known, [], [2, 1], FRANKA_HAND)
    assert [o.success for o in cleared.outcomes] == [True, True]
    toppled = clear(stack, known, [], [1, 2], FRANKA_HAND)
    assert sum(o.success for o in toppled.outcomes) < 2
    table = clearing_table({("a", 1): [cleared], ("b", 1): [toppled]})
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert rows[2] == ["a", "1", "2", "100.0", "0.0", "0.0", "100.0"]
    assert rows[3][:4] == ["b", "1", "2", "50.0"] and rows[3][-1] == "0.0"


def test_a_scene_without_objects_is_not_cleared(recwarn):
    row = clearing_table({("a", 1): [Clearing(0, ())]}).splitlines()[2]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells == ["a", "1", "0", "0.0", "nan", "nan", "0.0"] and not recwarn.list


def test_baselines_are_made_of_what_is_seen(scene):
    view = observe_physics(np.random.default_rng(0), scene)
    seen = [Seen(view, view.masks[0])]
    true = scene.shapes[0].mesh.transformed(scene.world_from_object[0]).vertices
    for name, make in BASELINES.items():
        vertices = make(seen).vertices
        assert np.abs(vertices.mean(axis=0) - true.mean(axis=0)).max() < 0.03, name
    surface = depth_surface(view, view.masks[0])
    corners = surface.vertices[surface.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    to_camera = view.world_from_camera[:3, 3] - corners.mean(axis=1)
    assert np.mean(np.einsum("ij,ij->i", normals, to_camera) > 0) > 0.95


def test_calibration_error():
    scores = np.repeat([0.1, 0.9], 50)
    holds = np.tile(np.arange(10) < 1, 5), np.tile(np.arange(10) < 9, 5)
    assert calibration_error(scores, np.concatenate(holds)) == pytest.approx(0, abs=0.03)
    assert calibration_error(scores, np.zeros(100, bool)) == pytest.approx(0.5)
    assert np.isnan(calibration_error(np.zeros(0), np.zeros(0, bool)))


def test_the_report_counts():
    picked, missed = Outcome(False, True, False), Outcome(True, False, False)
    about = (0, 1, "bin", "mug")
    trials = [
        Trial(*about, TRUE_MESHES, 0, outcome=picked),
        Trial(*about, TRUE_MESHES, 0, outcome=picked),
        Trial(*about, "completed", 1, "", 0.9, (1.0,), picked),
        Trial(*about, "completed", 1, "", 0.7, (1.0,), missed),
        Trial(*about, "completed", 1, "no clear way in"),
        Trial(*about, "completed", 1, "no clear way in"),
    ]
    (line,) = (row for row in grasp_report(trials).splitlines() if row.startswith("| completed  "))
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells == ["completed", "1", "4", "50.0", "25.0", "25.0", "50.0", "50.0", "0.0"]


def test_what_stays_and_what_falls(scene):
    twin = make_twin(replace(true_scene(scene), planes=(TABLE_PLANE,)), shape="hull")
    assert max(moved_distances(twin)) < 0.002
    assert min(moved_distances(replace(twin, boxes=()))) > 1, "nothing carries them"


def test_evaluate_grasps_and_its_fit(tmp_path, capsys, monkeypatch):
    pytest.importorskip("mujoco")
    pytest.importorskip("coacd")
    argv = ["evaluate", "grasps", "--scenes", "1", "--shapes", "2", "--seed", "3"]
    assert main([*argv, "--out", str(tmp_path)]) == 0
    assert "Calibration error" in capsys.readouterr().out
    with (tmp_path / "grasps_franka_hand.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {TRUE_MESHES, "completed", *BASELINES} == {row["method"] for row in rows}
    assert main([*argv, "--twin", "--out", str(tmp_path)]) == 0
    table = (tmp_path / "twin.md").read_text()
    assert "| true meshes " in table and "| completed, 3 views" in table
    assert main([*argv, "--clear", "--out", str(tmp_path)]) == 0
    assert "| order of the graph |" in (tmp_path / "clearing_franka_hand.md").read_text()
    written = tmp_path / "coefficients.py"
    monkeypatch.setattr(grasp_scores.grasp_coefficients, "__file__", str(written))
    assert main([*argv, "--fit", "--out", str(tmp_path)]) == 0
    assert "COEFFICIENTS = (" in written.read_text()
