"""Alignments of shapes that are the same, or mirror images of each other."""

import numpy as np
import trimesh
from made_scenes import bodies, chair, joined

from iscene_ros.geometry.shape_alignment import ShapeSample, shape_matches


def turned(mesh, seed):
    turn = trimesh.transformations.random_rotation_matrix(np.random.default_rng(seed).random(3))
    return mesh.copy().apply_transform(turn)


def sample(mesh):
    return ShapeSample.of(bodies(mesh)[0])


def hand(side=1.0):
    """A body without any symmetry; `side` -1 is its mirror image."""
    parts = [
        trimesh.creation.box(bounds=b)
        for b in (
            [[0, 0, 0], [0.1, 0.03, 0.02]],
            [[0, 0, 0], [0.03, 0.07, 0.02]],
            [[0, 0, 0], [0.02, 0.02, 0.06]],
        )
    ]
    mesh = joined(*parts)
    return mesh.apply_transform(np.diag([1.0, 1.0, side, 1.0]))


def test_copies_are_found_whatever_their_pose() -> None:
    shapes = [turned(m, i) for i, m in enumerate([chair(), hand(), chair(), hand(-1.0), hand()])]
    found = {
        (m.one, m.other, m.is_mirrored)
        for m in shape_matches([sample(shape) for shape in shapes])
        if m.error_m < 0.5 * m.tolerance_m
    }
    assert found == {(0, 2, False), (1, 4, False), (1, 3, True), (3, 4, True)}
