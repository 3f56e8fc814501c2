"""Ranked grasps of a completed object by a parallel-jaw gripper.

Opposite places of the surface within the friction cone, at which the open gripper comes in along a
straight line without meeting the object itself, the outer surface of another one or the
surroundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene, SceneObject
from iscene_ros.geometry.bodies import up_in_frame
from iscene_ros.geometry.stability import object_properties
from iscene_ros.planning.grasp_candidates import Candidates, antipodal_poses, closed_on
from iscene_ros.planning.grasp_obstacles import APPROACH_M, Obstacles
from iscene_ros.planning.grasp_score import grasp_features, success_probability
from iscene_ros.planning.grippers import FRANKA_HAND, Gripper

MOST_GRASPS = 20
# Poses that are looked at, more of them where few of the first are free.
POSES, FEW = (700, 2400), 8
# Free grasps that are found before likes among them are left out.
ENOUGH = 120
# Grasps nearer than this to a better one are left out.
SAME_PLACE_M, SAME_DIRECTION = 0.01, np.cos(np.deg2rad(20.0))


@dataclass(frozen=True)
class Grasps:
    """Grasps of one object, the best first, N of them.

    Attributes:
        object_id: of the object.
        gripper: by which they are.
        frame_from_grasp: (N, 4, 4) float64 poses in the scene's frame: x is the direction in which
            the fingers close, z the way in, the origin lies between the middles of the pads.
        scores: (N,) probability that the object is lifted, in [0, 1].
        openings: (N,) distance of the pads on the way in [m].
        widths: (N,) expected distance of the closed pads [m].
        inner_widths: (N,) distance of the pads at which they surely press [m].
        contacts: (N, 2, 3) float64 points in the scene's frame [m].
        features: (N, K) what the scores were computed from, see `grasp_score.FEATURES`.
        approach: length of the straight way in along z [m].
        remove_first: ids of the objects to take away before, in their order; the grasps are those
            of the scene without them.
        reason: why there is no grasp; "" where there are some.
    """

    object_id: int
    gripper: Gripper
    frame_from_grasp: np.ndarray = field(default_factory=lambda: np.zeros((0, 4, 4)))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))
    openings: np.ndarray = field(default_factory=lambda: np.zeros(0))
    widths: np.ndarray = field(default_factory=lambda: np.zeros(0))
    inner_widths: np.ndarray = field(default_factory=lambda: np.zeros(0))
    contacts: np.ndarray = field(default_factory=lambda: np.zeros((0, 2, 3)))
    features: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    approach: float = APPROACH_M
    remove_first: tuple[int, ...] = ()
    reason: str = ""

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def summary(self) -> str:
        """Their number and the best score, or why there is none."""
        return self.reason or f"{len(self)} grasps, the best one {self.scores[0]:.2f}"


def plan_grasps(
    scene: Scene,
    object_id: int,
    gripper: Gripper = FRANKA_HAND,
    obstacles: Obstacles | None = None,
) -> Grasps:
    """Return the ranked grasps of an object; none, with a reason, where it cannot be grasped.

    Args:
        scene: completed.
        object_id: of the object to grasp.
        gripper: a preset of `planning.grippers`, or your own.
        obstacles: of the scene, where several of its objects are grasped, or views of it are at
            hand; None = the objects and planes of the scene.

    Raises:
        KeyError: the scene has no such object.
    """
    item = scene[object_id]
    remove_first = scene.graph.removal_order(object_id)[:-1]
    obstacles = obstacles or Obstacles(scene)
    up = up_in_frame(scene)

    def none(reason: str) -> Grasps:
        return Grasps(object_id, gripper, remove_first=remove_first, reason=reason)

    if not scene.is_metric:
        return none("the scale of the scene is not known")
    samples = obstacles.samples.get(object_id)
    if samples is None:
        return none("its mesh has no finite triangle")
    poses, widths, least = antipodal_poses(samples, gripper, up)
    if not len(poses):
        if np.isfinite(least):
            return none(_wider(least, gripper))
        return none("no two opposite places of its surface")
    clear = ~obstacles.behind_planes(poses, np.zeros(len(poses)), gripper)
    poses, widths = poses[clear], widths[clear]
    if not len(poses):
        return none("no clear way in: the surroundings are too near")
    center = center_of_mass(item)
    for count in POSES:
        found, least = closed_on(poses[:count], widths[:count], samples, gripper)
        features = grasp_features(found, center, up, item.confidence)
        scores = success_probability(features)
        order = np.argsort(-scores, kind="stable")
        found, features, scores = found.chosen(order), features[order], scores[order]
        free, in_the_way = obstacles.free(object_id, found, scores, gripper, ENOUGH, remove_first)
        if len(free) >= FEW:
            break
    if not len(free) and not in_the_way:
        if np.isfinite(least) and least > gripper.max_width:
            return none(_wider(least, gripper))
        return none("no clear way in: the gripper meets the object itself, or it slips off")
    if not len(free):
        names = [f"{scene[n].label} {n}" if n else "the surroundings" for n in in_the_way]
        return none(f"no clear way in: {', '.join(names)} in the way")
    best = free[_distinct(found.frame_from_grasp[free])]
    return replace(
        _grasps(object_id, gripper, found.chosen(best)),
        scores=scores[best],
        features=features[best],
        remove_first=remove_first,
    )


def plan_all_grasps(
    scene: Scene, gripper: Gripper = FRANKA_HAND, observations: Sequence[Observation] = ()
) -> dict[int, Grasps]:
    """Return the grasps of every object by its id; see `plan_grasps` and `Obstacles`."""
    obstacles = Obstacles(scene, observations)
    return {item.id: plan_grasps(scene, item.id, gripper, obstacles) for item in scene.objects}


def center_of_mass(item: SceneObject) -> np.ndarray:
    """Return the (3,) centre of mass in the scene's frame, for uniform density [m]."""
    properties = item.properties or object_properties(item.mesh)
    if properties is None:
        raise ValueError(f"object {item.id}: its mesh has no finite triangle")
    center = properties.center_of_mass
    return item.frame_from_object[:3, :3] @ center + item.frame_from_object[:3, 3]


def _wider(least: float, gripper: Gripper) -> str:
    return f"wider than the gripper: {least:.3f} m of {gripper.max_width:.3f}"


def _distinct(poses: np.ndarray) -> np.ndarray:
    """Return the numbers of the poses (N, 4, 4) that are not like one before them."""
    kept: list[int] = []
    left = np.arange(len(poses))
    while len(left) and len(kept) < MOST_GRASPS:
        best, left = left[0], left[1:]
        kept.append(int(best))
        apart = np.linalg.norm(poses[left, :3, 3] - poses[best, :3, 3], axis=1)
        alike = (apart < SAME_PLACE_M) & (poses[left, :3, 2] @ poses[best, :3, 2] > SAME_DIRECTION)
        alike &= np.abs(poses[left, :3, 0] @ poses[best, :3, 0]) > SAME_DIRECTION
        left = left[~alike]
    return np.array(kept, np.int64)


def _grasps(object_id: int, gripper: Gripper, found: Candidates) -> Grasps:
    """Return candidates as grasps, still without their scores."""
    poses = found.frame_from_grasp.astype(np.float64)
    half = 0.5 * found.width[:, None] * poses[:, :3, 0]
    return Grasps(
        object_id=object_id,
        gripper=gripper,
        frame_from_grasp=poses,
        openings=found.opening.astype(np.float64),
        widths=found.width.astype(np.float64),
        inner_widths=found.inner_width.astype(np.float64),
        contacts=np.stack([poses[:, :3, 3] - half, poses[:, :3, 3] + half], axis=1),
    )
