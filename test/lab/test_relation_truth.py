"""True relations of settled scenes, their scores and their calibration."""

import numpy as np
import pytest
from made_scenes import box, cup

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import Mesh, Relation
from iscene_ros.geometry.bodies import Body
from iscene_ros.geometry.environment import BoxEnvironment
from iscene_ros.lab.evaluation.relation_fit import fit_logistic
from iscene_ros.lab.evaluation.relation_scores import RelationScores, f_score
from iscene_ros.lab.evaluation.relation_truth import (
    BodyColumns,
    enclosed_share,
    true_bodies,
    true_relations,
)
from iscene_ros.lab.synthetic.physics_scenes import Arrangement, PhysicsScene, settle
from iscene_ros.lab.synthetic.physics_shapes import PhysicsShape, joined_mesh
from iscene_ros.lab.synthetic.physics_views import observe_physics
from iscene_ros.lab.synthetic.sensor import NOISE_FREE
from iscene_ros.relations.build import RULES, relate_bodies
from iscene_ros.relations.coefficients import COEFFICIENTS
from iscene_ros.relations.rule import logistic

TABLE = (np.array([-0.5, -0.5, -0.05]), np.array([0.5, 0.5, 0.0]))


def convex(mesh):
    return Mesh(np.float32(mesh.vertices), np.int32(mesh.faces))


def walls(radius, height):
    """A square vessel in five convex pieces."""
    sides = [box((0.008, 2 * radius, height), (s * radius, 0)) for s in (-1, 1)] + [
        box((2 * radius, 0.008, height), (0, s * radius)) for s in (-1, 1)
    ]
    return tuple(convex(m) for m in (*sides, box((2 * radius, 2 * radius, 0.008))))


def at_rest(*shapes):
    """Shapes let fall from where they are, as a scene."""
    mujoco = pytest.importorskip("mujoco")
    assert mujoco
    world_from_object, contacts = settle(shapes, [np.eye(4)] * len(shapes), [TABLE])
    return PhysicsScene(
        shapes, tuple(range(len(shapes))), world_from_object, (TABLE,), contacts, Arrangement.STACK
    )


@pytest.fixture(scope="module")
def vessel_scene():
    """A box in a vessel, a box on a box."""
    return at_rest(
        PhysicsShape("vessel", walls(0.06, 0.08)),
        PhysicsShape("box", (convex(box((0.04, 0.05, 0.05), bottom=0.02)),)),
        PhysicsShape("box", (convex(box((0.1, 0.1, 0.06), (0.2, 0.0), bottom=0.001)),)),
        PhysicsShape("box", (convex(box((0.05, 0.05, 0.03), (0.21, 0.0), bottom=0.065)),)),
    )


def test_forces_carry_the_weight(vessel_scene) -> None:
    for body in range(4):
        total = np.zeros(3)
        for contact in vessel_scene.contacts:
            if body in (contact.one, contact.other):
                total += contact.seen_from(body).force
        assert total == pytest.approx((0, 0, 1), abs=0.05)


def test_truth_of_a_vessel_and_a_stack(vessel_scene) -> None:
    truth = true_relations(vessel_scene)
    supported = {(s, o) for s, p, o in truth if p is Predicate.SUPPORTED_BY}
    assert supported == {(1, 0), (2, 1), (3, 0), (4, 3)}
    assert {(s, o) for s, p, o in truth if p is Predicate.INSIDE} == {(2, 1)}
    blocked = {(s, o) for s, p, o in truth if p is Predicate.BLOCKS_FROM_ABOVE}
    assert blocked == {(2, 1), (4, 3)}
    assert not any(p is Predicate.LEANING_ON for _, p, _ in truth)


def test_relations_of_true_meshes_agree_with_the_physics(vessel_scene) -> None:
    found = relate_bodies(true_bodies(vessel_scene), BoxEnvironment(vessel_scene.boxes))
    truth = true_relations(vessel_scene)
    for predicate in (Predicate.SUPPORTED_BY, Predicate.INSIDE, Predicate.BLOCKS_FROM_ABOVE):
        edges = {(r.subject, r.object) for r in found if r.predicate == predicate.value}
        assert edges == {(s, o) for s, p, o in truth if p is predicate}


def test_view_of_a_physics_scene(vessel_scene) -> None:
    observation = observe_physics(np.random.default_rng(0), vessel_scene, NOISE_FREE)
    assert set(observation.instance_ids) <= {1, 2, 3, 4} and 1 in observation.instance_ids
    mask = observation.masks[observation.instance_ids.index(1)]
    pixels = np.argwhere(mask & (observation.depth > 0))[:, ::-1]
    points = observation.camera.unproject(pixels, observation.depth[pixels[:, 1], pixels[:, 0]])
    pose = observation.world_from_camera
    world = points @ pose[:3, :3].T + pose[:3, 3]
    assert world[:, 2].min() > -2e-3 and world[:, 2].max() < 0.082


def test_enclosed_share_of_a_box_in_a_vessel() -> None:
    vessel = joined_mesh(walls(0.06, 0.08))
    for bottom, share in ((0.01, 1.0), (0.06, 0.5), (0.081, 0.0)):
        item = convex(box((0.04, 0.04, 0.04), bottom=bottom))
        bodies = [Body.of(i, mesh.vertices, mesh.faces) for i, mesh in enumerate((item, vessel))]
        columns = [BodyColumns(bodies, 0.003, axis) for axis in range(3)]
        assert enclosed_share(columns, 0, 1) == pytest.approx(share, abs=0.08)
        assert enclosed_share(columns, 1, 0) == 0.0


def test_pieces_are_joined_without_loss() -> None:
    pieces = walls(0.06, 0.08)
    whole = joined_mesh(pieces)
    assert len(whole.faces) == sum(len(p.faces) for p in pieces)
    assert whole.faces.max() == len(whole.vertices) - 1
    assert PhysicsShape("cup", pieces).scaled(2.0).mesh.vertices == pytest.approx(
        2 * whole.vertices
    )
    assert len(cup(0.04, 0.1).faces)


def test_scores_count_what_is_found_missed_and_wrong() -> None:
    scores = RelationScores()
    found = [
        Relation(1, "supported_by", 0, 0.9),
        Relation(2, "supported_by", 1, 0.8),
        Relation(3, "supported_by", 1, 0.6),
        Relation(2, "touching", 1, 0.9),
    ]
    on = Predicate.SUPPORTED_BY
    truth = {(1, on, 0), (2, on, 1), (3, on, 2), (9, on, 1), (1, Predicate.TOUCHING, 2)}
    scores.add("true meshes", 0, found, truth, {0, 1, 2, 3})
    rows = [s for s in scores.edges["true meshes"] if s.edge[1] is on]
    assert f_score(rows) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    touching = [s for s in scores.edges["true meshes"] if s.edge[1] is Predicate.TOUCHING]
    assert f_score(touching) == (1, 1, 1)
    assert "| supported_by |" in scores.report() and scores.csv().count("\n") == 6


def test_logistic_fit_gives_probabilities() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 2))
    p = 1 / (1 + np.exp(-(0.5 + 2 * features[:, 0])))
    fitted = fit_logistic(features, (rng.random(4000) < p).astype(float))
    assert fitted == pytest.approx((0.5, 2.0, 0.0), abs=0.2)


def test_every_predicate_has_coefficients_for_its_features() -> None:
    for table in COEFFICIENTS.values():
        for rule in RULES:
            predicate, names = rule.predicate, rule.features
            coefficients = table[predicate.value]
            assert len(coefficients) == len(names) + 1
            assert 0 < logistic(coefficients, (0.0,) * len(names)) < 1
