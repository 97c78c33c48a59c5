"""Likelihood ratios of recognition, and its predictive values at a stated prevalence.

Predictive values of the held-out hands themselves hold for their share of disease only, which is far above
that of any clinic.
"""

from __future__ import annotations

from training.evaluation.metrics import Interval

PREVALENCES = (0.01, 0.05, 0.2, 0.5)
"""Prevalences of the tables of card and report."""


def likelihood_ratios(sensitivity: Interval, specificity: Interval) -> tuple[Interval, Interval]:
    """Positive and negative likelihood ratio.

    Each bound is of the worse or of the better bound of both shares, so that the intervals are conservative.
    """
    pairs = tuple(zip(sensitivity, specificity, strict=True))
    positive = [_ratio(found, 1 - cleared) for found, cleared in pairs]
    negative = [_ratio(1 - found, cleared) for found, cleared in pairs]
    return (positive[0], positive[1], positive[2]), (negative[0], negative[2], negative[1])


def predictive_values(
    sensitivity: Interval, specificity: Interval, prevalence: float
) -> tuple[Interval, Interval]:
    """Positive and negative predictive value at a prevalence, with conservative intervals as above."""
    pairs = tuple(zip(sensitivity, specificity, strict=True))
    positive, negative = [], []
    for found, cleared in pairs:
        ill, well = prevalence, 1 - prevalence
        positive.append(_ratio(found * ill, found * ill + (1 - cleared) * well))
        negative.append(_ratio(cleared * well, cleared * well + (1 - found) * ill))
    return (positive[0], positive[1], positive[2]), (negative[0], negative[1], negative[2])


def _ratio(part: float, whole: float) -> float:
    """Infinite where nothing divides a part; NaN of nothing."""
    if whole > 0:
        return part / whole
    return float("inf") if part > 0 else float("nan")
