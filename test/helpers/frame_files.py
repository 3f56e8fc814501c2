"""A small frame on disk: a box on a table in front of a tilted camera."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from iscene_ros.io.frame_io import FrameFiles

WIDTH, HEIGHT = 64, 48
K = [60.0, 0, 31.5, 0, 60.0, 23.5, 0, 0, 1]
# z of the world up, the camera looks along y of the world, 0.5 m above its origin.
WORLD_FROM_CAMERA = [1.0, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0.5, 0, 0, 0, 1]


def depth_mm() -> np.ndarray:
    """(H, W) uint16 [mm]: two patches before a wall, a corner without readings."""
    depth = np.full((HEIGHT, WIDTH), 1200, np.uint16)
    depth[10:30, 8:24] = 800
    depth[15:40, 36:56] = 900
    depth[:5, :5] = 0
    return depth


def id_image() -> np.ndarray:
    """(H, W) uint8: instances 1 and 7."""
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[10:30, 8:24] = 1
    ids[15:40, 36:56] = 7
    return ids


def camera_document() -> dict:
    """What camera.json holds."""
    return {"width": WIDTH, "height": HEIGHT, "k": K}


def write_frame(directory: Path) -> FrameFiles:
    """Write a sound frame."""
    directory.mkdir(parents=True, exist_ok=True)
    files = FrameFiles(
        rgb=directory / "rgb.png",
        depth=directory / "depth.png",
        masks=directory / "masks.png",
        camera=directory / "camera.json",
        labels=directory / "labels.json",
    )
    rgb = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(rgb).save(files.rgb)
    Image.fromarray(depth_mm()).save(files.depth)
    Image.fromarray(id_image()).save(files.masks)
    files.camera.write_text(json.dumps(camera_document()))
    files.labels.write_text(json.dumps({"1": "mug", "7": {"label": "bowl", "score": 0.5}}))
    return files
