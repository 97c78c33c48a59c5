"""Receiver operating characteristics with bands that resample patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import Interval, Scores, auc, percentile_interval

GRID = np.linspace(0, 1, 201)


@dataclass(frozen=True, slots=True)
class Curve:
    """A staircase from (0, 0) to (1, 1), its area, and its band over `GRID`."""

    false_positive: Scores
    true_positive: Scores
    auc: Interval
    low: Scores
    """2.5th percentile of the true-positive rate at each rate of `GRID`, NaN without a band."""
    high: Scores


def staircase(positive: NDArray[np.bool_], scores: Scores) -> tuple[Scores, Scores]:
    """False- and true-positive rates as the threshold falls; ties are one slanted step."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(positive[order])[ends]
    misses = ends + 1 - hits
    return (
        np.concatenate([[0.0], misses / max(int((~positive).sum()), 1)]),
        np.concatenate([[0.0], hits / max(int(positive.sum()), 1)]),
    )


def curve(
    positive: NDArray[np.bool_],
    scores: Scores,
    patients: NDArray[np.str_],
    rng: np.random.Generator,
    resamples: int = 300,
) -> Curve | None:
    """The curve of scores (N,), with a 95 % band and interval over patients; None without both classes.

    A resample that misses one of the classes is drawn again.
    """
    if positive.all() or not positive.any():
        return None
    rates = staircase(positive, scores)
    drawn, areas = [], []
    for chosen in _resampled(positive, patients, rng, resamples):
        drawn.append(_at_grid(*staircase(positive[chosen], scores[chosen])))
        areas.append(auc(positive[chosen], scores[chosen]))
    low, high = np.percentile(np.stack(drawn), (2.5, 97.5), axis=0)
    area = (auc(positive, scores), *percentile_interval(np.array(areas)))
    return Curve(*rates, area, low, high)


def stage_curves(
    stages: NDArray[np.int64],
    probabilities: Scores,
    patients: NDArray[np.str_],
    rng: np.random.Generator,
    resamples: int = 300,
) -> Mapping[int, Curve | None]:
    """The curve of every class of `probabilities` (N, classes) against all others."""
    return {
        k: curve(stages == k, probabilities[:, k], patients, rng, resamples)
        for k in range(probabilities.shape[1])
    }


def _resampled(
    positive: NDArray[np.bool_], patients: NDArray[np.str_], rng: np.random.Generator, resamples: int
) -> list[NDArray[np.intp]]:
    names, place = np.unique(patients, return_inverse=True)
    hands = [np.flatnonzero(place == patient) for patient in range(len(names))]
    made: list[NDArray[np.intp]] = []
    for _ in range(20 * resamples):
        chosen = np.concatenate([hands[k] for k in rng.integers(len(names), size=len(names))])
        if len(made) < resamples and 0 < positive[chosen].sum() < len(chosen):
            made.append(chosen)
        if len(made) == resamples:
            break
    return made or [np.arange(len(positive))]


def _at_grid(false_positive: Scores, true_positive: Scores) -> Scores:
    """The true-positive rate at each rate of `GRID`, the upper end of a vertical step."""
    rates, last = np.unique(false_positive[::-1], return_index=True)
    return np.interp(GRID, rates, true_positive[::-1][last])
