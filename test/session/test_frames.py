"""From synchronised messages to an observation: classes, boxes, polygons, limits, rejections."""

import time
from dataclasses import replace

import numpy as np
import pytest
from session_inputs import CAMERA_FRAME, START_NS, frame_messages

from iscene_ros.core.camera import Camera
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.session.frames import PosedFrame, TrackedObservation, observe
from iscene_ros.session.inputs import (
    ColorImage,
    DepthImage,
    Detection,
    Detections,
    InstanceImage,
    Intrinsics,
)
from iscene_ros.session.rejection import RejectedInputError, RejectReason
from iscene_ros.session.settings import Settings
from iscene_ros.session.synchronizer import SyncedInputs

HEIGHT, WIDTH = 24, 32
CAMERA = Camera(WIDTH, HEIGHT, np.array([[30.0, 0, 15.5], [0, 30, 11.5], [0, 0, 1]]))
ANY_SIZE = Settings(min_pixels=1)
FROM_POLYGONS = Settings(min_pixels=1, masks_from="detections", detections="yolo_msgs")


def labels(**regions: tuple[slice, slice]) -> np.ndarray:
    """(H, W) int32 label image of regions named id1, id2, ..."""
    ids = np.zeros((HEIGHT, WIDTH), np.int32)
    for name, region in regions.items():
        ids[region] = int(name.removeprefix("id"))
    return ids


TWO = labels(id7=np.s_[2:10, 4:12], id3=np.s_[12:20, 20:30])


def frame(ids=TWO, detections=None, classes=(), depth=None, rgb=None, camera=CAMERA, **changes):
    depth = np.ones((HEIGHT, WIDTH), np.float32) if depth is None else depth
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8) if rgb is None else rgb
    where = START_NS, CAMERA_FRAME
    inputs = SyncedInputs(
        depth=DepthImage(*where, depth),
        instances=None if ids is None else InstanceImage(*where, ids, classes),
        detections=None if detections is None else Detections(*where, tuple(detections)),
        color=ColorImage(*where, rgb),
    )
    made = PosedFrame(inputs, Intrinsics(*where, camera), "map", None)
    return replace(made, **changes)


def box(u, v, width, height) -> np.ndarray:
    return np.array([u, v, width, height], np.float64)


def rejection(frame: PosedFrame, settings: Settings = ANY_SIZE) -> RejectedInputError:
    with pytest.raises(RejectedInputError) as caught:
        observe(frame, settings)
    return caught.value


def areas(tracked: TrackedObservation) -> list[int]:
    return tracked.observation.masks.sum(axis=(1, 2)).tolist()


def test_every_id_of_the_label_image_is_an_instance_ascending():
    tracked = observe(frame(), ANY_SIZE)
    observation = tracked.observation
    assert areas(tracked) == [80, 64]
    np.testing.assert_array_equal(observation.masks, [TWO == 3, TWO == 7])
    assert observation.instance_ids == (1, 2) and tracked.tracker_ids == ("", "")
    assert observation.labels == ("object", "object") and observation.scores == (1.0, 1.0)
    assert observation.stamp == START_NS / 1e9


def test_the_real_frame_comes_through():
    real = arc2017_observation()
    intrinsics, color, depth, instances = frame_messages(real)
    inputs = SyncedInputs(depth=depth, instances=instances, color=color)
    observation = observe(PosedFrame(inputs, intrinsics, "map", None), Settings()).observation
    assert len(observation.masks) == 8 and observation.camera.is_rectified
    np.testing.assert_array_equal(observation.rgb, real.rectified().rgb)


def test_classes_of_the_label_image_are_named_or_numbered():
    named = Settings(min_pixels=1, class_names=("background", "mug"))
    tracked = observe(frame(classes=((3, 1), (7, 5))), named)
    assert tracked.observation.labels == ("mug", "class_5")


def test_a_label_image_without_instances_is_an_empty_view():
    tracked = observe(frame(labels()), ANY_SIZE)
    assert tracked.observation.masks.shape == (0, HEIGHT, WIDTH) and tracked.tracker_ids == ()


def test_detections_describe_the_instance_whose_box_fits_best():
    detections = [
        Detection("bowl", 0.9, "b", box(25, 16, 10, 8)),
        Detection("mug", 0.8, "a", box(8, 6, 8, 8)),
        Detection("ghost", 0.7, "c", box(28, 2, 4, 4)),
    ]
    tracked = observe(frame(detections=detections), ANY_SIZE)
    assert tracked.observation.labels == ("bowl", "mug")
    assert tracked.observation.scores == (0.9, 0.8) and tracked.tracker_ids == ("b", "a")


def test_each_detection_describes_one_instance_so_that_all_fit_together():
    ids = labels(id1=np.s_[4:12, 4:14], id2=np.s_[4:12, 14:24])
    shared = Detection("shared", 0.9, "s", box(14, 8, 10, 8))
    right = Detection("right", 0.8, "r", box(19, 8, 10, 8))
    for order in ([shared, right], [right, shared]):
        assert observe(frame(ids, order), ANY_SIZE).observation.labels == ("shared", "right")


def test_boxes_that_do_not_fit_take_nothing_from_one_that_does():
    ids = labels(id1=np.s_[4:12, 6:16], id2=np.s_[4:12, 16:24])
    fits = Detection("fits", 0.9, "", box(15, 8, 10, 8))
    beside = Detection("beside", 0.8, "", box(5.5, 8, 10, 8))
    tracked = observe(frame(ids, [fits, beside]), ANY_SIZE)
    assert tracked.observation.labels == ("fits", "object")


def test_a_detection_far_off_or_without_box_describes_nothing():
    detections = [Detection("mug", 0.8, "a", box(14, 6, 8, 8)), Detection("bowl", 0.9, "b")]
    tracked = observe(frame(detections=detections), ANY_SIZE)
    assert tracked.observation.labels == ("object", "object") and tracked.tracker_ids == ("", "")


def test_a_detection_without_class_leaves_that_of_the_label_image():
    named = Settings(min_pixels=1, class_names=("mug",))
    detections = [Detection("", 0.5, "t", box(8, 6, 8, 8))]
    tracked = observe(frame(detections=detections, classes=((7, 0),)), named)
    assert tracked.observation.labels == ("object", "mug") and tracked.tracker_ids == ("", "t")


def test_too_small_and_too_unsure_instances_are_left_out_with_a_warning():
    detections = [
        Detection("mug", 0.2, "a", box(8, 6, 8, 8)),
        Detection("bowl", 0.9, "b", box(25, 16, 10, 8)),
    ]
    ids = TWO.copy()
    ids[0, 0] = 9
    tracked = observe(frame(ids, detections), Settings(min_pixels=2, min_score=0.5))
    assert areas(tracked) == [80] and tracked.observation.warnings == (
        "min_pixels, min_score: 2 instances left out",
    )
    np.testing.assert_array_equal(tracked.left_out, (ids == 7) | (ids == 9))
    assert observe(frame(ids), ANY_SIZE).left_out is None


def test_of_too_many_instances_the_largest_are_completed():
    ids = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((8, 8))).astype(np.int32)
    ids[:, :4][ids[:, :4] > 0] = 0
    tracked = observe(frame(ids), Settings(max_instances=9))
    assert areas(tracked) == [64] * 9
    assert "max_instances: the 9 largest of 12" in tracked.observation.warnings[0]


def test_polygons_are_filled():
    square = np.array([[4, 2], [11, 2], [11, 9], [4, 9]], np.float64)
    detections = [Detection("mug", 0.8, "a", None, square), Detection("line", 0.9, "b")]
    tracked = observe(frame(None, detections), FROM_POLYGONS)
    np.testing.assert_array_equal(tracked.observation.masks, [TWO == 7])
    assert tracked.observation.labels == ("mug",) and tracked.tracker_ids == ("a",)


def test_polygons_of_another_image_size_are_scaled_or_refused():
    square = np.array([[4, 2], [11, 2], [11, 9], [4, 9]], np.float64)
    same = Detection("mug", 0.8, "a", None, square, mask_size=(HEIGHT, WIDTH))
    larger = replace(same, polygon=2 * square + 0.5, mask_size=(2 * HEIGHT, 2 * WIDTH))
    for detection in (same, larger):
        masks = observe(frame(None, [detection]), FROM_POLYGONS).observation.masks
        np.testing.assert_array_equal(masks, [TWO == 7])
    letterboxed = replace(same, mask_size=(WIDTH, WIDTH))
    error = rejection(frame(None, [same, letterboxed]), FROM_POLYGONS)
    assert error.reason == RejectReason.SIZE and "another shape" in str(error)


def test_of_two_detections_of_one_thing_the_better_stays():
    square = np.array([[4, 2], [14, 2], [14, 12], [4, 12]], np.float64)
    found = [
        Detection("bowl", 0.6, "b", None, square + 0.6),
        Detection("cup", 0.9, "c", None, square),
        Detection("spoon", 0.5, "s", None, square[:3]),
    ]
    observation = observe(frame(None, found), FROM_POLYGONS).observation
    assert observation.labels == ("cup", "spoon")
    assert observation.warnings == (
        "duplicates: 1 detections have nearly the mask of another one, such as bowl and cup; the "
        "better stays",
    )


IN_PIXELS = np.array([[8, 6, 8, 8], [25, 16, 10, 8]], np.float64)
FOREIGN_BOXES = {
    "corners": np.column_stack(
        [IN_PIXELS[:, :2] - IN_PIXELS[:, 2:] / 2, IN_PIXELS[:, :2] + IN_PIXELS[:, 2:] / 2]
    ),
    "shares of the image": IN_PIXELS / [WIDTH, HEIGHT, WIDTH, HEIGHT],
    "network's picture": IN_PIXELS * 20,
    "belong to the segmented image": IN_PIXELS[:1] * [3, 3, 0.5, 0.5],
}


@pytest.mark.parametrize("reason", FOREIGN_BOXES)
def test_boxes_of_which_none_fits_are_told_and_no_score_is_made_up(reason):
    detections = [Detection("mug", 0.9, "", b) for b in FOREIGN_BOXES[reason]]
    observation = observe(frame(detections=detections), ANY_SIZE).observation
    (warning,) = observation.warnings
    assert warning.startswith("detections: none of ") and reason in warning
    assert observation.labels == ("object", "object") and observation.scores == (0, 0)
    sure = replace(ANY_SIZE, min_score=0.5)
    assert len(observe(frame(detections=detections), sure).observation.masks) == 0


def test_an_image_without_detections_describes_nothing_and_warns_of_nothing():
    observation = observe(frame(detections=[]), ANY_SIZE).observation
    assert observation.scores == (0, 0) and observation.warnings == ()


def test_a_polygon_that_leaves_the_image_keeps_the_slope_of_its_edges():
    # The corner far to the right must not bend the lower edge, which runs along v = 12 + u / 8.
    triangle = np.array([[0, 12], [800, 12], [800, 112]], np.float64)
    mask = observe(frame(None, [Detection("x", 1, "", None, triangle)]), FROM_POLYGONS)
    rows, columns = np.nonzero(mask.observation.masks[0])
    assert rows.min() == 12 and columns.max() == WIDTH - 1
    assert np.all(rows - 12 <= columns / 8 + 1) and rows.max() == 15


@pytest.mark.parametrize("far", [1e6, 1e12])
def test_far_corners_are_filled_in_no_time(far):
    everything = np.array([[-far, -far], [far, -far], [far, far], [-far, far]])
    started = time.perf_counter()
    tracked = observe(frame(None, [Detection("x", 1, "", None, everything)]), FROM_POLYGONS)
    assert areas(tracked) == [HEIGHT * WIDTH] and time.perf_counter() - started < 1


def test_polygons_outside_the_image_are_no_instances():
    outside = np.array([[100, 100], [110, 100], [110, 110]], np.float64)
    tracked = observe(frame(None, [Detection("x", 1, "", None, outside)]), FROM_POLYGONS)
    assert len(tracked.observation.masks) == 0


@pytest.mark.parametrize("what", ["depth", "rgb", "instances"])
def test_images_of_another_size_than_the_calibration_are_refused(what):
    wrong = {
        "depth": frame(depth=np.ones((HEIGHT, WIDTH - 1), np.float32)),
        "rgb": frame(rgb=np.zeros((HEIGHT + 2, WIDTH, 3), np.uint8)),
        "instances": frame(np.ones((HEIGHT // 2, WIDTH // 2), np.int32)),
    }
    error = rejection(wrong[what])
    assert error.reason == RejectReason.SIZE
    assert str(error).startswith(f"{what}: ") and f"{WIDTH} x {HEIGHT}" in str(error)


@pytest.mark.parametrize("value, hint", [(0, "not one reading"), (np.nan, "not one"), (800, "mm")])
def test_depth_without_metres_is_refused(value, hint):
    error = rejection(frame(depth=np.full((HEIGHT, WIDTH), value, np.float32)))
    assert error.reason == RejectReason.OBSERVATION and hint in str(error).replace(
        "millimetres", "mm"
    )


def test_a_distorted_view_is_rectified_once_and_for_all():
    camera = Camera(WIDTH, HEIGHT, CAMERA.k, np.array([0.3, 0, 0, 0, 0]))
    observation = observe(frame(camera=camera), ANY_SIZE).observation
    assert observation.camera.is_rectified
    assert observation.rectified() is observation
    assert not np.array_equal(observation.masks, [TWO == 3, TWO == 7])


def test_the_pose_of_the_frame_is_that_of_the_observation():
    pose = np.eye(4)
    pose[:3, 3] = 1, 2, 3
    observation = observe(frame(frame_from_camera=pose), ANY_SIZE).observation
    np.testing.assert_array_equal(observation.world_from_camera, pose)
    assert observe(frame(), ANY_SIZE).observation.world_from_camera is None
