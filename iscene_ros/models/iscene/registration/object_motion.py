"""Each object may move a little on its own, as long as what touched still touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.scene import Mesh
from iscene_ros.models.iscene.registration.contacts import Gap, Shell, gaps
from iscene_ros.models.iscene.registration.equations import (
    Equations,
    depth_equations,
    outline_equations,
)
from iscene_ros.models.iscene.registration.fit_view import FitView
from iscene_ros.models.iscene.registration.options import PlacementOptions
from iscene_ros.models.iscene.registration.rendered_shapes import see
from iscene_ros.models.iscene.registration.result import Similarity

STEPS = 2
# Deviation of a kept contact, as a share of what it may change by.
CONTACT_SHARE = 0.1
# An object that would move further than so many deviations is not trusted to.
FARTHEST = 3.0
OFFSET_SIGMA = 2.0


@dataclass(frozen=True)
class Standing:
    """What the moves have to respect, at the scene's own placement; view space [m].

    Attributes:
        shells: the surfaces.
        centers: (N, 3) middles of the objects, about which they grow.
        near: gaps of the pairs that are near each other.
        touching: those of them that touch.
        support: numbers of the objects that stand lowest.
    """

    shells: tuple[Shell, ...]
    centers: np.ndarray
    near: tuple[Gap, ...]
    touching: tuple[Gap, ...]
    support: tuple[int, ...]

    @classmethod
    def of(
        cls, meshes_cube: Sequence[Mesh], scene: Similarity, options: PlacementOptions
    ) -> Standing:
        """Of shapes that share one placement."""
        shells = [Shell.of(replace(m, vertices=scene.to_aligned(m.vertices))) for m in meshes_cube]
        touch = max(options.touch, options.touch_share * scene.scale)
        near = gaps(shells, touch + 2 * FARTHEST * options.move_share * scene.scale)
        bottoms = np.array([shell.lowest for shell in shells])
        return cls(
            tuple(shells),
            np.array([0.5 * (s.points.min(axis=0) + s.points.max(axis=0)) for s in shells]),
            tuple(near),
            tuple(gap for gap in near if gap.length <= touch),
            tuple(int(i) for i in np.flatnonzero(bottoms <= bottoms.min() + touch)),
        )

    def placed(self, scene: Similarity, moves: np.ndarray) -> list[Similarity]:
        """The objects' placements after (N, 4) growths and shifts [m]."""
        return [
            replace(
                scene,
                scale=scene.scale * (1 + float(move[0])),
                translation=center + (1 + move[0]) * (scene.translation - center) + move[1:],
            )
            for center, move in zip(self.centers, moves, strict=True)
        ]

    def constraints(self) -> np.ndarray:
        """(C, 4 N) rows whose product with the moves is a change of a contact [m]."""
        count = len(self.shells)
        rows = [
            self._row(gap.one, gap.point, gap.normal) - self._row(gap.other, gap.point, gap.normal)
            for gap in self.touching
        ]
        up, first = np.array([0.0, 0.0, 1.0]), self.support[0]
        rows += [
            self._row(i, self._bottom(i), up) - self._row(first, self._bottom(first), up)
            for i in self.support[1:]
        ]
        return np.array(rows).reshape(len(rows), 4 * count)

    def offenders(self, moves: np.ndarray, tolerance: float) -> set[int]:
        """Objects in contacts that (N, 4) moves open or close by more than a tolerance [m]."""
        triples = zip(self.shells, self.centers, moves, strict=True)
        shells = [shell.moved(center, m[0], m[1:]) for shell, center, m in triples]
        reach = max((gap.length for gap in self.near), default=0.0) + 1.0
        touching = {(gap.one, gap.other) for gap in self.touching}
        found: set[int] = set()
        for gap in self.near:
            if not (moves[gap.one].any() or moves[gap.other].any()):
                continue
            pair = [shells[gap.one], shells[gap.other]]
            change = gaps(pair, reach)[0].length - gap.length
            opens = (gap.one, gap.other) in touching and change > tolerance
            if opens or gap.length + change < min(gap.length, 0.0) - tolerance:
                found |= {gap.one, gap.other}
        floor = min(shells[i].lowest for i in self.support) - tolerance
        sunk = {i for i, shell in enumerate(shells) if shell.lowest < floor}
        return {i for i in found | sunk if moves[i].any()}

    def _row(self, number: int, point: np.ndarray, normal: np.ndarray) -> np.ndarray:
        row = np.zeros(4 * len(self.shells))
        arm = point - self.centers[number]
        row[4 * number : 4 * number + 4] = [normal @ arm, *normal]
        return row

    def _bottom(self, number: int) -> np.ndarray:
        return np.array([*self.centers[number][:2], self.shells[number].lowest])


def find_moves(
    meshes_cube: Sequence[Mesh],
    view: FitView,
    scene: Similarity,
    standing: Standing,
    options: PlacementOptions,
) -> np.ndarray:
    """(N, 4) growth (relative) and shift [m] of each object, by least squares for all together."""
    count = len(meshes_cube)
    moves = np.zeros(4 * count)
    shift_sigma = options.move_share * scene.scale
    prior = np.tile([options.scale_share**-2.0, *[shift_sigma**-2.0] * 3], count)
    contact = standing.constraints() / (CONTACT_SHARE * options.contact_tolerance)
    held = np.diag(prior) + contact.T @ contact
    free = np.append(np.tile([options.refine_scale, True, True, True], count), True)
    for _ in range(STEPS):
        seen = see(meshes_cube, standing.placed(scene, moves.reshape(-1, 4)), view)
        normal, right = np.zeros((4 * count + 1,) * 2), np.zeros(4 * count + 1)
        normal[:-1, :-1], right[:-1] = held, -held @ moves
        normal[-1, -1] = OFFSET_SIGMA**-2.0
        for equations in (
            depth_equations(seen, view, options),
            outline_equations(seen, view, options),
        ):
            for number in range(count):
                _add(normal, right, equations.of_shape(number), number, standing)
        step = np.zeros(4 * count + 1)
        step[free] = np.linalg.solve(normal[np.ix_(free, free)], right[free])
        moves += step[:-1]
    moves = moves.reshape(-1, 4)
    too_far = np.linalg.norm(moves[:, 1:], axis=1) > FARTHEST * shift_sigma
    moves[too_far | (np.abs(moves[:, 0]) > FARTHEST * options.scale_share)] = 0
    return moves


def keep_contacts(moves: np.ndarray, standing: Standing, options: PlacementOptions) -> np.ndarray:
    """The (N, 4) moves without those that would change a contact; they become zero."""
    moves = moves.copy()
    while offenders := standing.offenders(moves, options.contact_tolerance):
        moves[list(offenders)] = 0
    return moves


def _add(
    normal: np.ndarray, right: np.ndarray, equations: Equations, number: int, standing: Standing
) -> None:
    """Add the equations of one object to the normal equations; the last unknown is the offset."""
    columns = np.r_[4 * number : 4 * number + 4, len(right) - 1]
    motion = equations.motion_columns(standing.centers[number])
    jacobian = np.column_stack([motion, equations.offset_column])
    weighted = jacobian * equations.weights()[:, None]
    normal[np.ix_(columns, columns)] += weighted.T @ jacobian
    right[columns] += weighted.T @ equations.residuals
