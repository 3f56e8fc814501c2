"""A contact sheet of training data: true objects beside the sensed depth of random views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from iscene_ros.core.colors import instance_color
from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.samples import DrawnScene, SampleOptions, draw_scene

TILE = (168, 126)  # pixels
COLUMNS, ROWS = 4, 6
GROUND = np.array([236.0, 236.0, 232.0])
NOTHING = np.array([20, 20, 24], np.uint8)


def data_sheet(sets: Sequence[tuple[int, SampleOptions]], seed: int = 0) -> Image.Image:
    """Draw ROWS x COLUMNS views, the rows from each (seed, options) of `sets` in turn.

    Left: the true objects, those without a mask in grey. Right: the depth of the sensor, near in
    warm colours, dark where there is none, with the outlines of the masks.
    """
    rows = []
    for row in range(ROWS):
        set_seed, options = sets[row % len(sets)]
        tiles: list[np.ndarray] = []
        for column in range(COLUMNS):
            drawn = _drawn([seed, set_seed, row, column], options)
            tiles += [_tile(_truth(drawn)), _tile(_sensed(drawn))]
        rows.append(np.concatenate(tiles, axis=1))
    return Image.fromarray(np.concatenate(rows))


def _drawn(seed: list[int], options: SampleOptions) -> DrawnScene:
    rng = np.random.default_rng(seed)
    for _ in range(20):
        try:
            drawn = draw_scene(rng, options)
        except InputError:  # the camera ended up within millimetres of something
            continue
        if (drawn.rendering.ids > 0).any():
            return drawn
    raise InputError("none of 20 random views shows an object; check the camera's options")


def _truth(drawn: DrawnScene) -> np.ndarray:
    """Return (H, W, 3) uint8: objects lit from the camera and from above."""
    depth, ids = drawn.rendering.depth, drawn.rendering.ids
    rows, columns = np.nonzero(ids > 0)
    pixels = np.column_stack([columns, rows, np.ones(len(rows))])
    points = depth[rows, columns, None] * (pixels @ np.linalg.inv(drawn.camera.intrinsics.k).T)
    image = np.where(depth[..., None] > 0, GROUND, 255.0)
    up = -np.linalg.inv(drawn.camera.world_from_camera)[:3, 2]
    for index, truth in enumerate(drawn.ground_truth()):
        own = ids[rows, columns] == index + 1
        if not own.any():
            continue
        rotation = truth.camera_from_object[:3, :3]
        inside = (points[own] - truth.camera_from_object[:3, 3]) @ rotation
        normals = truth.solid.gradient(torch.from_numpy(inside).float()).numpy() @ rotation.T
        normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-6)
        light = 0.35 + 0.35 * (-normals[:, 2]).clip(0, 1) + 0.3 * (0.5 - 0.5 * normals @ up)
        shown = drawn.scene.segmented[index]
        color = instance_color(index + 1) if shown else np.full(3, 170)
        image[rows[own], columns[own]] = 1.15 * light[:, None] * color
    return image.clip(0, 255).astype(np.uint8)


def _sensed(drawn: DrawnScene) -> np.ndarray:
    """Return (H, W, 3) uint8: depth in colours with the outlines of the masks."""
    depth, masks = drawn.frame.depth, drawn.frame.masks
    objects = drawn.rendering.depth[drawn.rendering.ids > 0]
    near, far = objects.min() - 0.02, objects.max() + 0.25 * np.ptp(objects) + 0.05
    share = ((depth - near) / (far - near)).clip(0, 1)[..., None]
    stops = [(0.0, (250, 200, 90)), (0.5, (190, 70, 110)), (1.0, (70, 60, 140))]
    where = [stop for stop, _ in stops]
    channels = [np.interp(share[..., 0], where, [c[i] for _, c in stops]) for i in range(3)]
    image = np.stack(channels, axis=-1).astype(np.uint8)
    image[depth == 0] = NOTHING
    for mask in masks:
        inner = mask.copy()
        inner[1:-1, 1:-1] &= mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        image[mask & ~inner] = (255, 255, 255)
    return image


def _tile(image: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 scaled to the size of a tile, with margins."""
    width, height = TILE
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, int(scale * image.shape[1])), max(1, int(scale * image.shape[0]))
    small = Image.fromarray(image).resize(size, Image.Resampling.BOX)
    tile = Image.new("RGB", TILE, "white")
    tile.paste(small, ((width - size[0]) // 2, (height - size[1]) // 2))
    return np.asarray(tile)
