"""Completers for the benchmark's tests; light, because each of its processes imports them."""

import os
import signal
import time

import numpy as np

from iscene_ros.core.scene import Mesh, Scene, SceneObject, Timings

BALLAST = 150_000_000


class WaitingCompleter:
    """Takes a millisecond an object, and holds 150 MB for more than two objects."""

    def complete(self, observation):
        count = len(observation.masks)
        start = time.perf_counter()
        time.sleep(0.001 * count)
        ballast = np.ones(BALLAST if count > 2 else 1, np.uint8)
        seconds = time.perf_counter() - start
        empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
        objects = tuple(
            SceneObject(i, "box", 1.0, empty, np.eye(4), np.ones(3), 0, 0, 0, 0, np.ones(3))
            for i in observation.instance_ids
        )
        timings = Timings(0.0, seconds, 0.0, seconds)
        gravity = observation.gravity_camera
        return Scene(
            *("world", objects, (), observation.world_from_camera, gravity),
            *("fake", str(ballast[0]), 0, 1, timings),
        )


class DyingCompleter:
    """Is killed, as for want of memory."""

    def complete(self, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)
