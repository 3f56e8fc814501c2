"""One RGB-D view of a scene with instance masks: the input of a completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from iscene_ros.core.camera import Camera, check_lens
from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import check_rigid, gravity_from_pose
from iscene_ros.core.slugs import readable_label

# Depth sensors for manipulation and rooms read 0.1 to 20 m. What the masks show beyond is in a
# wrong unit; elsewhere it is how a driver or a simulator writes "no reading".
PLAUSIBLE_DEPTH_M = (0.02, 60.0)
# The share of nearest readings that judges the unit of an image without masks: its background may
# be a far plane.
NEAREST_SHARE = 0.1


@dataclass(frozen=True)
class Observation:
    """One RGB-D frame with instance masks; all arrays have one image size (H, W).

    Attributes:
        depth: (H, W) float32, distance along the optical axis [m], registered to the masks;
            0 = no reading (NaN, infinite, negative values and those beyond 60 m are turned into
            0). Pass None for a view without depth; it is kept as an image without readings.
        masks: (N, H, W) bool, one instance each; they may overlap. N = 0 is a view without objects.
        camera: intrinsics.
        rgb: (H, W, 3) uint8 or None; result images, mesh colours and the released model use it.
        labels: N class names ("object" where unknown), made printable and one line each.
        scores: N detection scores in [0, 1].
        instance_ids: N positive ids, unique; 1 to N by default.
        world_from_camera: (4, 4) float64 rigid transform with z up in the world, or None.
        gravity_camera: (3,) unit vector, the direction of gravity in the camera frame, or None;
            follows from world_from_camera where that is given.
        stamp: time of capture [s].
        warnings: one line each, passed on to the scene.

    Raises:
        InputError: sizes disagree, no pixel of a depth image has a reading, masks are all empty,
            units are wrong, K cannot be that of a camera, a pose is not rigid.
    """

    depth: np.ndarray | None
    masks: np.ndarray
    camera: Camera
    rgb: np.ndarray | None = None
    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    instance_ids: tuple[int, ...] = ()
    world_from_camera: np.ndarray | None = None
    gravity_camera: np.ndarray | None = None
    stamp: float = 0.0
    warnings: tuple[str, ...] = field(default=(), compare=False)
    # Whether the depth may hold no reading; set by this class, and kept by dataclasses.replace.
    _may_lack_depth: bool = field(default=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        check_lens(self.camera)
        self._set("masks", _checked_masks(self.masks, size))
        if self.depth is None:
            self._set("_may_lack_depth", True)
            self._set("depth", np.zeros(size, np.float32))
        self._set("depth", _checked_depth(self.depth, self.masks, self._may_lack_depth))
        self._set_instances()
        if self.rgb is not None:
            self._set("rgb", _checked_rgb(self.rgb, size))
        if self.world_from_camera is not None:
            self._set("world_from_camera", check_rigid(self.world_from_camera, "world_from_camera"))
            self._set("gravity_camera", gravity_from_pose(self.world_from_camera))
        elif self.gravity_camera is not None:
            self._set("gravity_camera", _checked_gravity(self.gravity_camera))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _set_instances(self) -> None:
        n = len(self.masks)
        labels = (readable_label(label) for label in self.labels)
        self._set("labels", tuple(labels) or ("object",) * n)
        self._set("scores", tuple(float(s) for s in self.scores) or (1.0,) * n)
        ids = tuple(int(i) for i in self.instance_ids) or tuple(range(1, n + 1))
        self._set("instance_ids", ids)
        for name in ("labels", "scores", "instance_ids"):
            if len(getattr(self, name)) != n:
                raise InputError(f"{name}: {len(getattr(self, name))} entries for {n} masks")
        if len(set(ids)) != n or any(i < 1 for i in ids):
            raise InputError(f"instance_ids: {ids} are not unique and positive")
        if not all(0 <= score <= 1 for score in self.scores):
            raise InputError(f"scores: {self.scores}, expected numbers from 0 to 1")

    @classmethod
    def from_label_image(
        cls,
        label_image: np.ndarray,
        depth: np.ndarray | None,
        camera: Camera,
        rgb: np.ndarray | None = None,
        labels: Mapping[int, str] | None = None,
        world_from_camera: np.ndarray | None = None,
        gravity_camera: np.ndarray | None = None,
        stamp: float = 0.0,
    ) -> Observation:
        """Return the observation of an image of instance ids.

        Args:
            label_image: (H, W) integers, the instance id of each pixel; 0 = background.
            depth: (H, W) float [m], or None.
            camera: intrinsics.
            rgb: (H, W, 3) uint8, or None.
            labels: class name by instance id; "object" where there is none.
            world_from_camera, gravity_camera, stamp: see the attributes of the class.

        Raises:
            InputError: the label image is not of whole numbers, or as of the class.
        """
        image = np.asarray(label_image)
        if image.ndim != 2 or image.dtype.kind not in "ui":
            raise InputError(
                f"label_image: shape {image.shape}, dtype {image.dtype}; "
                "expected (H, W) whole numbers"
            )
        ids = [int(i) for i in np.unique(image) if i != 0]
        return cls(
            depth=depth,
            masks=image == np.array(ids, image.dtype)[:, None, None],
            camera=camera,
            rgb=rgb,
            labels=tuple((labels or {}).get(i, "object") for i in ids),
            instance_ids=tuple(ids),
            world_from_camera=world_from_camera,
            gravity_camera=gravity_camera,
            stamp=stamp,
        )

    @property
    def has_depth(self) -> bool:
        """Whether any pixel has a reading."""
        return bool(self.depth.any())

    def with_depth(self, depth: np.ndarray, **changes: object) -> Observation:
        """Return this view with other depth [m], in which there may be no reading left.

        Args:
            depth: (H, W) float32 [m].
            changes: further attributes to replace, by name.
        """
        return replace(self, depth=depth, _may_lack_depth=True, **changes)

    def rectified(self) -> Observation:
        """Return this view without lens distortion: nearest pixels, no readings outside."""
        if self.camera.is_rectified:
            return self
        rows, columns, inside = self.camera.rectification_map
        rgb = None if self.rgb is None else self.rgb[rows, columns] * inside[..., None]
        return replace(
            self,
            camera=self.camera.rectified(),
            depth=np.where(inside, self.depth[rows, columns], 0),
            masks=self.masks[:, rows, columns] & inside,
            rgb=None if rgb is None else rgb.astype(np.uint8),
        )


def window_of(mask: np.ndarray, margin: int = 0) -> tuple[slice, slice]:
    """Return the rows and columns around the pixels of a mask (H, W); no pixel, nothing."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return tuple(slice(max(0, u[0] - margin), u[-1] + 1 + margin) for u in (rows, columns))


def _checked_rgb(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rgb = np.asarray(rgb)
    if rgb.shape != (*size, 3):
        raise InputError(f"rgb: shape {rgb.shape}, expected {(*size, 3)}")
    if rgb.dtype != np.uint8:
        raise InputError(f"rgb: dtype {rgb.dtype}, expected uint8 from 0 to 255")
    return rgb


def _checked_depth(depth: np.ndarray, masks: np.ndarray, allow_no_reading: bool) -> np.ndarray:
    depth, size = np.asarray(depth), masks.shape[1:]
    if depth.shape != size:
        raise InputError(f"depth: shape {depth.shape}, expected {size} (height, width of camera)")
    with np.errstate(invalid="ignore", over="ignore"):
        cleaned = depth.astype(np.float32)
        cleaned = np.where(np.isfinite(cleaned) & (cleaned > 0), cleaned, np.float32(0))
    if cleaned.any():
        _check_unit(cleaned, masks)
        cleaned = np.where(cleaned <= PLAUSIBLE_DEPTH_M[1], cleaned, np.float32(0))
    if not allow_no_reading and not cleaned.any():
        reason = "not one reading in the image (all zero or not finite)"
        if np.any(depth < 0):
            reason = "not one positive reading, but negative ones: the sign of the axis is wrong"
        raise InputError(f"depth: {reason}; expected metres along the optical axis")
    return cleaned


def _check_unit(depth: np.ndarray, masks: np.ndarray) -> None:
    """Judge the unit by the median reading inside the masks; without one, by the nearest ones."""
    readings = depth[masks.any(axis=0) & (depth > 0)]
    if readings.size:
        median = float(np.median(readings))
    else:
        median = float(np.quantile(depth[depth > 0], NEAREST_SHARE))
    nearest, farthest = PLAUSIBLE_DEPTH_M
    if median > farthest:
        raise InputError(
            f"depth: the masks show {median:.0f} m; these look like millimetres, "
            "expected metres: divide by 1000 (or pass a 16-bit PNG in mm)"
        )
    if median < nearest:
        raise InputError(
            f"depth: the masks show {1000 * median:.3g} mm; these look like metres read as "
            "millimetres, expected 16-bit PNG in mm or float32 in m"
        )


def _checked_masks(masks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    masks = np.asarray(masks)
    if masks.ndim != 3 or masks.shape[1:] != size:
        raise InputError(f"masks: shape {masks.shape}, expected (N, {size[0]}, {size[1]})")
    masks = masks.astype(bool)
    if len(masks) and not masks.any():
        raise InputError("masks: all empty; expected at least one instance with a pixel")
    return masks


def _checked_gravity(vector: np.ndarray) -> np.ndarray:
    vector = np.asarray(vector, np.float64).ravel()
    norm = np.linalg.norm(vector)
    if vector.shape != (3,) or not np.isfinite(norm) or norm < 1e-9:
        raise InputError(
            f"gravity_camera: expected 3 finite numbers that are not all zero, got {vector}"
        )
    return vector / norm
