"""A model that fails: the last good scene stays, is reported, and the next frame may complete."""

import argparse
from copy import copy
from dataclasses import replace

import frame_files
import numpy as np
import pytest
from fake_completer import FakeCompleter
from session_driver import Driver, view
from table_scene import Thing

from iscene_ros.cli import complete as complete_command
from iscene_ros.core.errors import ModelError
from iscene_ros.models.base import DEFAULT_REQUEST
from iscene_ros.session import object_map
from iscene_ros.session.out_of_memory import OutOfMemoryFallback, is_out_of_memory
from iscene_ros.session.rejection import RejectReason


class FailingCompleter(FakeCompleter):
    """Raises a given error, or returns a broken scene."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.spoil = lambda scene: scene

    def complete(self, observation, request=DEFAULT_REQUEST, progress=None):
        if self.error is not None:
            # The traceback of the one that a test holds would keep the session until the end.
            raise copy(self.error)
        return self.spoil(super().complete(observation, request))


def spoiled(**changes):
    """A change of the last object of a scene."""

    def spoil(scene):
        last = scene.objects[-1]
        made = {name: change(getattr(last, name)) for name, change in changes.items()}
        return replace(scene, objects=(*scene.objects[:-1], replace(last, **made)))

    return spoil


NAN_MESH = spoiled(mesh=lambda m: replace(m, vertices=m.vertices * np.float32(np.nan)))
NAN_POSE = spoiled(frame_from_object=lambda pose: pose * np.nan)
BROKEN_FACES = spoiled(mesh=lambda m: replace(m, faces=m.faces + 10**6))


def forgetful(scene):
    return replace(scene, objects=scene.objects[:-1])


def without_observation(scene):
    return replace(scene, observation=None)


@pytest.fixture
def completer() -> FailingCompleter:
    return FailingCompleter()


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA error:\n launch failed"), ModelError("not finite"), KeyError(3)]
)
def test_an_error_of_the_model_leaves_the_last_scene_and_the_next_frame_completes(completer, error):
    driver = Driver(completer, fusion=False)  # each frame is completed
    good = driver.step(0)
    completer.error = error
    assert driver.step(100) is None
    assert driver.session.update is good and driver.rejected == {RejectReason.MODEL: 1}
    status = driver.status(100)
    assert status.level == "error" and "last good scene stays" in status.summary
    assert len(driver.lines) == 1 and "\n" not in driver.lines[0] + status.summary
    completer.error = None
    assert driver.step(200).seen == good.seen
    assert driver.status(200).level == "ok"


@pytest.mark.parametrize(
    "spoil", [NAN_MESH, NAN_POSE, BROKEN_FACES, forgetful, without_observation]
)
def test_a_broken_scene_does_not_change_the_map(completer, spoil):
    driver = Driver(completer)
    driver.step(0, view([Thing(-0.1, 0)]))
    before = driver.session.update
    completer.spoil = spoil
    for i in range(8):
        assert driver.step(100 + 100 * i) is None
    assert driver.session.update is before and driver.rejected == {RejectReason.MODEL: 8}
    completer.spoil = lambda scene: scene
    update = driver.step(1000)
    assert [k.id for k in update.objects] == [1, 2] and update.removed == ()
    assert update.objects[0].misses == 0


def test_an_error_during_an_update_leaves_the_map_unchanged(monkeypatch):
    driver = Driver(forget_after=2)
    before = driver.step(0)

    def fail(*args):
        raise ZeroDivisionError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(object_map, "scene_update", fail)
        for i in range(4):
            assert driver.step(100 + i, view([Thing(0.4, 0.1)])) is None
    assert driver.session.update is before and driver.rejected == {RejectReason.MODEL: 4}
    update = driver.step(200)
    assert [(k.id, k.misses) for k in update.objects] == [(1, 0), (2, 0)]
    assert update.removed == ()


class SmallGpu(FakeCompleter):
    """Completes at most so many objects at once."""

    def __init__(self, device: str, fits: int, error: Exception) -> None:
        self.device, self.fits, self.error = device, fits, error
        self.objects_at_once = 8

    def with_objects_at_once(self, count: int):
        smaller = copy(self)
        smaller.objects_at_once = count
        return smaller

    def complete(self, observation, request=DEFAULT_REQUEST, progress=None):
        if self.objects_at_once > self.fits:
            raise copy(self.error)
        return super().complete(observation, request)


CUDA_ERROR = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


def recovering(gpu_fits: int, cpu_fits: int = 99, error: Exception = CUDA_ERROR, device="auto"):
    warnings, loaded = [], []

    def load(device: str) -> SmallGpu:
        loaded.append(device)
        return SmallGpu(device, cpu_fits if device == "cpu" else gpu_fits, error)

    return OutOfMemoryFallback(load, device, warnings.append), warnings, loaded


def test_a_full_gpu_is_given_smaller_batches_which_stay_small():
    completer, warnings, loaded = recovering(gpu_fits=2)
    driver = Driver(completer)
    assert driver.step(0) is not None and driver.rejected == {}
    assert completer.completer.objects_at_once == 2 and loaded == ["auto"]
    assert [line.split("now ")[1][0] for line in warnings] == ["4", "2"]
    assert driver.step(100) is not None and len(warnings) == 2


def test_when_one_object_is_too_much_the_cpu_takes_over_for_good():
    completer, warnings, loaded = recovering(gpu_fits=0)
    driver = Driver(completer)
    assert driver.step(0) is not None and driver.step(100) is not None
    assert loaded == ["auto", "cpu"] and "on the CPU" in warnings[-1] and len(warnings) == 4


def test_weights_that_do_not_fit_on_the_gpu_go_to_the_cpu():
    warnings = []

    def load(device: str) -> FakeCompleter:
        if device != "cpu":
            try:
                raise CUDA_ERROR
            except RuntimeError as error:
                raise ModelError("model big: does not fit") from error
        return FakeCompleter()

    assert OutOfMemoryFallback(load, "auto", warnings.append).complete(view()).objects
    assert len(warnings) == 1 and "weights" in warnings[0]
    with pytest.raises(ModelError, match="does not fit"):
        OutOfMemoryFallback(lambda device: load("cuda"), "cpu", warnings.append)


def test_the_command_line_survives_a_full_gpu(tmp_path, capsys):
    files = frame_files.write_frame(tmp_path / "frame")
    parser = argparse.ArgumentParser()
    complete_command.add_arguments(parser)
    named = ("rgb", "depth", "masks", "camera")
    paths = [part for name in named for part in (f"--{name}", str(getattr(files, name)))]
    args = parser.parse_args([*paths, "--out", str(tmp_path / "out")])
    assert complete_command.run(args, lambda choice: SmallGpu(choice.device, 2, CUDA_ERROR)) == 0
    assert "now 2 objects at once" in capsys.readouterr().err


def test_when_the_cpu_cannot_either_the_last_scene_stays_until_there_is_room():
    completer, _, loaded = recovering(gpu_fits=99, cpu_fits=0)
    driver = Driver(completer, fusion=False)
    good = driver.step(0)
    completer.completer.fits = 0
    assert driver.step(100) is None
    assert driver.session.update is good and driver.rejected == {RejectReason.MODEL: 1}
    assert loaded == ["auto", "cpu"]
    completer.completer.fits = 1
    assert driver.step(200) is not None


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_on_the_cpu_there_is_no_other_device_to_go_to(device):
    loaded = []

    def load(device):
        loaded.append(device)
        made = SmallGpu(device, 0, MemoryError())
        made.device = "cpu"
        return made

    completer = OutOfMemoryFallback(load, device, print)
    with pytest.raises(MemoryError):
        completer.complete(view())
    assert completer.completer.objects_at_once == 1 and loaded == [device]


def test_other_errors_are_not_retried():
    completer, warnings, _ = recovering(gpu_fits=0, error=RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        completer.complete(view())
    assert warnings == []


def test_out_of_memory_errors_are_recognised():
    import torch

    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("device-side assert triggered"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_the_error_of_torch_for_a_full_main_memory_is_recognised():
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
