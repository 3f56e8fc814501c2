"""What the camera saw of each object, without the borders where masks and depth are unsure."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.mask_overlaps import resolve_mask_overlaps

MAX_POINTS = 400

# Pixels so close to the border of a mask are left out [pixels of an image 640 wide].
BORDER = 4.0

# This share of the points is left out at either end of each axis.
TRIM = 0.01


def seen_points(observation: Observation, upright_from_camera: np.ndarray) -> dict[int, np.ndarray]:
    """Observed points (M, 3) of each instance id in the upright frame [m]; none for slivers."""
    observation = resolve_mask_overlaps(observation)
    border = BORDER * observation.camera.width / 640
    found = {}
    for instance_id, mask in zip(observation.instance_ids, observation.masks, strict=True):
        if not mask.any():
            continue
        window = ndimage.find_objects(mask.astype(np.int8))[0]
        padded = np.pad(mask[window], 1)
        inner = ndimage.distance_transform_edt(padded)[1:-1, 1:-1] > border
        rows, columns = np.nonzero(inner & (observation.depth[window] > 0))
        rows, columns = rows + window[0].start, columns + window[1].start
        if len(rows) < 4:
            continue
        step = max(1, len(rows) // MAX_POINTS)
        rows, columns = rows[::step], columns[::step]
        pixels = np.column_stack([columns, rows])
        points = observation.camera.unproject(pixels, observation.depth[rows, columns])
        points = points @ upright_from_camera[:3, :3].T + upright_from_camera[:3, 3]
        low, high = np.quantile(points, [TRIM, 1 - TRIM], axis=0)
        found[instance_id] = points[np.all((points >= low) & (points <= high), axis=1)]
    return found
