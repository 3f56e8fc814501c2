from dataclasses import replace

import numpy as np
import pytest
import scene_updates
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from iscene_ros.core.camera import Camera
from iscene_ros.core.scene import Mesh
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.geometry.rasteriser import BACKGROUND, render
from iscene_ros.geometry.silhouettes import silhouette
from iscene_ros.ros.common_messages import IMAGE_TYPE
from iscene_ros.ros.encoder import Encoder
from iscene_ros.ros.messages import RosbagsTypes
from iscene_ros.ros.topics import OVERLAY
from iscene_ros.session.settings import Settings
from iscene_ros.viz.camera_images import input_image
from iscene_ros.viz.overlay import Label, draw_labels, draw_overlay

CAMERA = Camera(64, 48, np.array([[50.0, 0, 31.5], [0, 50, 23.5], [0, 0, 1]]))


@pytest.fixture(scope="module")
def update() -> SceneUpdate:
    return scene_updates.arc2017_update()


@pytest.fixture(scope="module")
def overlay(update: SceneUpdate) -> np.ndarray:
    return draw_overlay(update)


def placed(mesh: trimesh.Trimesh, angles: list[float], position: list[float]) -> Mesh:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", angles).as_matrix()
    pose[:3, 3] = position
    mesh.apply_transform(pose)
    return Mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32))


@settings(max_examples=30, deadline=None)
@given(
    angles=st.lists(st.floats(-4, 4), min_size=3, max_size=3),
    position=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(0.5, 1.5)),
)
def test_silhouettes_are_what_rendering_covers(angles, position):
    # A ring has a hole and hides a part of itself.
    mesh = placed(trimesh.creation.torus(0.2, 0.08, 24, 12), angles, list(position))
    rendered = render([mesh], CAMERA).ids != BACKGROUND
    # Pixels through which an edge passes exactly may fall to either side.
    assert np.count_nonzero(silhouette(mesh, CAMERA) != rendered) <= 2


def test_silhouette_of_a_square():
    box = placed(trimesh.creation.box([0.4, 0.2, 0.001]), [0, 0, 0], [0, 0, 1.0005])
    rows, columns = np.nonzero(silhouette(box, CAMERA))
    assert (rows.min(), rows.max()) == (19, 28) and (columns.min(), columns.max()) == (22, 41)


@pytest.mark.parametrize("position", [[0, 0, -1], [5, 0, 1], [0, 0, 0.0]])
def test_an_object_out_of_view_covers_no_pixel(position):
    box = placed(trimesh.creation.box([0.01] * 3), [0, 0, 0], position)
    assert not silhouette(box, CAMERA).any()


def test_only_objects_are_painted(update, overlay):
    assert overlay.shape == (480, 640, 3) and overlay.dtype == np.uint8
    image = input_image(update.observation.rectified(), 640, 480)
    changed = (overlay != image).any(-1)
    # The upper quarter of the frame shows the machine behind the bin.
    assert not changed[:120].any() and 0.1 < changed.mean() < 0.5


def test_masks_are_tinted_in_the_colour_of_their_object(update):
    black = replace(update.observation.rectified(), rgb=np.zeros((480, 640, 3), np.uint8))
    soap = update.objects[3]
    alone = replace(update, observation=black, objects=(soap,))
    inside = draw_overlay(alone)[black.masks[3] & (black.masks.sum(0) == 1)]
    np.testing.assert_allclose(np.median(inside, 0), 0.35 * soap.item.color, atol=2)


def test_a_mask_without_object_is_grey(update):
    black = replace(update.observation.rectified(), rgb=np.zeros((480, 640, 3), np.uint8))
    image = draw_overlay(replace(update, observation=black, objects=()))
    inside = image[black.masks.any(0)]
    assert (np.ptp(inside.astype(int), axis=1) == 0).all() and inside.min() > 40


def test_remembered_objects_are_faint(update):
    black = replace(update.observation.rectified(), rgb=np.zeros((480, 640, 3), np.uint8))
    seen = replace(update, observation=black)
    bright, faint = draw_overlay(seen), draw_overlay(replace(seen, seen=frozenset()))
    differs = (bright != faint).any(-1) & ~black.masks.any(0)
    share = faint[differs].sum(-1) / bright[differs].sum(-1)
    assert differs.sum() > 500 and np.median(share) == pytest.approx(0.45, abs=0.03)


def test_an_object_behind_the_camera_is_not_drawn(update):
    pose = np.eye(4)
    pose[:3, 3] = [0, 0, 3.0]
    item = replace(update.objects[0].item, id=99, frame_from_object=pose)
    behind = replace(update, objects=(*update.objects, scene_updates.tracked_object(item)))
    np.testing.assert_array_equal(draw_overlay(behind), draw_overlay(update))


def test_without_colour_the_depth_is_shown():
    image = draw_overlay(scene_updates.small_update())
    assert image.shape == (24, 32, 3) and len(np.unique(image)) > 2


def test_overlay_message(update, overlay):
    types = RosbagsTypes()
    made = Encoder(types, Settings()).encode(OVERLAY, update)
    message = types.deserialize(IMAGE_TYPE, types.serialize(IMAGE_TYPE, made))
    assert (message.encoding, message.step, message.is_bigendian) == ("rgb8", 1920, 0)
    assert message.header.frame_id == "camera_color_optical_frame"
    np.testing.assert_array_equal(message.data.reshape(480, 640, 3), overlay)


def test_labels_stay_inside_and_apart():
    black = np.zeros((100, 400, 3), np.uint8)
    lone = draw_labels(black, [Label("mug 1", (200, 50), (255, 0, 0))])
    size = np.count_nonzero(lone.any(-1))
    many = [Label("mug 1", center, (255, 0, 0)) for center in [(200, 50)] * 3 + [(0, 0)]]
    assert np.count_nonzero(draw_labels(black, many).any(-1)) == pytest.approx(4 * size, rel=0.05)


def test_long_labels_are_shortened():
    black = np.zeros((100, 400, 3), np.uint8)
    long, longer = (
        draw_labels(black, [Label(f"{'m' * count} 12", (200, 50), (255, 0, 0))])
        for count in (60, 90)
    )
    np.testing.assert_array_equal(long, longer)
    assert not long[:, :40].any()
