"""Doubts about an input that completes, but cannot be what it says: one line a doubt.

They are warnings of the scene: a wrong unit, frame or mask looks to a model like another scene.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from iscene_ros.core.observation import Observation, window_of
from iscene_ros.core.scene import Plane, Scene

# An object of this length [m] does not fit into so small a share of the image, unless far away.
LARGE_M, SMALL_MASK_SHARE = 1.0, 0.03
# Depth to objects that a hand reaches [m].
FARTHEST_OBJECTS_M = 5.0
# A plane with this share of the readings is the table, floor or wall that the scene stands on;
# it is level or upright within this angle.
DOMINANT_SHARE, PLUMB_RAD = 0.4, np.deg2rad(20.0)
# An object whose lowest part is this close to a plane stands on it [m].
TOUCHING_M = 0.03
# Parts of a mask that count, as a share of it; they are far apart if the gap between them is wider
# than the larger one, the side of a square of its pixels.
PART_SHARE = 0.2
# Completed surfaces follow their own points this closely where depth and masks belong together [m].
LARGEST_RESIDUAL_M = 0.01
# Readings this close to a plane are its own [m]; masks with this share of them, and as many
# readings of things beside the masks, show that masks and depth do not lie on one another.
ON_PLANE_M, BESIDE_SHARE = 0.01, 0.25
# Columns of the coarse image in which that is looked at.
COARSE_WIDTH = 160
# Heights of a camera in its world [m]: above the first the pose is in millimetres; coordinates
# beyond the second are geographic.
HIGHEST_CAMERA_M, FARTHEST_CAMERA_M = 50.0, 5e4


def doubts(scene: Scene, observation: Observation) -> tuple[str, ...]:
    """Return what makes the input of a scene implausible, each line "kind: what; what to do".

    Args:
        scene: the completion, with its planes; not one whose scale is unknown.
        observation: rectified input of it.
    """
    if not (scene.is_metric and observation.has_depth):
        return ()
    found = (
        *_of_size(scene, observation),
        *_of_gravity(scene, observation),
        *_of_pose(observation),
        *_of_masks(observation),
        *_of_registration(scene, observation),
    )
    return tuple(found)


def _of_size(scene: Scene, observation: Observation) -> Iterator[str]:
    readings = observation.depth[observation.masks.any(axis=0) & (observation.depth > 0)]
    middle = float(np.median(readings)) if readings.size else 0.0
    if middle > FARTHEST_OBJECTS_M:
        yield (
            f"depth unit: the masks lie {middle:.1f} m away, which suits no object in reach; check "
            "the unit of the depth image (depth_unit)"
        )
        return
    for item in scene.objects:
        share = float(observation.masks[observation.instance_ids.index(item.id)].mean())
        if max(item.size) > LARGE_M and share < SMALL_MASK_SHARE:
            yield (
                f"size: {item.label} {item.id} is {max(item.size):.1f} m long, but its mask covers "
                f"{100 * share:.1f} % of the image; check depth_unit and K of the camera"
            )
            return


def _of_gravity(scene: Scene, observation: Observation) -> Iterator[str]:
    """Compare the dominant plane with gravity, where that was given."""
    if observation.gravity_camera is None or not scene.planes:
        return
    plane = max(scene.planes, key=lambda plane: plane.share)
    up = -scene.frame_from_camera[:3, :3] @ observation.gravity_camera
    tilts = {id(p): float(np.arccos(np.clip(p.normal @ up, -1, 1))) for p in scene.planes}
    tilt = tilts[id(plane)]
    is_level, is_upright = tilt <= PLUMB_RAD, abs(tilt - np.pi / 2) <= PLUMB_RAD
    if plane.share < DOMINANT_SHARE or is_level:
        return
    if is_upright and (min(tilts.values()) <= PLUMB_RAD or not _all_stand_on(plane, scene)):
        return
    what = "is a wall on which all objects stand" if is_upright else "is neither floor nor wall"
    yield (
        f"gravity: by the camera's pose the dominant plane ({100 * plane.share:.0f} % of the "
        f"readings, {np.rad2deg(tilt):.0f} degrees from level) {what}; is the pose that of the "
        "optical frame (x right, y down, z forward), not of the camera's body or of OpenGL, and "
        "world_from_camera, not its inverse? camera_frame names another frame for the images"
    )


def _all_stand_on(plane: Plane, scene: Scene) -> bool:
    """Return whether several objects lie on the near side of a plane and all touch it."""
    lowest = []
    for item in scene.objects:
        pose = item.frame_from_object
        points = item.mesh.vertices @ pose[:3, :3].T + pose[:3, 3]
        lowest.append(np.quantile(points @ plane.normal + plane.offset, 0.02))
    return len(lowest) > 1 and bool(np.all(np.abs(lowest) < TOUCHING_M))


def _of_pose(observation: Observation) -> Iterator[str]:
    if observation.world_from_camera is None:
        return
    position = observation.world_from_camera[:3, 3]
    farthest = float(np.abs(position).max())
    if abs(position[2]) > HIGHEST_CAMERA_M and farthest < FARTHEST_CAMERA_M:
        yield (
            f"pose: the camera is {position[2]:.0f} m above its world's origin, while what it sees "
            "is near; is its position in millimetres? Expected metres"
        )


def _of_masks(observation: Observation) -> Iterator[str]:
    for number, mask in enumerate(observation.masks):
        if _is_far_apart(mask, observation.depth):
            name = f"{observation.labels[number]} {observation.instance_ids[number]}"
            yield (
                f"masks: that of {name} is in pieces far apart; expected one mask an instance, not "
                "one a class (semantic segmentation)"
            )
            return


def _is_far_apart(mask: np.ndarray, depth: np.ndarray) -> bool:
    """Return whether large parts of a mask lie far apart with nothing nearer between them."""
    window = window_of(mask)
    mask, depth = mask[window], depth[window]
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    if count < 2:
        return False
    sizes = np.bincount(parts.ravel())[1:]
    large = [n for n in np.argsort(-sizes) + 1 if sizes[n - 1] >= PART_SHARE * mask.sum()]
    boxes = ndimage.find_objects(parts)
    for other in large[1:]:
        one, two = boxes[large[0] - 1], boxes[other - 1]
        width = np.sqrt(sizes[large[0] - 1])
        apart = [max(a.start - b.stop, b.start - a.stop, 0) for a, b in zip(one, two, strict=True)]
        if np.hypot(*apart) > width and not _is_hidden_between(mask, depth, one, two):
            return True
    return False


def _is_hidden_between(
    mask: np.ndarray, depth: np.ndarray, one: tuple[slice, slice], two: tuple[slice, slice]
) -> bool:
    """Return whether most of the readings between two parts are nearer than the mask's."""
    ends = [np.array([(s.start + s.stop) / 2 for s in box]) for box in (one, two)]
    line = np.linspace(*ends, 50).astype(np.int64)
    between = line[~mask[line[:, 0], line[:, 1]]]
    readings = depth[between[:, 0], between[:, 1]]
    own = depth[mask & (depth > 0)]
    readings = readings[readings > 0]
    return bool(own.size and readings.size and np.mean(readings < np.median(own)) > 0.5)


def _of_registration(scene: Scene, observation: Observation) -> Iterator[str]:
    residuals = [o.depth_residual for o in scene.objects if np.isfinite(o.depth_residual)]
    if len(residuals) > 1 and min(residuals) > LARGEST_RESIDUAL_M:
        what = f"the readings of every object lie {1000 * min(residuals):.0f} mm or more off it"
    elif _masks_lie_beside(scene, observation):
        what = "masks show the plane that objects stand on, and objects stand beside their masks"
    else:
        return
    yield (
        f"registration: {what}; is the depth image registered to the masks, and of their time? "
        "Register it by align_depth of the driver, or depth_image_proc's register node"
    )


def _masks_lie_beside(scene: Scene, observation: Observation) -> bool:
    """Return whether the masks show much of the dominant plane, and things stand beside them."""
    plane = max(scene.planes or (), key=lambda plane: plane.share, default=None)
    if plane is None or plane.share < DOMINANT_SHARE:
        return False
    step = max(1, observation.depth.shape[1] // COARSE_WIDTH)
    depth, masks = observation.depth[::step, ::step], observation.masks[:, ::step, ::step]
    known = depth > 0
    rows, columns = np.nonzero(known)
    pixels = step * np.column_stack([columns, rows]).astype(np.float64)
    points = observation.camera.unproject(pixels, depth[known])
    pose, height = scene.frame_from_camera, np.zeros(known.shape)
    height[known] = (points @ pose[:3, :3].T + pose[:3, 3]) @ plane.normal + plane.offset
    on_plane = known & (np.abs(height) < ON_PLANE_M)
    shares = [on_plane[m].sum() / max(1, known[m].sum()) for m in masks if m.any()]
    masked = masks.any(axis=0)
    if not shares:
        return False
    reach = int(np.sqrt(masked.sum() / len(shares)) / 2) + 1
    around = ndimage.uniform_filter(masked.astype(np.float32), 2 * reach + 1) > 1e-6
    beside = known & around & ~masked & (height > 2 * ON_PLANE_M)
    return bool(
        min(shares) > BESIDE_SHARE / 2
        and np.median(shares) > BESIDE_SHARE
        and beside.sum() > BESIDE_SHARE * (known & masked).sum()
    )
