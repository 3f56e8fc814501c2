"""What was completed, as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from iscene_ros.core.scene import Scene, SceneObject

_LEFT_ALIGNED = {1}


def format_table(scene: Scene) -> str:
    """One line an object, one line a skipped instance, and the sum."""
    unit = "[cm]" if scene.is_metric else "[unknown unit / 100]"
    titles = ("id", "label", f"size {unit}", "observed", "confidence", "seconds")
    rows = [titles, *map(_cells, scene.objects)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_aligned(row, widths) for row in rows]
    lines += [f"skipped {s.id} {s.label}: {s.reason}" for s in scene.skipped]
    lines.append(f"{len(scene.objects)} objects in {scene.timings.total:.2f} s")
    return "\n".join(lines)


def _cells(scene_object: SceneObject) -> tuple[str, ...]:
    return (
        str(scene_object.id),
        scene_object.label,
        " x ".join(f"{100 * edge:.1f}" for edge in scene_object.size),
        f"{100 * scene_object.observed_fraction:.0f} %",
        f"{scene_object.confidence:.2f}",
        f"{scene_object.seconds:.2f}",
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.ljust(width) if index in _LEFT_ALIGNED else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells)
