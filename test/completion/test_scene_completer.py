"""The shipped model completes a real frame and rendered scenes."""

import time
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from made_objects import scene_bytes

from iscene_ros.completion.object_assembly import ObjectAssembly
from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.lab.evaluation.scenes import MODEL, EvaluationOptions, evaluate_scenes
from iscene_ros.models.base import CompletionRequest


@pytest.fixture(scope="module")
def frame() -> Observation:
    return arc2017_observation()


@pytest.fixture(scope="module")
def scene(completer, frame) -> Scene:
    return completer.complete(frame)


def test_every_instance_of_the_real_frame_is_completed(scene, frame):
    assert [o.id for o in scene.objects] == list(frame.instance_ids)
    assert [o.label for o in scene.objects] == list(frame.labels)
    assert scene.skipped == () and scene.frame_id == "camera"
    assert any("gravity" in warning for warning in scene.warnings)


def test_the_scene_has_a_graph(scene):
    graph = scene.graph
    assert graph.on_top_of(0) and scene.timings.relations > 0
    assert graph.removal_order(graph.ids[0])[-1] == graph.ids[0]


def test_iscene_mini_rejects_a_view_without_depth(completer, frame):
    with pytest.raises(InputError, match="depth: none; iscene-mini needs depth") as caught:
        completer.complete(replace(frame, depth=None))
    assert "\n" not in str(caught.value)


def test_a_failure_of_the_relations_is_for_the_caller_to_decide(completer, frame, monkeypatch):
    def fail(*_, **__):
        raise FloatingPointError("no hull")

    monkeypatch.setattr("iscene_ros.completion.scene_completer.with_relations", fail)
    few = replace(frame, masks=frame.masks[:1], labels=frame.labels[:1], scores=(), instance_ids=())
    with pytest.raises(FloatingPointError, match="no hull"):
        completer.complete(few)


def test_meshes_are_closed_upright_and_within_the_budget(scene):
    for o in scene.objects:
        mesh = trimesh.Trimesh(o.mesh.vertices, o.mesh.faces, process=False)
        assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0, o.label
        assert all(body.volume > 0 for body in mesh.split()), o.label
        assert len(o.mesh.faces) <= 5000
        np.testing.assert_allclose(mesh.bounds.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(mesh.extents, o.size, atol=1e-5)
        np.testing.assert_allclose(
            o.frame_from_object[:3, 2], -scene.gravity_camera, atol=1e-6
        )  # z up
        assert 0 <= o.observed_fraction <= 1 and 0 <= o.confidence <= 1


def test_the_observed_side_agrees_with_the_depth(scene):
    residuals = [o.depth_residual for o in scene.objects]
    assert np.median(residuals) <= 0.003


def test_the_mesh_meets_the_observed_points_of_thin_objects(scene):
    """Spoons and scissors are thinner than a voxel; they must keep their size."""
    thin = [o for o in scene.objects if o.label in ("measuring_spoons", "fiskars_scissors")]
    assert len(thin) == 2
    for o in thin:
        assert o.size.max() > 0.04 and o.depth_residual < 0.01, o.label


def test_the_same_frame_gives_the_same_bytes_whatever_the_steps_and_the_seed(
    completer, frame, scene
):
    again = completer.complete(frame, CompletionRequest(steps=3, seed=9))
    assert scene_bytes(again) == scene_bytes(scene) and again.steps == 1


@pytest.mark.parametrize("threads", [1, 4])
def test_objects_meshed_beside_one_another_are_the_same(
    completer, frame, scene, monkeypatch, threads
):
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    assert scene_bytes(completer.complete(frame)) == scene_bytes(scene)


class StoppedError(Exception):
    """Raised by a progress callback."""


def test_a_stopped_completion_begins_no_further_mesh(completer, frame, monkeypatch):
    begun = []

    def slow(_maker, shape, seconds):
        begun.append(shape)
        time.sleep(0.05)

    def stop(_done, _total, what):
        if what.startswith("mesh"):
            raise StoppedError

    monkeypatch.setattr(ObjectAssembly, "_assemble_one", slow)
    with pytest.raises(StoppedError):
        completer.complete(frame, progress=stop)
    assert 0 < len(begun) < len(frame.masks)


def test_a_pose_moves_the_scene_into_the_world(completer, frame, scene):
    rng = np.random.default_rng(0)
    world_from_camera = np.eye(4)
    up = -scene.gravity_camera
    x = np.cross(up, [0.0, 0, 1]) + [1e-3, 0, 0]
    x -= up * (x @ up)
    x /= np.linalg.norm(x)
    world_from_camera[:3, :3] = np.stack([x, np.cross(up, x), up])
    world_from_camera[:3, 3] = rng.normal(size=3)
    moved = completer.complete(replace(frame, world_from_camera=world_from_camera))
    assert moved.frame_id == "world" and moved.warnings == ()
    for here, there in zip(scene.objects, moved.objects, strict=True):
        center = world_from_camera[:3, :3] @ here.frame_from_object[:3, 3]
        expected = center + world_from_camera[:3, 3]
        np.testing.assert_allclose(there.frame_from_object[:3, 3], expected, atol=0.01)


def test_an_instance_without_depth_is_skipped_and_the_others_complete(completer, frame):
    depth = frame.depth.copy()
    depth[frame.masks[3]] = 0
    scene = completer.complete(replace(frame, depth=depth))
    assert [s.id for s in scene.skipped] == [frame.instance_ids[3]]
    assert "depth readings" in scene.skipped[0].reason
    assert len(scene.objects) == len(frame.masks) - 1


def test_the_face_budget_is_honoured(completer, frame):
    scene = completer.complete(frame, CompletionRequest(faces=500))
    counts = [len(o.mesh.faces) for o in scene.objects]
    # Where surfaces nearly touch, a mesh needs more to stay closed: a few faces, one of them many.
    assert sorted(counts)[-3] <= 500 and sorted(counts)[-2] <= 510 and max(counts) <= 5 * 500


def test_progress_ends_at_its_total(completer, frame):
    seen = []
    completer.complete(frame, progress=lambda done, total, what: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert len({total for _, total in seen}) == 1
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_nothing_to_complete_is_an_error(completer, frame):
    with pytest.raises(InputError, match="masks"):
        completer.complete(replace(frame, masks=np.zeros_like(frame.masks)))
    with pytest.raises(InputError, match="steps: 0, expected at least 1"):
        completer.complete(frame, CompletionRequest(steps=0))


def test_an_unknown_model_or_device_is_an_error():
    with pytest.raises(ModelError, match="iscene-mini"):
        SceneCompleter.from_pretrained("no-such-model")


def test_the_model_beats_the_simple_completions_on_unseen_families(completer):
    scored = [s for s in evaluate_scenes(completer, EvaluationOptions(scenes=4)) if s]
    overlaps: dict[str, list[float]] = {}
    for scene in scored:
        for o in scene.objects:
            overlaps.setdefault(o.method, []).append(o.score.iou)
    means = {method: np.mean(values) for method, values in overlaps.items()}
    assert means.pop(MODEL) > max(means.values())


def test_true_distances_are_better_than_the_model_and_finer_ones_better_still(completer):
    means = []
    for side in (None, 32, 64):
        options = EvaluationOptions(scenes=2, baselines=False, oracle_resolution=side)
        scored = [o for s in evaluate_scenes(completer, options) if s for o in s.objects]
        assert {o.method for o in scored} == {options.method}
        means.append(np.mean([o.score.iou for o in scored]))
    assert means == sorted(means) and means[0] < means[2]


def test_objects_that_are_kept_stay_and_the_others_are_as_if_all_were_completed(
    completer, frame, scene
):
    for chosen in (scene.objects[2], scene.objects[5]):
        kept = {o.id: o for o in scene.objects if o is not chosen}
        again = completer.complete(frame, CompletionRequest(kept=kept))
        assert [o.id for o in again.objects] == [o.id for o in scene.objects]
        assert all(again[i] is item for i, item in kept.items())
        made = again[chosen.id]
        assert np.array_equal(made.mesh.faces, chosen.mesh.faces)
        np.testing.assert_allclose(made.mesh.vertices, chosen.mesh.vertices, atol=1e-5)
        np.testing.assert_allclose(made.frame_from_object, chosen.frame_from_object, atol=1e-5)


def test_only_the_network_of_the_chosen_and_of_their_neighbours_runs(completer, frame, scene):
    lone = min(scene.objects, key=lambda item: max(item.size))
    counts = []
    for kept in (
        {},
        {o.id: o for o in scene.objects if o is not lone},
        {o.id: o for o in scene.objects},
    ):
        done = [(0, 0)]
        request = CompletionRequest(kept=kept)
        completer.complete(frame, request, lambda *now, done=done: done.append(now[:2]))
        counts.append(done[-1])
    assert counts[0][1] > counts[1][1] > counts[2][1] == 0
    assert all(done == total for done, total in counts)


def test_the_scene_holds_the_observation_as_the_model_read_it(completer, frame, scene):
    clean, frame = scene.observation, frame.rectified()
    assert clean.instance_ids == frame.instance_ids
    assert not (clean.masks.sum(axis=0) > 1).any()
    lost = (frame.depth > 0) & (clean.depth == 0)
    assert 0 < lost.mean() < 0.2
    assert np.array_equal(clean.depth[~lost], frame.depth[~lost])
