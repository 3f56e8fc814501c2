"""Fit of the coefficients of the scene graph's rules to scenes with known relations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from iscene_ros.core.predicate import SYMMETRIC, Predicate
from iscene_ros.relations import coefficients
from iscene_ros.relations.rule import COMPLETED, EXACT, Measurements

# Weight of the penalty that keeps coefficients small where there are few examples.
PENALTY = 0.3

# With fewer examples of either kind the coefficients stay as they are.
LEAST_EXAMPLES = 8

# Predicates that the true meshes define.
DEFINED = frozenset({Predicate.NEAR, Predicate.LEFT_OF, Predicate.IN_FRONT_OF, Predicate.OCCLUDES})
# Copies whose completions look alike are too rare for a fit.
UNFITTED = frozenset({Predicate.SAME_SHAPE, Predicate.MIRRORED})

Row = tuple[tuple[float, ...], bool]


@dataclass
class Examples:
    """Candidate relations and whether they hold, by kind of surface and predicate."""

    rows: dict[tuple[str, str], list[Row]] = field(default_factory=dict)

    def add(self, candidates: Measurements, truth: Iterable[tuple[int, Predicate, int]]) -> None:
        """Add the candidates of one scene with its true edges by object id."""
        edges = {(subject, predicate.value, obj) for subject, predicate, obj in truth}
        name = candidates.geometry.object_id
        for predicate, found in candidates.found.items():
            kinds = {EXACT if c.is_exact else COMPLETED for c in found}
            if predicate in DEFINED and EXACT in kinds:
                continue  # the truth of completed meshes comes from these
            if predicate in UNFITTED:
                continue
            for candidate in found:
                pair = name(candidate.subject), name(candidate.object)
                holds = (pair[0], predicate.value, pair[1]) in edges
                if predicate in SYMMETRIC:
                    holds |= (pair[1], predicate.value, pair[0]) in edges
                kind = EXACT if candidate.is_exact else COMPLETED
                self.rows.setdefault((kind, predicate.value), []).append(
                    (candidate.features, holds)
                )

    def fitted(self) -> dict[str, dict[str, tuple[float, ...]]]:
        """Return coefficients by kind and predicate; the present ones where examples are few."""
        table = {kind: dict(found) for kind, found in coefficients.COEFFICIENTS.items()}
        for (kind, predicate), rows in self.rows.items():
            holds = np.array([h for _, h in rows], float)
            if min(holds.sum(), len(holds) - holds.sum()) >= LEAST_EXAMPLES:
                table[kind][predicate] = fit_logistic(np.array([f for f, _ in rows]), holds)
        return table


def fit_logistic(features: np.ndarray, holds: np.ndarray) -> tuple[float, ...]:
    """Return (1 + K) coefficients of a logistic model of (M, K) features, the constant first."""
    # A feature that hardly varies must not get a large coefficient by being scaled up.
    largest = np.abs(features).max(axis=0)
    scale = np.maximum(features.std(axis=0), 0.25 * largest) + 1e-9
    design = np.column_stack([np.ones(len(features)), features / scale])

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        total = design @ w
        value = np.logaddexp(0, total).sum() - holds @ total + 0.5 * PENALTY * (w[1:] @ w[1:])
        p = 1 / (1 + np.exp(-np.clip(total, -30, 30)))
        slope = design.T @ (p - holds)
        slope[1:] += PENALTY * w[1:]
        return value, slope

    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    return tuple(float(round(v, 4)) for v in (found[0], *(found[1:] / scale)))


def write_table(table: dict[str, dict[str, tuple[float, ...]]]) -> Path:
    """Write the coefficients into `relations/coefficients.py` and return its path."""
    lines = [
        f'"""{coefficients.__doc__.strip()}"""',
        "",
        "from __future__ import annotations",
        "",
        "# One line a predicate, however long.",
        "# ruff: noqa: E501",
        "# fmt: off",
        "COEFFICIENTS: dict[str, dict[str, tuple[float, ...]]] = {",
    ]
    for kind, found in table.items():
        rows = (f'        "{predicate}": {values!r},' for predicate, values in found.items())
        lines += [f'    "{kind}": {{', *rows, "    },"]
    path = Path(coefficients.__file__)
    path.write_text("\n".join([*lines, "}", "# fmt: on", ""]), "utf-8")
    return path
