"""The surroundings of a session: what is fused, what is refused, what comes out."""

import numpy as np
import pytest
import trimesh
from bin_scene import HEIGHT, SIDES, bin_walls, distances, seen, solid
from session_driver import Driver, stamp
from session_inputs import CAMERA_FRAME, transform

from iscene_ros.session import surroundings
from iscene_ros.session.pose_check import REFUSED_FRAMES
from iscene_ros.session.rejection import RejectReason

pytest.importorskip("open3d", reason="needs open3d: pip install 'iscene_ros[fusion]'")

BOX = solid((-0.05, -0.05, 0.0), (0.05, 0.05, 0.1))


class BinDriver(Driver):
    """A session that sees the bin from changing poses, a frame in three seconds."""

    def __init__(self, **parameters) -> None:
        super().__init__(posed=False, **parameters)
        self.at = 0

    def see(self, pose, bodies=(), claimed=None, hidden=()):
        """One frame; `claimed` is the pose that TF says, if not the true one."""
        self.at += 3000
        claimed = pose if claimed is None else claimed
        self.add(transform("map", CAMERA_FRAME, stamp(self.at), matrix=claimed), now=self.at)
        return self.step(self.at, seen(pose, bodies, hidden=hidden))


def test_the_mesh_has_the_walls_and_nothing_in_the_objects():
    driver = BinDriver()
    for pose in SIDES * 2:
        update = driver.see(pose, [BOX])
    mesh = update.scene.environment
    points = trimesh.sample.sample_surface(mesh.to_trimesh(), 5000, seed=0)[0]
    assert points[:, 2].max() > HEIGHT - 0.02
    assert np.all(np.abs(points - (0, 0, 0.05)) < 0.045, axis=1).sum() == 0
    assert distances([w.centroid + (0, 0, 0.07) for w in bin_walls()], mesh).max() < 0.02
    assert driver.rejected == {} and driver.lines == []
    assert dict(driver.status(driver.at).values)["environment"].startswith("mesh of ")


def test_the_mesh_stays_the_same_while_nothing_changes():
    driver = BinDriver()
    first, second, third = (driver.see(SIDES[0]).scene.environment for _ in range(3))
    assert first is second is third
    assert driver.see(SIDES[1]).scene.environment is not third


def test_an_object_that_was_not_detected_first_leaves_the_mesh_when_it_is():
    driver = BinDriver()
    before = driver.see(SIDES[0], hidden=[BOX]).scene.environment
    assert np.any(np.all(np.abs(before.vertices - (0, 0, 0.1)) < 0.02, axis=1))
    update = driver.see(SIDES[0], [BOX])
    (item,) = (known.item for known in update.objects)
    local = update.scene.environment.vertices - item.frame_from_object[:3, 3]
    assert not np.any(np.linalg.norm(local / (0.5 * item.size), axis=1) < 0.95)


def test_an_object_without_a_mask_in_one_frame_is_not_fused():
    driver = BinDriver()
    for pose in SIDES:
        driver.see(pose, [BOX])
    update = driver.see(SIDES[0], hidden=[BOX])
    assert len(update.objects) == 1 and not update.seen
    volume = driver.session.surroundings._volume.mesh()
    assert not np.any(np.all(np.abs(volume.vertices - (0, 0, 0.06)) < 0.035, axis=1))


def test_a_pose_that_jumps_is_counted_and_not_fused():
    driver = BinDriver(fusion=False)
    before = driver.see(SIDES[0]).scene.environment
    wrong = SIDES[0].copy()
    wrong[:3, 3] += 0.2 * wrong[:3, 2]
    assert driver.see(SIDES[0], claimed=wrong) is None
    assert driver.rejected == {RejectReason.POSE: 1}
    assert "sees through" in driver.lines[0]
    mesh = driver.see(SIDES[1]).scene.environment
    assert mesh.vertices[:, 2].min() > before.vertices[:, 2].min() - 0.02
    assert driver.rejected == {RejectReason.POSE: 1}


def test_a_camera_that_is_located_anew_begins_again():
    driver = BinDriver(fusion=False)
    driver.see(SIDES[0])
    new_from_old = np.eye(4)
    new_from_old[2, 3] = 0.3
    for _ in range(REFUSED_FRAMES + 1):
        update = driver.see(SIDES[0], claimed=new_from_old @ SIDES[0])
    mesh = update.scene.environment
    assert mesh.vertices[:, 2].min() > 0.25
    assert driver.rejected == {RejectReason.POSE: REFUSED_FRAMES}
    driver.see(SIDES[0], claimed=new_from_old @ SIDES[0])
    assert driver.rejected == {RejectReason.POSE: REFUSED_FRAMES}


def test_a_view_without_pose_is_counted_and_the_planes_stay():
    driver = Driver(posed=False, world_frame=CAMERA_FRAME)
    update = driver.step(0, seen(SIDES[0], [BOX]))
    assert update.scene.environment is None
    assert driver.rejected == {RejectReason.ENVIRONMENT: 1} and any(
        "no pose" in line for line in driver.lines
    )


def test_a_reset_clears_it_and_a_frame_from_before_does_not_bring_it_back():
    driver = BinDriver()
    driver.see(SIDES[0], hidden=[BOX])
    driver.at += 3000
    driver.add(transform("map", CAMERA_FRAME, stamp(driver.at), matrix=SIDES[0]), now=driver.at)
    driver.send(driver.at, seen(SIDES[0], hidden=[BOX]))
    driver.poll(driver.at)
    waiting = driver.take(driver.at)
    assert driver.session.reset().scene.environment is None
    assert driver.session.complete(waiting, stamp(driver.at)) is None
    mesh = driver.see(SIDES[0]).scene.environment
    assert not np.any(np.all(np.abs(mesh.vertices - (0, 0, 0.1)) < 0.02, axis=1))


def test_another_output_frame_begins_again():
    driver = BinDriver()
    driver.see(SIDES[0], hidden=[BOX])
    driver.session.surroundings._frame_id = "odom"
    mesh = driver.see(SIDES[0]).scene.environment
    assert not np.any(np.all(np.abs(mesh.vertices - (0, 0, 0.1)) < 0.02, axis=1))


def test_switched_off_there_is_none():
    driver = BinDriver(environment=False)
    assert driver.see(SIDES[0]).scene.environment is None
    assert ("environment", "off") in driver.status(driver.at).values


def test_without_open3d_there_are_planes_and_it_is_said_once(monkeypatch):
    with_it = BinDriver(environment=False).see(SIDES[0], [BOX])
    monkeypatch.setattr(surroundings, "has_open3d", lambda: False)
    driver = BinDriver()
    updates = [driver.see(SIDES[0], [BOX]) for _ in range(3)]
    assert all(u.scene.environment is None for u in updates)
    assert driver.lines == [surroundings.NOT_INSTALLED] and driver.rejected == {}
    assert ("environment", surroundings.NOT_INSTALLED) in driver.status(driver.at).values
    assert updates[0].relations == with_it.relations


def test_a_failure_of_open3d_costs_the_mesh_and_is_counted(monkeypatch):
    driver = BinDriver()
    driver.see(SIDES[0])

    def fail(*arguments):
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(surroundings.EnvironmentVolume, "integrate", fail)
        assert driver.see(SIDES[0]).scene.environment is None
    assert driver.rejected == {RejectReason.ENVIRONMENT: 1}
    assert driver.see(SIDES[0]).scene.environment is not None
