"""Inter-reader agreement: Cohen's kappa, plain and with quadratic weights, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter

from ra_node.domain.report import STAGES
from training.data.consensus import NOT_GRADABLE, LabelledHand

Stages = NDArray[np.int64]
AGREEMENT = "agreement.json"
"""File name in a dataset and in every run on it."""

Estimate = tuple[float, float, float]
"""(value, low, high); NaN where kappa is undefined."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two readers on the same hands or joints, before consensus."""

    what: str
    count: int
    equal: int
    kappa: Estimate
    quadratic: Estimate
    one_not_gradable: int = 0
    """Not gradable by one reader only; not included in `count`."""

    def __str__(self) -> str:
        share = f"{self.equal} of {self.count} {self.what} alike"
        apart = f"; {self.one_not_gradable} not gradable to one of them" if self.one_not_gradable else ""
        return (
            f"{share}; kappa {_shown(self.kappa)}; quadratic weighted kappa {_shown(self.quadratic)}{apart}"
        )


_AGREEMENTS = TypeAdapter(list[Agreement], config=ConfigDict(ser_json_inf_nan="strings"))


def dumped(found: Sequence[Agreement]) -> bytes:
    """The content of an agreement file."""
    return _AGREEMENTS.dump_json(list(found), indent=1) + b"\n"


def read_agreements(folder: Path) -> list[Agreement]:
    """Read the agreements of a dataset or a run; empty without the file."""
    path = folder / AGREEMENT
    return _AGREEMENTS.validate_json(path.read_bytes()) if path.exists() else []


def agreements(hands: Sequence[LabelledHand], seed: int = 0, resamples: int = 1000) -> list[Agreement]:
    """Agreement on hands, and on joints where labelled; empty without two readers.

    95 % intervals by bootstrap over patients, or over files where the table has no patients.
    """
    joints = [(r.first, r.second, _cluster(hand)) for hand in hands for r in hand.readings if r.joint]
    whole = [(hand.by_reader("first"), hand.by_reader("second"), _cluster(hand)) for hand in hands]
    found = [_agreement(what, rows, seed, resamples) for what, rows in (("hands", whole), ("joints", joints))]
    return [one for one in found if one is not None]


def kappa(tables: NDArray[np.int64], *, quadratic: bool = False) -> NDArray[np.float64]:
    """Cohen's kappa of tables (..., 6, 6), first reader by second; NaN where it is undefined."""
    stages = np.arange(len(STAGES))
    apart = stages[:, None] - stages[None]
    weights = apart.astype(np.float64) ** 2 if quadratic else (apart != 0).astype(np.float64)
    chance = tables.sum(axis=-1)[..., :, None] * tables.sum(axis=-2)[..., None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (weights * chance).sum(axis=(-2, -1)) / tables.sum(axis=(-2, -1))
        found = 1 - (weights * tables).sum(axis=(-2, -1)) / expected
    return np.where(expected > 0, found, np.nan)


def _agreement(
    what: str, rows: Sequence[tuple[int | None, int | None, str]], seed: int, resamples: int
) -> Agreement | None:
    read = [(a, b, cluster) for a, b, cluster in rows if a is not None and b is not None]
    both = [(a, b, cluster) for a, b, cluster in read if NOT_GRADABLE not in (a, b)]
    if not both:
        return None
    one_only = sum((a == NOT_GRADABLE) != (b == NOT_GRADABLE) for a, b, _ in read)
    first, second = (np.array([row[at] for row in both], np.int64) for at in (0, 1))
    tables = _by_cluster(first, second, np.array([row[2] for row in both], np.str_))
    drawn = _drawn(tables, seed, resamples)
    plain, weighted = (
        _estimate(tables.sum(axis=0), drawn, quadratic=quadratic) for quadratic in (False, True)
    )
    return Agreement(what, len(both), int((first == second).sum()), plain, weighted, one_only)


def _by_cluster(first: Stages, second: Stages, clusters: NDArray[np.str_]) -> NDArray[np.int64]:
    """One table (clusters, 6, 6) for each patient or file."""
    names, place = np.unique(clusters, return_inverse=True)
    tables = np.zeros((len(names), len(STAGES), len(STAGES)), np.int64)
    np.add.at(tables, (place, first, second), 1)
    return tables


def _drawn(tables: NDArray[np.int64], seed: int, resamples: int) -> NDArray[np.int64]:
    """Tables (resamples, 6, 6) of as many clusters, drawn with replacement."""
    times = np.random.default_rng(seed).multinomial(
        len(tables), [1 / len(tables)] * len(tables), size=resamples
    )
    return np.asarray(np.einsum("rc,cij->rij", times, tables), np.int64)


def _estimate(table: NDArray[np.int64], drawn: NDArray[np.int64], *, quadratic: bool) -> Estimate:
    """Value and percentile interval; without any disagreement the interval cannot be estimated."""
    value, values = float(kappa(table, quadratic=quadratic)), kappa(drawn, quadratic=quadratic)
    known = values[np.isfinite(values)]
    if not len(known) or np.ptp(known) < 1e-9 or int(np.trace(table)) == int(table.sum()):
        return value, float("nan"), float("nan")
    low, high = np.percentile(known, (2.5, 97.5))
    return value, float(low), float(high)


def _cluster(hand: LabelledHand) -> str:
    return hand.facts.patient or hand.file


def _shown(estimate: Estimate) -> str:
    value, low, high = estimate
    if not np.isfinite(value):
        return "undefined (all of one stage)"
    return f"{value:.3f} ({low:.3f} to {high:.3f})" if np.isfinite(low) else f"{value:.3f} (no interval)"
