import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import frame_files
import numpy as np
import pytest
from PIL import Image

from iscene_ros.core.errors import InputError
from iscene_ros.io.frame_io import FrameFiles, read_observation

K = frame_files.K


@pytest.fixture
def files(tmp_path: Path) -> FrameFiles:
    return frame_files.write_frame(tmp_path)


def test_reads_png_frame(files):
    observation = read_observation(files)
    np.testing.assert_allclose(observation.depth, frame_files.depth_mm() / 1000, rtol=1e-6)
    assert observation.instance_ids == (1, 7)
    assert observation.labels == ("mug", "bowl")
    assert observation.scores == (1.0, 0.5)
    np.testing.assert_array_equal(observation.masks[1], frame_files.id_image() == 7)
    np.testing.assert_array_equal(observation.rgb, np.asarray(Image.open(files.rgb)))
    assert observation.world_from_camera is None


def test_reads_metres_stack_pose_and_list(files, tmp_path):
    depth = frame_files.depth_mm().astype(np.float32) / 1000
    depth[0, 0] = np.nan
    np.save(tmp_path / "depth.npy", depth)
    overlapping = np.ones((2, *depth.shape), np.uint8)
    overlapping[1, :20] = 0
    np.savez(tmp_path / "masks.npz", overlapping)
    document = frame_files.camera_document() | {
        "world_from_camera": frame_files.WORLD_FROM_CAMERA,
        "d": [0.1, 0, 0, 0, 0],
        "stamp": 12.5,
    }
    files.camera.write_text(json.dumps(document))
    files.labels.write_text('["mug", "bowl"]')
    files = replace(files, depth=tmp_path / "depth.npy", masks=tmp_path / "masks.npz")
    observation = read_observation(files)
    np.testing.assert_array_equal(observation.masks, overlapping)
    assert observation.instance_ids == (1, 2) and not observation.warnings
    assert observation.labels == ("mug", "bowl")
    assert observation.depth[0, 0] == 0 and observation.stamp == 12.5
    np.testing.assert_allclose(observation.gravity_camera, [0, 1, 0])
    np.testing.assert_allclose(observation.camera.d, [0.1, 0, 0, 0, 0])


def test_jpeg_16_bit_masks_and_palette(files, tmp_path):
    Image.open(files.rgb).save(tmp_path / "rgb.jpg")
    ids = frame_files.id_image().astype(np.uint16) * 300
    Image.fromarray(ids).save(files.masks)
    observation = read_observation(replace(files, rgb=tmp_path / "rgb.jpg", labels=None))
    assert observation.instance_ids == (300, 2100)
    assert observation.labels == ("object", "object")
    palette = Image.fromarray(frame_files.id_image()).convert("P")
    palette.putpalette(list(range(256)) * 3)
    palette.save(files.masks)
    assert read_observation(files).instance_ids == (1, 7)


def test_depth_and_colour_may_be_left_out(files):
    observation = read_observation(replace(files, depth=None, rgb=None))
    assert not observation.has_depth and observation.rgb is None
    assert observation.instance_ids == (1, 7) and observation.masks.any()
    files.masks.write_bytes(files.rgb.read_bytes())
    with pytest.raises(InputError, match="masks.png: masks of mode RGB"):
        read_observation(replace(files, depth=None))


def test_steps_of_a_depth_image_may_have_another_unit(files, tmp_path):
    tenths = frame_files.depth_mm() * 10
    Image.fromarray(tenths).save(files.depth)
    np.save(tmp_path / "depth.npy", tenths.astype(np.int32))
    expected = frame_files.depth_mm() / 1000
    for depth in (files.depth, tmp_path / "depth.npy"):
        named = read_observation(replace(files, depth=depth, depth_unit=1e-4))
        np.testing.assert_allclose(named.depth, expected, rtol=1e-6)
    _camera(depth_unit=1e-4)(files)
    np.testing.assert_allclose(read_observation(files).depth, expected, rtol=1e-6)


def test_saturated_depth_is_no_reading(files):
    depth = frame_files.depth_mm()
    depth[frame_files.id_image() == 0] = 65535
    Image.fromarray(depth).save(files.depth)
    observation = read_observation(files)
    known = frame_files.id_image() > 0
    np.testing.assert_allclose(observation.depth, np.where(known, depth / 1000, 0), rtol=1e-6)


def test_masks_that_are_nearly_the_same_are_one(files, tmp_path):
    mug, bowl = frame_files.id_image() == 1, frame_files.id_image() == 7
    np.savez(tmp_path / "masks.npz", np.stack([np.roll(mug, 1, axis=1), bowl, mug]))
    files.labels.write_text(
        '[{"label": "pot", "score": 0.4}, "bowl", {"label": "mug", "score": 1}]'
    )
    observation = read_observation(replace(files, masks=tmp_path / "masks.npz"))
    assert observation.labels == ("bowl", "mug") and observation.instance_ids == (2, 3)
    assert "instances 1 and 3 are nearly the same" in observation.warnings[0]


def test_json_may_begin_with_a_byte_order_mark(files):
    for path in (files.camera, files.labels):
        path.write_text(path.read_text(), "utf-8-sig")
    assert read_observation(files).labels == ("mug", "bowl")


COLUMN_MAJOR = np.reshape(K, (3, 3)).T.ravel().tolist()
CAMERA_FILES = {
    "fx.json": {"fx": 60.0, "fy": 60.0, "cx": 31.5, "cy": 23.5},
    "librealsense.json": {
        **{"fx": 60.0, "fy": 60.0, "ppx": 31.5, "ppy": 23.5},
        **{"coeffs": [0.0] * 5, "model": "distortion.inverse_brown_conrady"},
    },
    "bop.json": {"fx": 60.0, "fy": 60.0, "cx": 31.5, "cy": 23.5, "depth_scale": 1.0},
    "open3d.json": {"intrinsic_matrix": COLUMN_MAJOR},
    "open3d_parameters.json": {
        "class_name": "PinholeCameraParameters",
        "version_major": 1,
        "intrinsic": {"width": 64, "height": 48, "intrinsic_matrix": COLUMN_MAJOR},
        "extrinsic": np.eye(4).ravel().tolist(),
    },
    "calibration.yaml": {
        "image_width": 64,
        "image_height": 48,
        "camera_name": "narrow",
        "camera_matrix": {"rows": 3, "cols": 3, "data": K},
        "distortion_model": "plumb_bob",
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.0] * 5},
        "rectification_matrix": {"rows": 3, "cols": 3, "data": [1, 0, 0, 0, 1, 0, 0, 0, 1]},
    },
    "ros1.yaml": {"header": {}, "distortion_model": "plumb_bob", "D": [], "K": K, "R": [], "P": []},
}


@pytest.mark.parametrize("name", CAMERA_FILES)
def test_camera_files_of_other_programs_are_read(files, tmp_path, name):
    sizes = {} if "parameters" in name or "calib" in name else {"width": 64, "height": 48}
    path = tmp_path / name
    # JSON is YAML; `ros2 topic echo` ends a document with a line.
    path.write_text(json.dumps(CAMERA_FILES[name] | sizes) + ("\n---\n" if ".yaml" in name else ""))
    observation = read_observation(replace(files, camera=path))
    np.testing.assert_array_equal(observation.camera.k, np.reshape(K, (3, 3)))
    has_pose = "extrinsic" in CAMERA_FILES[name]
    assert (observation.world_from_camera is not None) == has_pose


def test_distortion_is_that_of_camera_info(files):
    rational = [0.1, -0.05, 0, 0, 0.01, 0, 0, 0.02]
    _camera(distortion_model="rational_polynomial", d=[*rational, 0, 0, 0, 0])(files)
    np.testing.assert_array_equal(read_observation(files).camera.d, rational)
    _camera(distortion_model="equidistant", d=[0.0] * 4)(files)
    assert read_observation(files).camera.is_rectified


def _camera(**changes: object) -> Callable[[FrameFiles], None]:
    def damage(files: FrameFiles) -> None:
        files.camera.write_text(json.dumps(frame_files.camera_document() | changes))

    return damage


def _image(field: str, array: np.ndarray) -> Callable[[FrameFiles], None]:
    return lambda files: Image.fromarray(array).save(getattr(files, field))


def _text(field: str, text: str) -> Callable[[FrameFiles], None]:
    return lambda files: getattr(files, field).write_text(text)


def _truncated(field: str, size: int = 60) -> Callable[[FrameFiles], None]:
    def damage(files: FrameFiles) -> None:
        path = getattr(files, field)
        path.write_bytes(path.read_bytes()[:size])

    return damage


def _missing(field: str) -> Callable[[FrameFiles], None]:
    return lambda files: getattr(files, field).unlink()


SCALED_POSE = [2.0 * value for value in frame_files.WORLD_FROM_CAMERA[:12]] + [0, 0, 0, 1]
BAD_FRAMES = {
    "rgb missing": ("rgb", _missing("rgb"), "no such file"),
    "depth missing": ("depth", _missing("depth"), "no such file"),
    "masks missing": ("masks", _missing("masks"), "no such file"),
    "camera missing": ("camera", _missing("camera"), "no such file"),
    "labels missing": ("labels", _missing("labels"), "no such file"),
    "rgb truncated": ("rgb", _truncated("rgb", 3000), "truncated"),
    "depth truncated": ("depth", _truncated("depth"), "truncated"),
    "masks truncated": ("masks", _truncated("masks"), "truncated"),
    "masks empty file": ("masks", _truncated("masks", 0), "truncated"),
    "camera truncated": ("camera", _truncated("camera", 20), "truncated"),
    "labels truncated": ("labels", _truncated("labels", 5), "truncated"),
    "rgb size": ("rgb", _image("rgb", np.zeros((48, 63, 3), np.uint8)), "63 x 48"),
    "depth size": ("depth", _image("depth", np.ones((47, 64), np.uint16)), "64 x 47"),
    "masks size": ("masks", _image("masks", np.ones((24, 32), np.uint8)), "32 x 24"),
    "depth 8 bit": ("depth", _image("depth", np.ones((48, 64), np.uint8)), "16 bit"),
    "depth rgb": ("depth", _image("depth", np.ones((48, 64, 3), np.uint8)), "16 bit"),
    "depth zero": ("depth", _image("depth", np.zeros((48, 64), np.uint16)), "not one reading"),
    "depth in m": ("depth", _image("depth", np.ones((48, 64), np.uint16)), "metres read as mill"),
    "masks rgb": ("masks", _image("masks", np.ones((48, 64, 3), np.uint8)), "one channel"),
    "masks empty": ("masks", _image("masks", np.zeros((48, 64), np.uint8)), "all empty"),
    "masks are depth": (
        "masks",
        _image("masks", np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)),
        "more than",
    ),
    "label without pixel": ("labels", _text("labels", '{"1": "mug", "9": "fork"}'), "id 9"),
    "label count": ("labels", _text("labels", '["mug"]'), "1 labels for 2"),
    "label key": ("labels", _text("labels", '{"mug": "1"}'), "no instance id"),
    "label value": ("labels", _text("labels", '{"1": 3}'), "id 1"),
    "label score": ("labels", _text("labels", '{"1": {"label": "a", "score": 7}}'), "id 1"),
    "label type": ("labels", _text("labels", "3"), "neither"),
    "camera no json": ("camera", _text("camera", "width: 64"), "truncated or no such format"),
    "camera no object": ("camera", _text("camera", "[]"), "not an object"),
    "camera typo": ("camera", _camera(world_from_cam=[]), "unknown field 'world_from_cam'"),
    "camera no width": ("camera", _camera(width=None), "width"),
    "camera float width": ("camera", _camera(width=64.5), "width"),
    "camera height 0": ("camera", _camera(height=0), "height"),
    "k short": ("camera", _camera(k=K[:8]), "8 numbers, expected 9"),
    "k text": ("camera", _camera(k=["1"] * 9), "k:"),
    "k ragged": ("camera", _camera(k=[[1, 2], [3]]), "ragged"),
    "k nan": ("camera", _camera(k=[float("nan"), *K[1:]]), "not finite"),
    "k inf": ("camera", _camera(k=[float("inf"), *K[1:]]), "not finite"),
    "k singular": ("camera", _camera(k=[0, 0, 0, *K[3:]]), "singular"),
    "k of a projection": ("camera", _camera(k=[*K[:8], 2]), "last row"),
    "d count": ("camera", _camera(d=[0.1] * 8), "D has 8 numbers, expected 5 for plumb_bob"),
    "d too many": ("camera", _camera(d=[0.1] * 40), "d: 40 numbers"),
    "k identity": ("camera", _camera(k=[1, 0, 0, 0, 1, 0, 0, 0, 1]), "no camera has"),
    "k in shares": (
        "camera",
        _camera(k=[0.9, 0, 0.5, 0, 1.2, 0.5, 0, 0, 1]),
        "shares of the image",
    ),
    "k one focal length": (
        "camera",
        _camera(k=[60.0, 0, 31, 0, 0.6, 23, 0, 0, 1]),
        "no camera has",
    ),
    "fx without cy": (
        "camera",
        _text("camera", '{"width": 64, "height": 48, "fx": 60, "fy": 60, "cx": 31.5}'),
        "cy: missing beside fx and fy",
    ),
    "another name of k": (
        "camera",
        _text("camera", '{"width": 64, "height": 48, "intrinsics": [60, 60, 31, 23]}'),
        "unknown field 'intrinsics' and no 'k'",
    ),
    "depth unit": ("camera", _camera(depth_unit=1000), "depth_unit: 1000.0 m, expected"),
    "fisheye": ("camera", _camera(distortion_model="equidistant", d=[0.1] * 4), "plumb_bob"),
    "pose short": ("camera", _camera(world_from_camera=[1, 2]), "2 numbers, expected 16"),
    "pose scaled": ("camera", _camera(world_from_camera=SCALED_POSE), "not a rigid transform"),
    "pose mirrored": (
        "camera",
        _camera(world_from_camera=np.diag([-1.0, 1, 1, 1]).ravel().tolist()),
        "not a rigid transform",
    ),
    "pose column major": (
        "camera",
        _camera(world_from_camera=[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1]),
        "row major",
    ),
    "pose nan": ("camera", _camera(world_from_camera=[float("nan")] * 16), "not finite"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frame_is_named_in_one_line(files, name):
    field, damage, expected = BAD_FRAMES[name]
    damage(files)
    with pytest.raises(InputError) as caught:
        read_observation(files)
    message = str(caught.value)
    assert expected in message
    assert str(getattr(files, field)) in message or message.startswith("depth_unit: ")
    assert "\n" not in message


BAD_DEPTHS = {
    "millimetres": (frame_files.depth_mm().astype(np.float32), "look like millimetres"),
    "integers": (frame_files.depth_mm(), "dtype uint16"),
    "three axes": (np.ones((48, 64, 1), np.float32), "shape (48, 64, 1)"),
    "objects": (np.array([[{}]]), "no such format"),
    "negative": (np.full((48, 64), -1, np.float32), "sign"),
    "nan": (np.full((48, 64), np.nan, np.float32), "not one reading"),
    "infinite": (np.full((48, 64), np.inf, np.float32), "not one reading"),
}


@pytest.mark.parametrize("name", BAD_DEPTHS)
def test_bad_metres(files, tmp_path, name):
    depth, expected = BAD_DEPTHS[name]
    path = tmp_path / "depth.npy"
    np.save(path, depth, allow_pickle=True)
    with pytest.raises(InputError) as caught:
        read_observation(replace(files, depth=path))
    assert str(path) in str(caught.value) and expected in str(caught.value)


FULL = np.ones((2, 48, 64), bool)
BAD_STACKS = {
    "all empty": ({"masks": ~FULL}, "all empty"),
    "one empty": ({"masks": FULL & np.array([True, False])[:, None, None]}, "instance id 2"),
    "no instance": ({"masks": FULL[:0]}, "all empty"),
    "one mask": ({"masks": FULL[0]}, "expected (N, H, W)"),
    "floats": ({"masks": FULL.astype(np.float32)}, "float32"),
    "two arrays": ({"a": FULL, "b": FULL}, "arrays ['a', 'b']"),
    "size": ({"masks": FULL[:, ::2]}, "64 x 24"),
}


@pytest.mark.parametrize("name", BAD_STACKS)
def test_bad_stack(files, tmp_path, name):
    arrays, expected = BAD_STACKS[name]
    path = tmp_path / "masks.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError) as caught:
        read_observation(replace(files, masks=path))
    assert str(path) in str(caught.value) and expected in str(caught.value)


def test_truncated_arrays(files, tmp_path):
    depth, masks = tmp_path / "depth.npy", tmp_path / "masks.npz"
    np.save(depth, np.ones((48, 64), np.float32))
    np.savez_compressed(masks, masks=FULL)
    for field, path in (("depth", depth), ("masks", masks)):
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(InputError, match=f"{path.name}: truncated"):
            read_observation(replace(files, labels=None, **{field: path}))


@pytest.mark.parametrize("field", ["depth", "masks"])
def test_unknown_suffix(files, tmp_path, field):
    path = tmp_path / "image.tiff"
    with pytest.raises(InputError, match="image.tiff: .* of type .tiff"):
        read_observation(replace(files, **{field: path}))


def test_gravity_is_a_direction_and_excludes_a_pose(files):
    observation = read_observation(files, gravity_camera=(0, 2, 0))
    np.testing.assert_allclose(observation.gravity_camera, [0, 1, 0])
    with pytest.raises(InputError, match="--gravity: "):
        read_observation(files, gravity_camera=(0, 0, 0))
    _camera(world_from_camera=frame_files.WORLD_FROM_CAMERA)(files)
    with pytest.raises(InputError, match="drop it or --gravity"):
        read_observation(files, gravity_camera=(0, 1, 0))
