"""What carries what, what only leans, and what touches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.geometry.contact_patches import Patch
from iscene_ros.geometry.containment import KNOWN, Containment
from iscene_ros.geometry.overlaps import footprint_cells
from iscene_ros.geometry.scene_geometry import SceneGeometry
from iscene_ros.geometry.support_polygon import margin_inside
from iscene_ros.relations.candidates import EdgeCandidate

# Standard deviations beyond which a gap or an overlap says nothing more.
FARTHEST = 8.0

# How far a centre of mass lies off its support, as a share of the object's size, is told in units
# of the first and counts up to the second.
TIPPING_SHARE = 0.02
TIPPED = 4.0

# What stands that firmly leans on nothing.
STEADY = 1.5

# Standard deviations to which it is looked for something that carries what nothing is close to;
# what hovers higher may be held.
LAST_REACH = 30.0

# What is enclosed less than this in volume is not held by a hollow.
LEAST_ENCLOSED = 0.1


def support_candidates(geometry: SceneGeometry, hollows: Containment) -> list[EdgeCandidate]:
    """Possible supporters of each object: below it, or around it where its bottom is not seen."""
    patches = {(p.upper, p.lower): p for p in geometry.bearing if p.upper < len(geometry.bodies)}
    closest = _closest_gaps(patches)
    footprints = footprint_cells(geometry)
    shares = _facing_shares(geometry, footprints)
    found = []
    enclosed = {pair: hollows.share(*pair) for pair in hollows.box_pairs()}
    pairs = set(patches) | {pair for pair, share in enclosed.items() if share > LEAST_ENCLOSED}
    pairs |= _lowest_resort(geometry, {upper for upper, _ in pairs}, shares)
    for upper, lower in sorted(pairs):
        held = max((s for (c, _), s in enclosed.items() if c == upper), default=0.0)
        features = _features(geometry, upper, lower, patches, closest, shares)
        features += (enclosed.get((upper, lower), 0.0), held)
        patch = patches.get((upper, lower))
        evidence = RelationEvidence() if patch is None else patch_evidence(patch, from_lower=True)
        found.append(
            EdgeCandidate(
                upper,
                Predicate.SUPPORTED_BY,
                lower,
                features,
                evidence,
                is_known(geometry, upper, lower),
            )
        )
    return found


def _features(
    geometry: SceneGeometry,
    upper: int,
    lower: int,
    patches: dict[tuple[int, int], Patch],
    closest: dict[int, float],
    shares: dict[tuple[int, int], float],
) -> tuple[float, ...]:
    patch = patches.get((upper, lower))
    share = shares.get((upper, lower), 0.0)
    is_environment = float(lower == geometry.environment)
    below = 1.0
    if lower != geometry.environment:
        body, other = geometry.bodies[upper], geometry.bodies[lower]
        height = max(min(body.size[2], other.size[2]), 1e-6)
        below = float(np.clip((body.low[2] - other.low[2]) / height, -1.0, 1.0))
    if patch is None:
        # Without a patch of anything the gap is only too large, not larger than another one.
        excess = FARTHEST if upper in closest else 0.0
        return 0.0, FARTHEST, 0.0, excess, share, below, is_environment, 1.0
    gap = float(np.clip(patch.z_score, 0.0, FARTHEST))
    overlap = float(np.clip(-patch.z_score, 0.0, FARTHEST))
    excess = float(np.clip((patch.gap - closest[upper]) / patch.sigma, 0.0, FARTHEST))
    steep = 1.0 - float(patch.normal[2])
    return steep, gap, overlap, excess, share, below, is_environment, 0.0


def carrying(geometry: SceneGeometry, supported: list[tuple[EdgeCandidate, float]]) -> np.ndarray:
    """(N, N) probability that the first object rests on the second one, directly or not."""
    count = len(geometry.bodies)
    chain = np.zeros((count, count))
    for candidate, p in supported:
        if candidate.object < count:
            chain[candidate.subject, candidate.object] = p
    for middle in range(count):
        chain = np.maximum(chain, np.outer(chain[:, middle], chain[middle]))
    np.fill_diagonal(chain, 0.0)
    return chain


def leaning_candidates(
    geometry: SceneGeometry, supported: list[tuple[EdgeCandidate, float]]
) -> list[EdgeCandidate]:
    """Sideways contacts of objects whose centre of mass is not over what supports them.

    Args:
        geometry: of the scene.
        supported: candidates for support and their probabilities.
    """
    contacts = support_points(geometry, [c for c, p in supported if p >= 0.5])
    sides = [
        (body, other, patch)
        for patch in geometry.sideways
        for body, other in ((patch.lower, patch.upper), (patch.upper, patch.lower))
        if body != geometry.environment
    ]
    closest: dict[int, float] = {}
    for body, _, patch in sides:
        closest[body] = min(closest.get(body, np.inf), patch.gap)
    found = []
    for body, other, patch in sides:
        place = geometry.bodies[body].center_of_mass[:2]
        margin, away = stability(geometry, body, contacts)
        scale = patch.sigma + TIPPING_SHARE * float(np.linalg.norm(geometry.bodies[body].size))
        if margin > STEADY * scale:
            continue
        normal = (patch.normal if body == patch.upper else -patch.normal)[:2]
        # A push toward the support holds what would tip away from it.
        lever = np.linalg.norm(away - place) * np.linalg.norm(normal)
        holds = float(normal @ (away - place) / lever) if margin < 0 and lever > 0 else 0.0
        features = (
            float(np.clip(patch.z_score, 0.0, FARTHEST)),
            float(np.clip(-patch.z_score, 0.0, FARTHEST)),
            float(np.clip((patch.gap - closest[body]) / patch.sigma, 0.0, FARTHEST)),
            float(np.clip(-margin / scale, 0.0, TIPPED)),
            float(np.clip(margin / scale, 0.0, TIPPED)),
            holds,
            float(other == geometry.environment),
        )
        evidence = patch_evidence(patch, from_lower=body == patch.upper)
        known = is_known(geometry, body, other)
        found.append(EdgeCandidate(body, Predicate.LEANING_ON, other, features, evidence, known))
    return found


def support_points(
    geometry: SceneGeometry, supported: Sequence[EdgeCandidate]
) -> dict[int, np.ndarray]:
    """Where each object touches what carries it: (M, 2) horizontal coordinates [m]."""
    patches = {(p.upper, p.lower): p for p in geometry.bearing}
    points: dict[int, list[np.ndarray]] = {}
    for edge in supported:
        patch = patches.get((edge.subject, edge.object))
        if patch is not None:
            points.setdefault(edge.subject, []).append(patch.points[:, :2])
    return {body: np.concatenate(parts) for body, parts in points.items()}


def stability(
    geometry: SceneGeometry, body: int, contacts: Mapping[int, np.ndarray]
) -> tuple[float, np.ndarray]:
    """How far the centre of mass lies within the support polygon, and the polygon's middle.

    Surfaces being sampled by columns, contact points lie up to a column apart.

    Returns:
        The margin [m], negative outside, and (2,) the middle of the contact points [m].
    """
    points = contacts.get(body, np.zeros((0, 2)))
    place = geometry.bodies[body].center_of_mass[:2]
    middle = points.mean(axis=0) if len(points) else place
    return max(margin_inside(points, place), -1.0) + geometry.spacing, middle


def touching_candidates(
    geometry: SceneGeometry, supported: list[tuple[EdgeCandidate, float]]
) -> list[EdgeCandidate]:
    """Contacts of any direction; each pair once, the environment second."""
    carried = {}
    for candidate, probability in supported:
        pair = frozenset((candidate.subject, candidate.object))
        carried[pair] = max(carried.get(pair, 0.0), probability)
    closest: dict[frozenset[int], Patch] = {}
    for patch in (*geometry.bearing, *geometry.sideways):
        pair = frozenset((patch.lower, patch.upper))
        if pair not in closest or patch.gap < closest[pair].gap:
            closest[pair] = patch
    found = []
    for pair in sorted(closest.keys() | carried.keys(), key=sorted):
        one, other = sorted(pair)
        patch = closest.get(pair)
        z = FARTHEST if patch is None else patch.z_score
        features = (
            float(np.clip(z, 0.0, FARTHEST)),
            float(np.clip(-z, 0.0, FARTHEST)),
            carried.get(pair, 0.0),
            0.0 if patch is None else patch.share,
            float(other == geometry.environment),
        )
        evidence = RelationEvidence()
        if patch is not None:
            evidence = patch_evidence(patch, from_lower=patch.upper == one)
        known = is_known(geometry, one, other)
        found.append(EdgeCandidate(one, Predicate.TOUCHING, other, features, evidence, known))
    return found


def is_known(geometry: SceneGeometry, *indices: int) -> bool:
    """Whether the surfaces of bodies are given rather than completed."""
    bodies = (geometry.bodies[i] for i in indices if i != geometry.environment)
    return all(body.confidence >= KNOWN for body in bodies)


def patch_evidence(patch: Patch, from_lower: bool) -> RelationEvidence:
    """Evidence of a contact, its normal pointing to the edge's subject."""
    normal = patch.normal if from_lower else -patch.normal
    return RelationEvidence(
        gap_m=max(0.0, patch.gap),
        penetration_m=max(0.0, -patch.gap),
        area_m2=patch.area,
        contact_point=tuple(float(v) for v in patch.point),
        normal=tuple(float(v) for v in normal),
    )


def _lowest_resort(
    geometry: SceneGeometry, carried: set[int], shares: dict[tuple[int, int], float]
) -> set[tuple[int, int]]:
    """Completed objects that nothing is close to, and what most of their outline faces below."""
    f = geometry.facings[2]
    reach = LAST_REACH * np.hypot(geometry.sigmas[f.lower], geometry.sigmas[f.upper])
    within = f.is_next & (f.gap >= 0) & (f.gap <= reach)
    facing = set(zip(f.upper[within].tolist(), f.lower[within].tolist(), strict=True))
    best: dict[int, tuple[float, int]] = {}
    for upper, lower in facing:
        free = upper not in carried and upper != geometry.environment
        if free and not is_known(geometry, upper):
            found = shares[upper, lower], lower
            best[upper] = max(best.get(upper, (0.0, -1)), found)
    return {(upper, lower) for upper, (_, lower) in best.items()}


def _closest_gaps(patches: dict[tuple[int, int], Patch]) -> dict[int, float]:
    closest: dict[int, float] = {}
    for (upper, _), patch in patches.items():
        closest[upper] = min(closest.get(upper, np.inf), patch.gap)
    return closest


def _facing_shares(geometry: SceneGeometry, footprints: np.ndarray) -> dict[tuple[int, int], float]:
    """Share of an object's outline, seen from above, next below which the other one lies."""
    f = geometry.facings[2]
    code = f.upper[f.is_next] * len(geometry.sigmas) + f.lower[f.is_next]
    pairs, counts = np.unique(code, return_counts=True)
    uppers, lowers = divmod(pairs, len(geometry.sigmas))
    return {
        (int(u), int(w)): min(count / max(int(footprints[u]), 1), 1.0)
        for u, w, count in zip(uppers, lowers, counts, strict=True)
    }
