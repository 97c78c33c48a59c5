"""Metrics of both tasks, each with a 95 % interval over patients, not hands."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

Labels = NDArray[np.int64]
Scores = NDArray[np.float64]
Interval = tuple[float, float, float]
"""(value, low, high); a figure that is constant over all resamples has no interval: low and high are NaN."""

SHARES = ("auc", "accuracy", "sensitivity", "specificity", "f1", "within_one_stage", "kappa")
"""Suffixes of the names of figures with 1 as best value, for which the exact bound of a share can be used."""

SAME = 1e-9
"""Tolerance for equal resampled figures: rounding of sums of doubles near 1."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Outcomes of a two-class decision; undefined shares are NaN."""

    true_positive: int
    false_negative: int
    true_negative: int
    false_positive: int

    @property
    def accuracy(self) -> float:
        right = self.true_positive + self.true_negative
        return _share(right, right + self.false_negative + self.false_positive)

    @property
    def sensitivity(self) -> float:
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        return _share(self.true_negative, self.true_negative + self.false_positive)

    @property
    def f1(self) -> float:
        wrong = self.false_negative + self.false_positive
        return _share(2 * self.true_positive, 2 * self.true_positive + wrong)


def counts(positive: NDArray[np.bool_], called: NDArray[np.bool_]) -> Counts:
    """Count outcomes of predictions (N,) against the truth (N,)."""
    return Counts(
        int((positive & called).sum()),
        int((positive & ~called).sum()),
        int((~positive & ~called).sum()),
        int((~positive & called).sum()),
    )


def auc(positive: NDArray[np.bool_], scores: Scores) -> float:
    """Area under the ROC curve, ties counted half; NaN where a class is missing.

    Raises ValueError for a NaN score, which would be ranked above all others.
    """
    if np.isnan(scores).any():
        raise ValueError(f"expected scores that are numbers, found {np.isnan(scores).sum()} NaN")
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return float("nan")
    _, place, size = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(size) - (size - 1) / 2)[place]
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def youden_threshold(positive: NDArray[np.bool_], scores: Scores) -> float:
    """The threshold with the largest sensitivity + specificity - 1, half-way to the next lower score.

    Raises ValueError where a class has no hand, or a score is no number.
    """
    if positive.all() or not positive.any() or np.isnan(scores).any():
        raise ValueError(
            f"expected scores of both classes, found {positive.sum()} of {len(positive)} positive"
        )
    order = np.sort(np.unique(scores))
    thresholds = np.concatenate([[order[0]], (order[1:] + order[:-1]) / 2])
    sensitivity = (scores[positive][None] >= thresholds[:, None]).mean(axis=1)
    specificity = (scores[~positive][None] < thresholds[:, None]).mean(axis=1)
    return float(thresholds[int(np.argmax(sensitivity + specificity))])


def threshold_for_sensitivity(positive: NDArray[np.bool_], scores: Scores, wanted: float) -> float:
    """The highest threshold with the sensitivity `wanted`, half-way to the next score.

    Raises ValueError where there is no positive or `wanted` is no share above 0.
    """
    if not positive.any() or not 0 < wanted <= 1:
        raise ValueError(
            f"expected positives and a sensitivity in (0, 1], found {positive.sum()} and {wanted}"
        )
    falling = np.sort(scores[positive])[::-1]
    last = falling[max(0, math.ceil(wanted * len(falling) - 1e-9) - 1)]
    lower = scores[scores < last]
    return float((last + lower.max()) / 2) if len(lower) else float(last)


def confusion(labels: Labels, called: Labels, classes: int) -> NDArray[np.int64]:
    """Counts (truth, call)."""
    return np.bincount(labels * classes + called, minlength=classes**2).reshape(classes, classes)


def quadratic_kappa(labels: Labels, called: Labels, classes: int) -> float:
    """Cohen's kappa with quadratic weights; NaN where disagreement is impossible."""
    table = confusion(labels, called, classes).astype(np.float64)
    stages = np.arange(classes)
    weights = (stages[:, None] - stages[None]) ** 2
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(table.sum(), 1)
    expected = float((weights * chance).sum())
    return 1 - float((weights * table).sum()) / expected if expected else float("nan")


def recognition_figures(
    stages: Labels, scores: Scores, threshold: float | Scores, order: Scores | None = None
) -> dict[str, float]:
    """The paper's five figures of recognition from the probability of disease (N,).

    `threshold` is one for all hands, or each hand's own (N,). The AUC ranks by `order` (N,), by default the
    probability.
    """
    found = counts(stages > 0, scores >= threshold)
    return {
        "auc": auc(stages > 0, scores if order is None else order),
        "accuracy": found.accuracy,
        "sensitivity": found.sensitivity,
        "specificity": found.specificity,
        "f1": found.f1,
    }


def staging_figures(
    stages: Labels, probabilities: Scores, thresholds: Scores, order: Scores | None = None
) -> dict[str, float]:
    """Six-class figures, and the paper's one-vs-rest averages.

    `probabilities` (N, classes), `thresholds` (classes,) or each hand's own (N, classes): the operating point
    of each class. Each AUC ranks by `order` (N, classes), by default the probabilities. Classes without hands
    are left out of averages.
    """
    ranked = probabilities if order is None else order
    classes = probabilities.shape[1]
    called = probabilities.argmax(axis=1).astype(np.int64)
    present = [k for k in range(classes) if (stages == k).any()]
    single = [
        recognition_figures(
            (stages == k).astype(np.int64), probabilities[:, k], thresholds[..., k], ranked[:, k]
        )
        for k in present
    ]
    argmax_f1 = [counts(stages == k, called == k).f1 for k in present]
    figures = {
        "accuracy": float((stages == called).mean()),
        "macro_f1": _mean_of_known(argmax_f1),
        "quadratic_kappa": quadratic_kappa(stages, called, classes),
        "mean_absolute_error": float(np.abs(stages - called).mean()),
        "within_one_stage": float((np.abs(stages - called) <= 1).mean()),
    }
    averages = {f"one_vs_rest_{key}": _mean_of_known([one[key] for one in single]) for key in single[0]}
    return {"auc": averages["one_vs_rest_auc"], **figures, **averages}


def with_intervals(
    figures: Callable[[NDArray[np.intp]], Mapping[str, float]],
    patients: NDArray[np.str_],
    rng: np.random.Generator,
    resamples: int = 1000,
    fewest: int = 0,
) -> dict[str, Interval]:
    """Percentile bootstrap over patients; `figures` takes the indices of the resampled hands.

    Resampling gives no interval for a share of exactly 1 or 0, so that one gets the exact bound for the
    number of patients in the figure, or for the `fewest` patients of a class where no patient has hands of
    both, as an AUC needs. Any other constant figure, as the kappa of a constant prediction, has no interval.
    """
    names, place = np.unique(patients, return_inverse=True)
    hands = [np.flatnonzero(place == patient) for patient in range(len(names))]
    drawn = [
        figures(np.concatenate([hands[k] for k in rng.integers(len(names), size=len(names))]))
        for _ in range(resamples)
    ]
    found: dict[str, Interval] = {}
    for key, value in figures(np.arange(len(patients))).items():
        low, high = percentile_interval(np.array([one[key] for one in drawn]))
        if high - low < SAME:
            known = sum(bool(np.isfinite(figures(own)[key])) for own in hands)
            low, high = _bounds_of_constant(key, value, known or fewest)
        found[key] = (value, low, high)
    return found


def in_words(found: Interval, digits: int = 3, scale: float = 1.0) -> str:
    """An interval as text."""
    _, low, high = found
    if not (math.isfinite(low) and math.isfinite(high)):
        return "no interval"
    return f"{scale * low:.{digits}f} to {scale * high:.{digits}f}"


def _bounds_of_constant(key: str, value: float, patients: int) -> tuple[float, float]:
    """Interval of a figure that is the same on every resample; none where no patient counts."""
    if not patients:
        return float("nan"), float("nan")
    if key.endswith(SHARES) and abs(value - 1) < SAME:
        return clopper_pearson(patients, patients)[1], 1.0
    if key.endswith(SHARES) and not key.endswith("kappa") and abs(value) < SAME:
        return 0.0, clopper_pearson(0, patients)[2]
    return float("nan"), float("nan")


def percentile_interval(drawn: Scores) -> tuple[float, float]:
    """The middle 95 % of bootstrap figures (resamples,) without NaN; NaN where nothing is left."""
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)


def clopper_pearson(part: float, whole: float) -> Interval:
    """A share with its exact 95 % interval; NaN and 0 to 1 without hands."""
    if whole <= 0:
        return float("nan"), 0.0, 1.0
    low = float(betaincinv(part, whole - part + 1, 0.025)) if part > 0 else 0.0
    high = float(betaincinv(part + 1, whole - part, 0.975)) if part < whole else 1.0
    return part / whole, low, high


def exact_share(right: NDArray[np.bool_], patients: NDArray[np.str_]) -> Interval:
    """The share of `right` hands (N,) with the exact interval for the effective number of hands.

    With one hand a patient this is Clopper and Pearson's interval. Hands of one patient are correlated: by
    Korn and Graubard (Survey Methodology 1998;24:193-201) the number of hands is divided by the design effect
    of the patients. A share of 0 or 1 has no estimate of it, so the number of patients is used.
    """
    hands = len(right)
    if not hands:
        return clopper_pearson(0, 0)
    names, place = np.unique(patients, return_inverse=True)
    share, people = float(right.mean()), len(names)
    worth = float(people if share in {0.0, 1.0} or people == 1 else _effective_hands(right, place, people))
    _, low, high = clopper_pearson(share * worth, worth)
    return share, low, high


def _effective_hands(right: NDArray[np.bool_], place: NDArray[np.intp], people: int) -> float:
    """Effective number of hands: divided by the design effect of patients, never more than the hands."""
    hands, share = len(right), float(right.mean())
    sums = np.bincount(place, weights=right - share, minlength=people)
    variance = people / (people - 1) * float((sums**2).sum()) / hands**2
    alone = share * (1 - share) / (hands - 1)
    degrees = float((stdtrit(hands - 1, 0.975) / stdtrit(people - 1, 0.975)) ** 2)
    return min(float(hands), hands / max(variance / alone, 1.0) * degrees)


def _mean_of_known(values: list[float]) -> float:
    """The mean without NaN; NaN for an empty set."""
    known = [value for value in values if np.isfinite(value)]
    return sum(known) / len(known) if known else float("nan")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
