"""Worlds as files: a round trip, damaged files, a kill while one is written."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_updates import scene_object, tracked_object
from scipy.spatial.transform import Rotation

from iscene_ros.core.camera import Camera
from iscene_ros.core.errors import InputError
from iscene_ros.core.keyframe import Keyframe
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh, ObjectProperties
from iscene_ros.geometry.environment_volume import VoxelBlocks
from iscene_ros.io.world_files import ARRAYS_FILE, WORLD_FILE, World, read_world, write_world

numbers = st.floats(-10, 10, width=32)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
stamps = st.integers(0, 2**62)


def keyframe(rng, object_id) -> Keyframe:
    height, width = rng.integers(2, 9, 2)
    masks = rng.random((2, height, width)) > 0.5
    masks[:, 0, 0] = True
    view = Observation(
        depth=rng.uniform(0.3, 2, (height, width)).astype(np.float32),
        masks=masks,
        camera=Camera(int(width), int(height), np.diag([300.0, 310.0, 1.0])),
        rgb=None if object_id % 2 else rng.integers(0, 255, (height, width, 3)).astype(np.uint8),
        labels=("mug", "bowl"),
        scores=(0.25, 1.0),
        instance_ids=(object_id, object_id + 1),
        world_from_camera=None if object_id % 3 == 0 else scene_object(object_id).frame_from_object,
        stamp=float(rng.random()),
    )
    return Keyframe(view, object_id)


@st.composite
def tracked(draw, object_id):
    count = draw(st.integers(3, 6))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    vertices = rng.normal(size=(count, 3)).astype(np.float32)
    faces = rng.integers(0, count, (draw(st.integers(0, 4)), 3)).astype(np.int32)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=draw(st.integers(0, 99))).as_matrix()
    pose[:3, 3] = draw(st.tuples(numbers, numbers, numbers))
    item = replace(
        scene_object(object_id, draw(texts), Mesh(vertices, faces)),
        frame_from_object=pose,
        depth_residual=draw(st.sampled_from([0.002, float("nan")])),
        uncertainty=draw(st.none() | st.floats(0, 1)),
        vertex_observed=draw(st.sampled_from([None, rng.random(count) > 0.5])),
        vertex_colors=draw(st.sampled_from([None, np.zeros((count, 3), np.uint8) + 7])),
        vertex_sigma=draw(st.sampled_from([None, np.ones(count, np.float32)])),
        properties=draw(
            st.sampled_from([None, ObjectProperties(1e-3, np.ones(3), None)]),
        ),
    )
    made = tracked_object(item, f"{draw(texts)}_{object_id}")
    return replace(
        made,
        tracker_id=draw(texts),
        first_seen_ns=draw(stamps),
        last_seen_ns=draw(stamps),
        misses=draw(st.integers(0, 9)),
        keyframes=tuple(keyframe(rng, object_id) for _ in range(draw(st.integers(0, 2)))),
    )


@st.composite
def worlds(draw):
    ids = sorted(draw(st.sets(st.integers(1, 40), max_size=4)))
    objects = tuple(draw(tracked(object_id)) for object_id in ids)
    environment = None
    if draw(st.booleans()):
        rng = np.random.default_rng(draw(st.integers(0, 9)))
        keys = np.unique(rng.integers(-50, 50, (draw(st.integers(0, 5)), 3)), axis=0)
        shape = (len(keys), 8, 8, 8)
        distance = rng.uniform(-1, 1, shape).astype(np.float16).astype(np.float32)
        weight = rng.uniform(0, 10, shape).astype(np.float16).astype(np.float32)
        environment = VoxelBlocks(keys.astype(np.int32), distance, weight)
    next_id = max(ids, default=0) + draw(st.integers(1, 5))
    return World(draw(texts) or "map", draw(stamps), next_id, objects, environment)


def same(a, b) -> bool:
    """Whether two values are equal, arrays and dataclasses included."""
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)
        )
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.allclose(a, b, 0, 1e-12)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


@given(world=worlds())
@settings(max_examples=60, deadline=None)
def test_a_world_comes_back_as_it_was(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds") / "world"
    write_world(world, folder)
    assert same(read_world(folder), world)


def small_world() -> World:
    objects = tuple(tracked_object(scene_object(i)) for i in (1, 3))
    return World("map", 10**18, 7, objects)


def test_the_newest_of_several_is_read_and_half_ones_are_not(tmp_path):
    for number, frame in enumerate(("old", "new")):
        write_world(replace(small_world(), frame_id=frame), tmp_path / f"world_{9 - number}")
        os.utime(tmp_path / f"world_{9 - number}" / WORLD_FILE, ns=(number, number))
    (tmp_path / ".world_3.tmp").mkdir()
    (tmp_path / ".world_3.tmp" / WORLD_FILE).write_text("{")
    (tmp_path / "scene_4").mkdir()
    assert read_world(tmp_path).frame_id == "new"


def test_an_earlier_world_is_not_overwritten(tmp_path):
    write_world(small_world(), tmp_path / "world")
    with pytest.raises(InputError, match="exists already"):
        write_world(small_world(), tmp_path / "world")
    with pytest.raises(InputError, match="cannot be written"):
        write_world(small_world(), Path("/proc/nowhere/world"))


def changed(**values):
    def change(folder):
        path = folder / WORLD_FILE
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def flipped(folder):
    data = bytearray((folder / ARRAYS_FILE).read_bytes())
    data[-5] ^= 1
    (folder / ARRAYS_FILE).write_bytes(data)


def cut(name):
    def change(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return change


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (changed(version=2), "version 2, expected 1; read it with the release that wrote it"),
        (changed(version="1"), "version"),
        (changed(frame_id=""), "frame_id"),
        (changed(more=1), "more"),
        (changed(next_id=3), "not unique below 3"),
        (changed(objects=[{}]), r"objects\[0\]"),
        (flipped, "damaged or of another world"),
        (cut(ARRAYS_FILE), "damaged"),
        (cut(WORLD_FILE), "truncated"),
        (lambda folder: (folder / WORLD_FILE).write_text("[]"), "not of type 'object'"),
        (lambda folder: (folder / ARRAYS_FILE).unlink(), "cannot be read"),
        (lambda folder: (folder / WORLD_FILE).unlink(), "holds no world"),
    ],
)
def test_damaged_files_are_named(tmp_path, damage, says):
    write_world(small_world(), tmp_path / "world")
    damage(tmp_path / "world")
    with pytest.raises(InputError, match=says) as error:
        read_world(tmp_path / "world")
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


@given(
    where=st.floats(0, 1), bit=st.integers(0, 7), name=st.sampled_from([WORLD_FILE, ARRAYS_FILE])
)
@settings(max_examples=60, deadline=None)
def test_any_flipped_bit_is_an_error_or_a_valid_world(where, bit, name, tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds") / "world"
    write_world(small_world(), folder)
    data = bytearray((folder / name).read_bytes())
    data[int(where * (len(data) - 1))] ^= 1 << bit
    (folder / name).write_bytes(data)
    try:
        world = read_world(folder)
    except InputError:
        return
    assert name == WORLD_FILE and len(world.objects) == 2


def test_nothing_is_there_says_so(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match=str(path)):
            read_world(path)


ENDLESS_SAVING = """
import sys
from pathlib import Path
from test_world_files import small_world, replace, scene_object, tracked_object
from iscene_ros.io.world_files import write_world
objects = tuple(tracked_object(scene_object(i)) for i in range(1, 60))
world = replace(small_world(), objects=objects, next_id=60)
for number in range(10**6):
    write_world(world, Path(sys.argv[1]) / f"world_{number}")
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [0.0, 0.003, 0.01])
def test_a_kill_while_saving_leaves_no_half_folder(tmp_path, after):
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "helpers"), *sys.path]
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS_SAVING, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    for _ in range(3):
        assert process.stdout.readline()
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    visible = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert len(visible) >= 3
    for folder in visible:
        assert len(read_world(folder).objects) == 59
    assert len(read_world(tmp_path).objects) == 59
