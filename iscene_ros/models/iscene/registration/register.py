"""Registration of the shapes of a scene to the view that they were predicted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.models.iscene.registration.fit_view import FitView
from iscene_ros.models.iscene.registration.fitness import MIN_READINGS, Fitness
from iscene_ros.models.iscene.registration.object_motion import SceneContacts, find_shifts, shifted
from iscene_ros.models.iscene.registration.rendered_shapes import light_mesh
from iscene_ros.models.iscene.registration.result import (
    CubeShape,
    RegisteredObject,
    Registration,
    Similarity,
)
from iscene_ros.models.iscene.registration.similarity_fit import fit_scene

NO_PIXEL = "no pixel of its mask is its own: empty, or covered by other masks"
NO_SURFACE = "its predicted shape has no surface"
# A scene is rejected if a smaller share of its objects fits.
MIN_FITTING_SHARE = 0.4
# Share of a mesh's vertices that are taken for outliers below its lowest point.
OUTLIER_SHARE = 0.002


def register_scene(
    shapes: Sequence[CubeShape],
    observation: Observation,
    aligned_frame: GravityAlignedFrame,
    camera_height: float | None = None,
    support_height: float | None = None,
) -> Registration:
    """Find the similarity from the shapes' cube to the gravity-aligned frame.

    With depth the result is in metres. Without depth it is where the height of the camera above the
    support is given; otherwise the cube's edge is the unit (see `Registration.method`). Shapes that
    do not fit are rejected with a reason; nothing is raised for them.

    Args:
        shapes: predicted by a model, in one cube.
        observation: rectified, its masks without overlaps (`resolve_mask_overlaps`).
        aligned_frame: of the observation's gravity.
        camera_height: of the camera above the support [m], for views without depth.
        support_height: of the support in the world [m], in its place; needs the camera's pose.
    """
    rejected = {}
    for shape in shapes:
        if not observation.masks[shape.row].any():
            rejected[shape.row] = NO_PIXEL
        elif not len(shape.mesh.faces) or not np.isfinite(shape.mesh.vertices).all():
            rejected[shape.row] = NO_SURFACE
    usable = [shape for shape in shapes if shape.row not in rejected]
    if not usable:
        return Registration(
            similarity=Similarity(1.0, np.zeros(3)),
            objects=(),
            rejected=tuple((shape.row, rejected[shape.row]) for shape in shapes),
            residual_m=float("nan"),
            method="unit",
            warnings=("registration: no shape can be compared with the view",) if shapes else (),
        )
    scene = _Scene(usable, observation, aligned_frame)
    return scene.register(shapes, rejected, camera_height, support_height)


class _Scene:
    """The shapes of one scene that can be compared with the view."""

    def __init__(
        self,
        shapes: Sequence[CubeShape],
        observation: Observation,
        aligned_frame: GravityAlignedFrame,
    ) -> None:
        self.observation = observation
        self.rows = [shape.row for shape in shapes]
        self.meshes = [shape.mesh for shape in shapes]
        self.light = [light_mesh(mesh) for mesh in self.meshes]
        view = FitView.of(observation, aligned_frame, self.rows)
        readings = np.count_nonzero(view.masks.any(axis=0) & (view.depth > 0))
        self.has_depth = readings >= MIN_READINGS
        self.view = view if self.has_depth else replace(view, depth=np.zeros_like(view.depth))
        self.fitness = Fitness(self.meshes, self.light, self.view)

    def register(
        self,
        shapes: Sequence[CubeShape],
        rejected: dict[int, str],
        camera_height: float | None,
        support_height: float | None,
    ) -> Registration:
        """Register the scene; `rejected` maps rows to reasons of shapes that are left out."""
        scene = fit_scene(self.light, self.view)
        judged, fits, reasons = self._judged([scene] * len(self.rows))
        enough = len(fits) >= max(1.0, MIN_FITTING_SHARE * len(self.rows))
        if enough and self.has_depth:
            judged, fits, reasons = self._judged(self._refined(scene, judged))
        rejected = {**rejected, **{self.rows[i]: reason for i, reason in reasons.items()}}
        if not enough:
            line = (
                f"the scene was rejected: {len(fits)} of its {len(self.rows)} shapes fit the view"
            )
            rejected.update({self.rows[i]: line for i in fits})
            fits = []
        scale, method, warnings = 1.0, "depth", ()
        if not self.has_depth:
            meshes = [self.meshes[i] for i in fits] or self.meshes
            heights = camera_height, support_height
            scale, method, warnings = _metric_scale(meshes, scene, self.observation, *heights)
        objects = tuple(
            replace(judged[i], similarity=judged[i].similarity.scaled_about_camera(scale))
            for i in fits
        )
        return Registration(
            similarity=scene.scaled_about_camera(scale),
            objects=objects,
            rejected=tuple((s.row, rejected[s.row]) for s in shapes if s.row in rejected),
            residual_m=_median([o.residual_m for o in objects]),
            method=method,
            warnings=warnings,
        )

    def _judged(
        self, similarities: Sequence[Similarity]
    ) -> tuple[list[RegisteredObject], list[int], dict[int, str]]:
        """Return all objects, numbers of those that fit, and reasons why the others do not."""
        residuals = self.fitness.residuals(similarities)
        agreements = self.fitness.agreements(similarities)
        judged, fits, reasons = [], [], {}
        for number, (row, similarity) in enumerate(zip(self.rows, similarities, strict=True)):
            residual, agreement = float(residuals[number]), float(agreements[number])
            judged.append(RegisteredObject(row, similarity, residual, agreement))
            reason = self.fitness.misfit(number, residual, agreement)
            if reason is None:
                fits.append(number)
            else:
                reasons[number] = reason
        return judged, fits, reasons

    def _refined(self, scene: Similarity, judged: Sequence[RegisteredObject]) -> list[Similarity]:
        """Return similarities after shifts that bring each object closer to its readings."""
        contacts = SceneContacts.of(self.meshes, scene)
        shifts = find_shifts(self.light, self.view, scene, contacts)
        before = np.array([one.residual_m for one in judged])
        after = self.fitness.residuals(shifted(scene, shifts))
        shifts[~(after < before)] = 0
        while violations := contacts.violations(shifts):
            shifts[list(violations)] = 0
        return shifted(scene, shifts)


def _metric_scale(
    meshes_cube: Sequence[Mesh],
    unit: Similarity,
    observation: Observation,
    camera_height: float | None,
    support_height: float | None,
) -> tuple[float, str, tuple[str, ...]]:
    """Return the cube's edge [m] of a view without depth, the origin of the scale, and warnings.

    The lowest of the shapes, whose similarity of scale 1 is given, stands on the support; how far
    that lies below the camera follows from one of the heights, as of `register_scene`.
    """
    height, method, warnings = camera_height, "camera_height", []
    if camera_height is None and support_height is not None:
        method = "support_plane"
        if observation.world_from_camera is not None:
            height = float(observation.world_from_camera[2, 3]) - support_height
        else:
            warnings.append(
                "registration: support_height needs world_from_camera, which is not given"
            )
    if height is None:
        warnings.append(
            "registration: no depth, camera_height or support_height: the scale is unknown, "
            "lengths are in edges of the cube"
        )
        return 1.0, "unit", tuple(warnings)
    # Height of the lowest point above the camera [edges of the cube].
    lowest = min(
        float(np.quantile(unit.to_aligned(mesh.vertices)[:, 2], OUTLIER_SHARE))
        for mesh in meshes_cube
    )
    if lowest >= 0 or height <= 0:
        line = (
            f"registration: {method}: the support lies {height:.3g} m below the camera, but the "
            f"scene's lowest point {-lowest:.3g} edges of the cube; the scale stays unknown"
        )
        return 1.0, "unit", (line,)
    return height / -lowest, method, ()


def _median(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.median(finite)) if finite else float("nan")
