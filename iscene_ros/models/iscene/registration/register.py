"""Lay the shapes of a scene over the view that they were predicted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.models.iscene.registration.fit_view import FitView
from iscene_ros.models.iscene.registration.fitness import Fitness
from iscene_ros.models.iscene.registration.metric_scale import metric_scale
from iscene_ros.models.iscene.registration.object_motion import Standing, find_moves, keep_contacts
from iscene_ros.models.iscene.registration.options import PlacementOptions
from iscene_ros.models.iscene.registration.rendered_shapes import light_mesh
from iscene_ros.models.iscene.registration.result import (
    ObjectPlacement,
    Placement,
    PlacementShape,
    Similarity,
)
from iscene_ros.models.iscene.registration.similarity_fit import fit_scene

NO_PIXEL = "no pixel of its mask is its own: empty, or covered by other masks"
NO_SURFACE = "its predicted shape has no surface"


def place_scene(
    shapes: Sequence[PlacementShape],
    observation: Observation,
    aligned_frame: GravityAlignedFrame,
    options: PlacementOptions | None = None,
) -> Placement:
    """Find the similarity from the shapes' cube to view space.

    With depth the answer is in metres. Without, it is where a height of the camera over the support
    is stated; else the cube's edge is the unit (see `Placement.method`). What does not fit is
    rejected with a reason; nothing is raised for it.

    Args:
        shapes: what a model predicted, in one cube.
        observation: rectified, its masks made visible (`resolve_mask_overlaps`).
        aligned_frame: of the observation's gravity.
        options: see there.

    Raises:
        InputError: a shape belongs to no mask, or two to the same one.
    """
    _check_rows([shape.row for shape in shapes], len(observation.masks))
    options = options or PlacementOptions()
    reasons = {shape.row: _unusable(shape, observation) for shape in shapes}
    rejected = {row: reason for row, reason in reasons.items() if reason is not None}
    usable = [shape for shape in shapes if shape.row not in rejected]
    if not usable:
        return _nothing(rejected, shapes)
    scene = _Scene(usable, observation, aligned_frame, options)
    return scene.placement(shapes, rejected)


class _Scene:
    """The shapes of one scene that can be compared with the view."""

    def __init__(
        self,
        shapes: Sequence[PlacementShape],
        observation: Observation,
        aligned_frame: GravityAlignedFrame,
        options: PlacementOptions,
    ) -> None:
        self.options, self.observation = options, observation
        self.rows = [shape.row for shape in shapes]
        self.meshes = [shape.mesh for shape in shapes]
        self.light = [light_mesh(mesh, options.fit_faces) for mesh in self.meshes]
        view = FitView.of(observation, aligned_frame, self.rows, options.fit_side)
        readings = np.count_nonzero(view.masks.any(axis=0) & (view.depth > 0))
        self.has_depth = readings >= options.min_readings
        self.view = view if self.has_depth else view.without_depth()
        self.fitness = Fitness(self.meshes, self.light, self.view, options)

    def placement(self, shapes: Sequence[PlacementShape], rejected: dict[int, str]) -> Placement:
        scene = fit_scene(self.light, self.view, self.options)
        placed, fits, reasons = self._judged([scene] * len(self.rows))
        enough = len(fits) >= max(1.0, self.options.min_fitting_share * len(self.rows))
        if enough and self.has_depth and self.options.refine_objects:
            placed, fits, reasons = self._judged(self._refined(scene, placed))
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
            scale, method, warnings = metric_scale(meshes, scene, self.observation, self.options)
        objects = tuple(
            replace(placed[i], similarity=placed[i].similarity.seen_from_camera_scaled(scale))
            for i in fits
        )
        return Placement(
            similarity=scene.seen_from_camera_scaled(scale),
            objects=objects,
            rejected=tuple((s.row, rejected[s.row]) for s in shapes if s.row in rejected),
            residual_m=_median([o.residual_m for o in objects]),
            method=method,
            warnings=warnings,
        )

    def _judged(
        self, similarities: Sequence[Similarity]
    ) -> tuple[list[ObjectPlacement], list[int], dict[int, str]]:
        """Every object with its figures, the numbers of those that fit, reasons of the others."""
        residuals = self.fitness.residuals(similarities)
        agreements = self.fitness.agreements(similarities)
        placed, fits, reasons = [], [], {}
        for number, (row, similarity) in enumerate(zip(self.rows, similarities, strict=True)):
            residual, agreement = float(residuals[number]), float(agreements[number])
            placed.append(ObjectPlacement(row, similarity, residual, agreement))
            reason = self.fitness.misfit(number, residual, agreement)
            if reason is None:
                fits.append(number)
            else:
                reasons[number] = reason
        return placed, fits, reasons

    def _refined(self, scene: Similarity, placed: Sequence[ObjectPlacement]) -> list[Similarity]:
        """Placements after moves that bring each object closer to its readings."""
        standing = Standing.of(self.meshes, scene, self.options)
        moves = find_moves(self.light, self.view, scene, standing, self.options)
        before = np.array([one.residual_m for one in placed])
        after = self.fitness.residuals(standing.placed(scene, moves))
        moves[~(after < before)] = 0
        moves = keep_contacts(moves, standing, self.options)
        return standing.placed(scene, moves)


def _check_rows(rows: Sequence[int], masks: int) -> None:
    if len(set(rows)) != len(rows) or not all(0 <= row < masks for row in rows):
        raise InputError(
            f"shapes: rows {list(rows)}, expected different ones from 0 to {masks - 1}"
        )


def _unusable(shape: PlacementShape, observation: Observation) -> str | None:
    if not observation.masks[shape.row].any():
        return NO_PIXEL
    return None if _has_surface(shape.mesh) else NO_SURFACE


def _has_surface(mesh: Mesh) -> bool:
    return len(mesh.faces) > 0 and bool(np.all(np.isfinite(mesh.vertices)))


def _nothing(rejected: dict[int, str], shapes: Sequence[PlacementShape]) -> Placement:
    return Placement(
        similarity=Similarity(1.0, np.zeros(3)),
        objects=(),
        rejected=tuple((shape.row, rejected[shape.row]) for shape in shapes),
        residual_m=float("nan"),
        method="unit",
        warnings=("placement: no shape can be compared with the view",) if shapes else (),
    )


def _median(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.median(finite)) if finite else float("nan")
