"""Paired comparison of runs with a base on the same held-out hands: differences with intervals over patients.

Both runs are evaluated on the same resamples of the patients, so that patient effects common to both cancel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.report import STAGES
from ra_node.errors import Fatal
from training.evaluation.evaluate import Hands
from training.evaluation.metrics import SAME, Interval, auc, percentile_interval, staging_figures

FIGURES = {
    "recognition_auc": "Recognition: AUC",
    "quadratic_kappa": "Staging: quadratic weighted kappa",
    "accuracy": "Staging: six-class accuracy",
    "macro_f1": "Staging: macro F1",
    "mean_absolute_error": "Staging: mean absolute stage error",
    "auc": "Staging: one-vs-rest AUC, mean",
}
"""Each figure that is compared, and its name in print."""

LOWER_IS_BETTER = frozenset({"mean_absolute_error"})

_NO_THRESHOLDS = np.full(len(STAGES), 0.5)
"""None of the figures here depends on an operating point."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of the base and of another run, with the difference."""

    figure: str
    base: float
    other: float
    difference: Interval
    """Other minus base, with its 95 % interval."""

    @property
    def excludes_zero(self) -> bool:
        _, low, high = self.difference
        return high - low > SAME and (low > 0 or high < 0)

    @property
    def verdict(self) -> str:
        """better, worse, or undecided, by the interval and zero."""
        value, low, high = self.difference
        if high - low <= SAME < abs(value):
            return "undecided: no resample changes it, so it has no interval"
        if not self.excludes_zero:
            return "undecided: the interval holds zero"
        gain = -self.difference[0] if self.figure in LOWER_IS_BETTER else self.difference[0]
        return f"{'better' if gain > 0 else 'worse'}: the interval excludes zero"


def refuse_other_hands(base: Hands, other: Hands, names: tuple[str, str]) -> None:
    """Raise Fatal, with expected and found, where two runs were not evaluated on the same hands."""
    if len(base.stages) != len(other.stages) or set(base.patients) != set(other.patients):
        raise Fatal(
            f"expected the held-out hands of {names[0]} ({_counted(base)}) in {names[1]}, "
            f"found others ({_counted(other)}; {_common(base, other)} patients in common)"
        )
    apart = np.flatnonzero((base.patients != other.patients) | (base.stages != other.stages))
    if len(apart):
        at = int(apart[0])
        raise Fatal(
            f"expected the held-out hands of {names[0]} in the same order in {names[1]}: hand {at + 1} of "
            f"patient {base.patients[at]}, stage {base.stages[at]}; found patient {other.patients[at]}, "
            f"stage {other.stages[at]}; {len(apart)} of {len(base.stages)} hands differ"
        )


def differences(base: Hands, other: Hands, seed: int = 0, resamples: int = 1000) -> list[Difference]:
    """Every figure of two runs on the same hands, by percentile bootstrap over patients.

    Raises ValueError where the hands are not the same; `refuse_other_hands` says why.
    """
    if not np.array_equal(base.stages, other.stages) or not np.array_equal(base.patients, other.patients):
        raise ValueError("expected the same hands on both sides")
    drawn: dict[str, list[float]] = {name: [] for name in FIGURES}
    for chosen in resampled(base.patients, np.random.default_rng(seed), resamples):
        left, right = _figures(base, chosen), _figures(other, chosen)
        for name in FIGURES:
            drawn[name].append(right[name] - left[name])
    everyone = np.arange(len(base.stages))
    left, right = _figures(base, everyone), _figures(other, everyone)
    return [
        Difference(
            name,
            left[name],
            right[name],
            (right[name] - left[name], *percentile_interval(np.array(drawn[name]))),
        )
        for name in FIGURES
    ]


def resampled(
    patients: NDArray[np.str_], rng: np.random.Generator, resamples: int
) -> Sequence[NDArray[np.intp]]:
    """Indices of hands, patients drawn with replacement, `resamples` times."""
    names, place = np.unique(patients, return_inverse=True)
    hands = [np.flatnonzero(place == patient) for patient in range(len(names))]
    return [
        np.concatenate([hands[k] for k in rng.integers(len(names), size=len(names))])
        for _ in range(resamples)
    ]


def _figures(hands: Hands, chosen: NDArray[np.intp]) -> Mapping[str, float]:
    stages = hands.stages[chosen]
    staging = staging_figures(stages, hands.staged[chosen], _NO_THRESHOLDS, hands.stage_order[chosen])
    return {"recognition_auc": auc(stages > 0, hands.disease_order[chosen]), **staging}


def _counted(hands: Hands) -> str:
    stages = "/".join(map(str, np.bincount(hands.stages, minlength=len(STAGES))))
    return f"{len(hands.stages)} hands of {hands.people} patients, by stage {stages}"


def _common(base: Hands, other: Hands) -> int:
    return len(set(base.patients.tolist()) & set(other.patients.tolist()))
