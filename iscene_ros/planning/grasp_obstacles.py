"""What is in the way of a gripper: the other objects and the surroundings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy.spatial import cKDTree

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Plane, Scene
from iscene_ros.geometry.bodies import up_in_frame
from iscene_ros.geometry.planes import solid_planes
from iscene_ros.planning.collision_bodies import LEVEL
from iscene_ros.planning.grasp_candidates import Candidates, in_grasp_frames
from iscene_ros.planning.grippers import Gripper
from iscene_ros.planning.surface_samples import (
    SurfaceSamples,
    environment_samples,
    object_samples,
    observed_surroundings,
)

# Length of the straight way in [m].
APPROACH_M = 0.12
# Free space around fingers and palm [m]; a plane, which is known well, may be nearer.
CLEARANCE_M, PLANE_CLEARANCE_M = 0.004, 0.002
# Free space between the object itself and the fingers, and before the face of the palm: what there
# should be, what is enough, and what will do [m].
OWN_CLEARANCES_M = ((0.003, 0.008), (0.0, 0.004), (0.0, 0.0))
# There is less where the best score rises by more than this.
WORTH = 0.1
# Distance of neighbouring points on steep planes, whose rims come between a palm's corners [m].
RIM_SPACING_M = 0.006
# Readings so near to a level plane are its own, and so near to an object the object's [m].
ON_PLANE_M, ON_OBJECT_M = 0.01, 0.01
# Grasps that are compared with all near points at a time.
CHUNK = 64
ENVIRONMENT = 0


class Obstacles:
    """The surfaces of a scene, for grasps of any of its objects.

    Args:
        scene: completed.
        observations: views of it, which show more of its surroundings than their planes.

    Attributes:
        samples: points on each object by its id; without objects whose mesh is degenerate.
    """

    def __init__(self, scene: Scene, observations: Sequence[Observation] = ()) -> None:
        found = {item.id: object_samples(item) for item in scene.objects}
        self.samples: Mapping[int, SurfaceSamples] = {
            number: samples for number, samples in found.items() if samples is not None
        }
        self._outer = {number: samples.outer for number, samples in self.samples.items()}
        fused = None if scene.environment is None else environment_samples(scene.environment)
        # The fused surroundings hold the planes, and their edges.
        bodies = [samples.points for samples in self.samples.values()]
        self._planes = () if fused is not None else solid_planes(scene.planes or (), bodies)
        up = up_in_frame(scene)
        level = [p for p in self._planes if up is not None and p.normal @ up > LEVEL]
        steep = [p for p in self._planes if up is None or abs(p.normal @ up) <= LEVEL]
        seen = observed_surroundings(observations, scene.frame_from_camera)
        points = [_points_on(plane) for plane in steep] + [_away_from(seen, level, bodies)]
        self._outer[ENVIRONMENT] = np.concatenate(points) if fused is None else fused.points

    def behind_planes(
        self, poses: np.ndarray, openings: np.ndarray, gripper: Gripper
    ) -> np.ndarray:
        """Return (N,) bool: at which poses (N, 4, 4) the gripper meets a plane, N pads open [m]."""
        corners = gripper.corners(openings) @ poses[:, :3, :3].transpose(0, 2, 1)
        points = corners + poses[:, None, :3, 3]
        behind = np.zeros(len(poses), bool)
        for plane in self._planes:
            deep = points @ plane.normal + plane.offset < PLANE_CLEARANCE_M
            rows, columns = np.nonzero(deep)
            deep[rows, columns] = plane.reaches(points[rows, columns])
            behind |= deep.any(axis=1)
        return behind

    def free(
        self,
        target: int,
        found: Candidates,
        scores: np.ndarray,
        gripper: Gripper,
        enough: int,
        ignored: Collection[int] = (),
    ) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return which grasps come in without meeting anything, and what is in the way of others.

        Args:
            target: id of the object to grasp, beside which less clearance will do.
            found: the grasps, the best first.
            scores: (N,) of them.
            gripper: in its opening on the way in.
            enough: number of free grasps after which no more are looked for.
            ignored: ids of objects that will be gone.

        Returns:
            (K,) numbers of free grasps, ascending, and ids of obstacles, 0 = the surroundings.
        """
        near = self._near(found, gripper) if len(found) else {}
        own = near.pop(target, np.zeros((3, 0), np.float32))
        near = {number: points for number, points in near.items() if number not in ignored}
        blocks: Counter[int] = Counter()
        kept: list[list[int]] = [[] for _ in OWN_CLEARANCES_M]
        for start in range(0, len(found), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(found)))
            part = found.chosen(rows)
            hits = {ENVIRONMENT: self.behind_planes(part.frame_from_grasp, part.opening, gripper)}
            for number, points in near.items():
                hit = _swept_hits(part, points, gripper, CLEARANCE_M, CLEARANCE_M)
                hits[number] = hits.get(number, False) | hit
            blocks.update({number: int(hit.sum()) for number, hit in hits.items() if hit.any()})
            rows = rows[~np.any(list(hits.values()), axis=0)]
            for clearances, free in zip(OWN_CLEARANCES_M, kept, strict=True):
                free += [*rows[~_swept_hits(found.chosen(rows), own, gripper, *clearances)]]
            if len(kept[0]) >= enough or len(kept[-1]) >= 2 * enough:
                break
        in_the_way = tuple(number for number, _ in blocks.most_common(3))
        return np.array(_worth(kept, scores), np.int64), in_the_way

    def _near(self, found: Candidates, gripper: Gripper) -> dict[int, np.ndarray]:
        """Return the points (3, Q) of each obstacle that a grasp may come near to."""
        reach = APPROACH_M + np.linalg.norm([*gripper.palm_size, gripper.finger_length])
        positions = found.frame_from_grasp[:, :3, 3]
        low, high = positions.min(axis=0) - reach, positions.max(axis=0) + reach
        near = {
            number: points[np.all((points > low) & (points < high), axis=1)].T
            for number, points in self._outer.items()
        }
        return {number: points for number, points in near.items() if points.size}


def _worth(kept: Sequence[list[int]], scores: np.ndarray) -> list[int]:
    """Return those grasps with the most clearance whose best score is hardly below any."""
    best = [float(scores[free[0]]) if free else -np.inf for free in kept]
    return next(free for free, top in zip(kept, best, strict=True) if top >= max(best) - WORTH)


def _away_from(
    points: np.ndarray, planes: Sequence[Plane], bodies: Sequence[np.ndarray]
) -> np.ndarray:
    """Return the points (Q, 3) that lie on no level plane, which is known better, and no object."""
    for plane in planes:
        points = points[np.abs(points @ plane.normal + plane.offset) > ON_PLANE_M]
    for body in bodies:
        near = np.all(
            (points > body.min(0) - ON_OBJECT_M) & (points < body.max(0) + ON_OBJECT_M), 1
        )
        rows = np.flatnonzero(near)
        distance, _ = cKDTree(body).query(points[rows], distance_upper_bound=ON_OBJECT_M)
        points = np.delete(points, rows[np.isfinite(distance)], axis=0)
    return points.astype(np.float32)


def _points_on(plane: Plane) -> np.ndarray:
    """Return points (Q, 3) float32 spread over the seen part of a plane [m]."""
    flat = plane.corners @ plane.axes.T
    u, v = (np.arange(*ends, RIM_SPACING_M) for ends in zip(flat.min(0), flat.max(0), strict=True))
    grid = np.stack(np.meshgrid(u, v), -1).reshape(-1, 2)
    inside = np.all(grid @ plane.outline[:, :2].T + plane.outline[:, 2] <= 0, axis=1)
    points = grid[inside] @ plane.axes - plane.offset * plane.normal
    return points.astype(np.float32)


def _swept_hits(
    found: Candidates, points: np.ndarray, gripper: Gripper, clearance: float, palm: float
) -> np.ndarray:
    """Return (N,) bool: whether a point (3, Q) lies within a clearance of the gripper's way [m].

    The clearance before the palm is its own; no point, no hit.
    """
    x, y, z = in_grasp_frames(found.frame_from_grasp, points)
    x, y = np.abs(x), np.abs(y)
    half_width = 0.5 * gripper.finger_width + clearance
    palm_half = 0.5 * np.array(gripper.palm_size) + clearance
    back = gripper.palm_depth
    hit = (x < palm_half[0]) & (y < palm_half[1])
    hit &= (z < palm - back) & (z > -back - gripper.palm_size[2] - APPROACH_M)
    inner = 0.5 * found.opening[:, None].astype(np.float32) - clearance
    finger = (y < half_width) & (z < gripper.tip + clearance) & (z > -APPROACH_M)
    finger &= (x > inner) & (x < inner + gripper.finger_thickness + 2 * clearance)
    return (hit | finger).any(axis=1)
