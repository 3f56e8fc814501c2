"""Which objects hide parts of which from the camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.geometry.bodies import Body
from iscene_ros.geometry.facing_areas import facings
from iscene_ros.geometry.ray_columns import BITS, ColumnGrid, Triangles
from iscene_ros.geometry.scene_geometry import SceneGeometry
from iscene_ros.relations.candidates import EdgeCandidate
from iscene_ros.relations.support import is_known

# Rays through all objects together.
RAYS = 12_000
NEAREST_M = 0.02


def occlusion_candidates(
    geometry: SceneGeometry, upright_from_camera: np.ndarray
) -> list[EdgeCandidate]:
    """Pairs of objects with a common line of sight; the nearer one hides the other."""
    inverse = np.linalg.inv(upright_from_camera)
    seen = [_projected(body, inverse) for body in geometry.bodies]
    index = np.array([i for i, body in enumerate(seen) if body is not None], np.int64)
    seen = [body for body in seen if body is not None]
    if len(seen) < 2:
        return []
    area = sum(float(np.prod(body.size[:2])) for body in seen)
    grid = ColumnGrid(2, max(float(np.sqrt(area / RAYS)), 1e-6))
    intervals = grid.intervals(Triangles.of(seen))
    pairs = np.unique((intervals.body << (2 * BITS)) | intervals.cell)
    rays = np.bincount(pairs >> (2 * BITS), minlength=len(seen))
    f = facings(grid, intervals)
    hidden = np.unique(((f.lower * len(seen) + f.upper) << (2 * BITS)) | f.cell)
    groups, counts = np.unique(hidden >> (2 * BITS), return_counts=True)
    found = []
    for (near, far), count in zip((divmod(g, len(seen)) for g in groups), counts, strict=True):
        share = float(count / max(rays[far], 1))
        one, other = int(index[near]), int(index[far])
        known = is_known(geometry, one, other)
        features = (min(share, 0.2), float(np.log(count)))
        evidence = RelationEvidence(share=share)
        found.append(EdgeCandidate(one, Predicate.OCCLUDES, other, features, evidence, known))
    return found


def _projected(body: Body, camera_from_upright: np.ndarray) -> Body | None:
    """The body with columns as lines of sight: x / z, y / z and -1 / z."""
    points = body.vertices @ camera_from_upright[:3, :3].T + camera_from_upright[:3, 3]
    ahead = points[:, 2] > NEAREST_M
    faces = body.faces[ahead[body.faces].all(axis=1)]
    if not len(faces):
        return None
    depth = np.where(ahead, points[:, 2], 1.0)
    rays = np.column_stack([points[:, 0] / depth, points[:, 1] / depth, -1.0 / depth])
    used = rays[ahead]
    return replace(body, vertices=rays, faces=faces, low=used.min(axis=0), high=used.max(axis=0))
