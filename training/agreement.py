"""Says how well two readers agree: Cohen's kappa, plain and with quadratic weights, with intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from ra_node.domain.report import STAGES
from training.labels import LabelledHand, highest

Stages = NDArray[np.int64]
Estimate = tuple[float, float, float]
"""(value, low, high); NaN where nothing could disagree."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two readers of the same hands or joints, before any consensus."""

    what: str
    count: int
    equal: int
    kappa: Estimate
    quadratic: Estimate

    def __str__(self) -> str:
        share = f"{self.equal} of {self.count} {self.what} alike"
        return f"{share}; kappa {_shown(self.kappa)}; quadratic weighted kappa {_shown(self.quadratic)}"


def agreements(hands: Sequence[LabelledHand], seed: int = 0, resamples: int = 1000) -> list[Agreement]:
    """The agreement on hands, and on joints where these were labelled; none without two readers.

    95 % intervals by bootstrap over patients, or over files where the table names no patients.
    """
    joints = [(r.first, r.second, _cluster(hand)) for hand in hands for r in hand.readings if r.joint]
    whole = [
        (highest(r.first for r in hand.readings), highest(r.second for r in hand.readings), _cluster(hand))
        for hand in hands
    ]
    found = [_agreement(what, rows, seed, resamples) for what, rows in (("hands", whole), ("joints", joints))]
    return [one for one in found if one is not None]


def kappa(first: Stages, second: Stages, weights: str | None = None) -> float:
    """Cohen's kappa of two readers (N,), stages 0 to 5; NaN where nothing could disagree."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the NaN that is promised
        return float(cohen_kappa_score(first, second, labels=list(STAGES), weights=weights))


def _agreement(
    what: str, rows: Sequence[tuple[int | None, int | None, str]], seed: int, resamples: int
) -> Agreement | None:
    both = [(a, b, cluster) for a, b, cluster in rows if a is not None and b is not None]
    if not both:
        return None
    first, second = (np.array([row[at] for row in both], np.int64) for at in (0, 1))
    clusters = np.array([row[2] for row in both], np.str_)
    draws = _draws(clusters, seed, resamples)
    estimates = [_estimate(first, second, weights, draws) for weights in (None, "quadratic")]
    return Agreement(what, len(both), int((first == second).sum()), estimates[0], estimates[1])


def _draws(clusters: NDArray[np.str_], seed: int, resamples: int) -> list[NDArray[np.intp]]:
    names, place = np.unique(clusters, return_inverse=True)
    members = [np.flatnonzero(place == at) for at in range(len(names))]
    rng = np.random.default_rng(seed)
    chosen = (rng.integers(len(names), size=len(names)) for _ in range(resamples))
    return [np.concatenate([members[at] for at in one]) for one in chosen]


def _estimate(
    first: Stages, second: Stages, weights: str | None, draws: Sequence[NDArray[np.intp]]
) -> Estimate:
    """Value and percentile interval; readers who never differ leave nothing to estimate one from."""
    value = kappa(first, second, weights)
    values = np.array([kappa(first[draw], second[draw], weights) for draw in draws])
    known = values[np.isfinite(values)]
    if not len(known) or bool((first == second).all()):
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
