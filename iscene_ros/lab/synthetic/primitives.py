"""What shape families are made of: random sizes, poses, parts and profiles [m, rad]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iscene_ros.lab.synthetic.shapes import Operation, Part, PartKind

ORIGIN = (0.0, 0.0, 0.0)


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a uniform number in [low, high)."""
    return float(rng.uniform(low, high))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Return True with a probability."""
    return bool(rng.random() < probability)


def longest_side(rng: np.random.Generator, low: float = 0.05, high: float = 0.25) -> float:
    """Draw a length [m], mostly in the natural range of a family, sometimes in 2.5..45 cm."""
    if chance(rng, 0.1):
        return log_uniform(rng, 0.025, 0.45)
    return log_uniform(rng, low, high)


def wall_thickness(rng: np.random.Generator, size: float) -> float:
    """Draw the thickness of a vessel wall [m], 2..6 mm, less for small vessels."""
    return float(min(rng.uniform(0.002, 0.006), max(0.04 * size, 0.0015)))


def thin_wall(rng: np.random.Generator) -> float:
    """Draw the thickness of sheet metal, card or glass [m], 1.5..4 mm at any size."""
    return float(rng.uniform(0.0015, 0.004))


def ratios(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """Draw independent log-uniform ratios (count,)."""
    return np.exp(rng.uniform(np.log(low), np.log(high), count))


def pose(
    position: Sequence[float] = ORIGIN, roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0
) -> np.ndarray:
    """Return the transform (4, 4) that rotates about x, then y, then z, then translates."""
    cr, sr, cp, sp, cy, sy = (f(angle) for angle in (roll, pitch, yaw) for f in (np.cos, np.sin))
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    transform = np.eye(4)
    transform[:3, :3] = about_z @ about_y @ about_x
    transform[:3, 3] = position
    return transform


def box(
    size: Sequence[float], at: np.ndarray | None = None, rounding: float = 0.0, **kwargs
) -> Part:
    """Return a box of full side lengths; the rounding is limited by its thinnest side."""
    half = [0.5 * float(side) for side in size]
    rounding = float(min(rounding, 0.98 * min(half)))
    return _part(PartKind.BOX, (*half, rounding), None, at, **kwargs)


def ellipsoid(radii: Sequence[float], at: np.ndarray | None = None, **kwargs) -> Part:
    """Return an ellipsoid of three radii."""
    return _part(PartKind.ELLIPSOID, tuple(float(r) for r in radii), None, at, **kwargs)


def cylinder(
    radius: float, height: float, at: np.ndarray | None = None, rounding: float = 0.0, **kwargs
) -> Part:
    """Return a centred cylinder along z."""
    rounding = min(rounding, 0.98 * radius, 0.49 * height)
    return _part(PartKind.CYLINDER, (radius, 0.5 * height, rounding), None, at, **kwargs)


def torus(ring_radius: float, tube_radius: float, at: np.ndarray | None = None, **kwargs) -> Part:
    """Return a torus around z."""
    return _part(PartKind.TORUS, (ring_radius, tube_radius), None, at, **kwargs)


def revolution(
    profile: Sequence[Sequence[float]],
    at: np.ndarray | None = None,
    core: tuple[float, float] = (0.0, 0.0),
    rounding: float = 0.0,
    **kwargs,
) -> Part:
    """Return a closed profile of (r, z) around z, or around a rectangle of half sizes `core`."""
    return _part(PartKind.REVOLUTION, (*core, rounding), np.asarray(profile, float), at, **kwargs)


def extrusion(
    outline: Sequence[Sequence[float]],
    height: float,
    at: np.ndarray | None = None,
    rounding: float = 0.0,
    **kwargs,
) -> Part:
    """Return a polygon of (x, y) extruded along z, centred; rounding grows the outline."""
    rounding = min(rounding, 0.49 * height)
    outline = np.asarray(outline, float)
    return _part(PartKind.EXTRUSION, (0.5 * height, rounding), outline, at, **kwargs)


def sweep(chain: Sequence[Sequence[float]], at: np.ndarray | None = None, **kwargs) -> Part:
    """Return a chain of balls (x, y, z, radius) joined by capsules."""
    return _part(PartKind.SWEEP, (), np.asarray(chain, float), at, **kwargs)


def frustum(
    bottom_radius: float, top_radius: float, height: float, at: np.ndarray | None = None, **kwargs
) -> Part:
    """Return a cone or frustum from z = 0 to z = height."""
    profile = [(0, 0), (bottom_radius, 0), (top_radius, height), (0, height)]
    return revolution(profile, at, **kwargs)


def arc_chain(
    radius: float, start: float, stop: float, thickness: Sequence[float], count: int = 8
) -> np.ndarray:
    """Return a chain (count, 4) along an arc in the x-z plane of interpolated thickness."""
    angles = np.linspace(start, stop, count)
    widths = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(thickness)), thickness)
    return np.stack([radius * np.cos(angles), 0 * angles, radius * np.sin(angles), widths], 1)


def smoothed(polyline: Sequence[Sequence[float]], rounds: int = 1) -> np.ndarray:
    """Return an open polyline with corners cut (Chaikin); its ends stay."""
    line = np.asarray(polyline, float)
    for _ in range(rounds):
        early = 0.75 * line[:-1] + 0.25 * line[1:]
        late = 0.25 * line[:-1] + 0.75 * line[1:]
        middle = np.stack([early, late], 1).reshape(-1, line.shape[1])
        line = np.concatenate([line[:1], middle[1:-1], line[-1:]])
    return line


def wall_profile(outer: Sequence[Sequence[float]], thickness: float) -> np.ndarray:
    """Return the closed profile of a wall inside an outer line from (0, bottom) to the rim."""
    outer = np.asarray(outer, float)
    # The wall of a miniature may be thicker than its radius, and nothing would be hollow.
    thickness = min(thickness, 0.6 * outer[:, 0].max())
    tangent = np.gradient(outer, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    inner = outer + thickness * normal
    inner[0] = outer[0] + (0.0, thickness)
    # A flat rim: along the level of the top, wide enough for the slope of the wall.
    inner[-1] = outer[-1] - (thickness / max(-normal[-1, 0], 0.33), 0.0)
    inner[:, 0] = np.clip(inner[:, 0], 0.0, None)
    inner[1:, 1] = np.clip(inner[1:, 1], outer[0, 1] + 0.9 * thickness, outer[-1, 1])
    return np.concatenate([outer, inner[::-1]])


def hollowed(
    outer: Sequence[Sequence[float]],
    thickness: float,
    attached: Sequence[Part],
    core: tuple[float, float] = (0.0, 0.0),
) -> tuple[Part, ...]:
    """Return the parts of a vessel with a wall inside an outer line, and what is attached."""
    line = np.asarray(outer, float)
    inner = wall_profile(line, thickness)[len(line) :][::-1]
    above = line[-1, 1] + line[:, 0].max() + 2 * np.ptp(line[:, 1])
    cavity = [*inner, (inner[-1, 0], above), (0.0, above)]
    inside = revolution(cavity, core=core, operation=Operation.SUBTRACT)
    return (revolution([*line, (0.0, line[-1, 1])], core=core), *attached, inside)


def strip_outline(line: Sequence[Sequence[float]], thickness: float) -> np.ndarray:
    """Return the closed outline (2K, 2) of a sheet of a thickness along a polyline (K, 2)."""
    line = np.asarray(line, float)
    tangent = np.gradient(line, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    normal *= 0.5 * thickness / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return np.concatenate([line + normal, (line - normal)[::-1]])


def _part(
    kind: PartKind,
    parameters: tuple[float, ...],
    outline: np.ndarray | None,
    at: np.ndarray | None,
    operation: Operation = Operation.UNION,
    blend: float = 0.0,
) -> Part:
    parameters = tuple(float(value) for value in parameters)
    return Part(kind, parameters, outline, np.eye(4) if at is None else at, operation, blend)
