"""Calibration of both tasks: on which hands, with which temperatures, offsets and operating points.

With few validation hands the held-out hands calibrate, too, by cross-fitting: each fifth of the patients is
calibrated by the validation hands and the other four fifths, so that no figure is of a hand that influenced
its own calibration. The bundle gets the calibration by all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.report import STAGES
from ra_node.errors import Fatal
from training.evaluation.calibration import Scaling, scaling, temperature
from training.evaluation.metrics import threshold_for_sensitivity, youden_threshold

Scores = NDArray[np.float64]
ChosenOn = Literal["validation", "cross-fitted", "tune", "out-of-fold"]
CLASSES = {"recognition": 2, "staging": len(STAGES)}

FOLDS = 5
"""Folds of held-out patients for cross-fitting."""

ENOUGH = 100
"""Validation patients that calibrate alone."""

LEAST_OF_A_CLASS = 50
"""Hands of each class from which classes get offsets.

With fewer the offsets follow the classes that happen to be outside a fold, which are not those inside it:
of 18 held-out hands the pooled AUC of an untrained network fell from 0.5 to 0.2.
"""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration by the training side: probabilities and operating points of both tasks."""

    recognition: Scaling
    staging: Scaling
    threshold: float
    """Recognition: probability of disease from which a hand is called diseased."""
    class_thresholds: tuple[float, ...]
    """Staging, one a class, for one-vs-rest figures."""
    sensitivity_asked: float | None = None
    """Sensitivity for which `threshold` was chosen; None for Youden's J."""
    chosen_on: ChosenOn = "validation"
    """Hands used: those of a split, or all hands, each by the fold that held it out."""
    staging_chosen_on: ChosenOn | None = None
    """Hands used for staging; None: the same."""
    folds: tuple[Calibration, ...] = ()
    """Calibrations without each fold of the patients, by `fold_of`; empty where none is cross-fitted."""

    def scaling(self, task: str) -> Scaling:
        """The calibration of a task's logits."""
        return self.recognition if task == "recognition" else self.staging

    def of_each(self, patients: NDArray[np.str_]) -> list[tuple[Calibration, NDArray[np.bool_]]]:
        """The calibrations that apply to the hands of these patients (N,), each with its rows (N,)."""
        if not self.folds:
            return [(self, np.ones(len(patients), np.bool_))]
        place = np.array([fold_of(str(patient)) for patient in patients], np.int64)
        return [(one, place == number) for number, one in enumerate(self.folds)]

    def probabilities(self, task: str, logits: Scores, patients: NDArray[np.str_]) -> Scores:
        """Calibrated probabilities (N, classes) of a task, each by the calibration of its patient."""
        found = np.zeros_like(logits)
        for one, rows in self.of_each(patients):
            found[rows] = one.scaling(task).probabilities(logits[rows])
        return found


@dataclass(frozen=True, slots=True)
class Points:
    """Operating points of every hand: those of the fold that held it out, or the same for all."""

    recognition: Scores
    """(N,)"""
    staging: Scores
    """(N, 6), one a class"""


def points_of(calibration: Calibration, patients: NDArray[np.str_]) -> Points:
    """The operating points of the hands of these patients (N,)."""
    found = Points(np.zeros(len(patients)), np.zeros((len(patients), len(STAGES))))
    for one, rows in calibration.of_each(patients):
        found.recognition[rows], found.staging[rows] = one.threshold, one.class_thresholds
    return found


def fold_of(patient: str) -> int:
    """The fold of a patient, the same in every run."""
    return int(hashlib.sha256(f"calibration {patient}".encode()).hexdigest()[:8], 16) % FOLDS


def deciding_splits(
    stages: NDArray[np.int64], splits: NDArray[np.str_], patients: NDArray[np.str_]
) -> dict[str, ChosenOn]:
    """By task: which hands (N,) calibrate it, all of which have every class that the tune hands have.

    Validation hands alone where they are of `ENOUGH` patients, else with the held-out ones, cross-fitted,
    where every fold has all classes outside it. Otherwise validation hands, however few, and without any the
    tune hands, on which a network is overconfident: a class without hands has no threshold.
    """
    tune, validation, held_out = (splits == split for split in ("tune", "validation", "held-out"))
    place = np.array([fold_of(str(patient)) for patient in patients], np.int64)
    many = len(np.unique(patients[validation])) >= ENOUGH
    found: dict[str, ChosenOn] = {}
    for task, labels in (("recognition", stages > 0), ("staging", stages)):
        learnt = set(labels[tune].tolist())
        alone = learnt <= set(labels[validation].tolist())
        pools = [validation | (held_out & (place != number)) for number in range(FOLDS)]
        if validation.any() and not (many and alone):
            complete = all(learnt <= set(labels[pool].tolist()) for pool in pools)
            found[task] = "cross-fitted" if complete else "validation" if alone else "tune"
        else:
            found[task] = "validation" if alone else "tune"
    return found


def calibrated_run(
    logits: Mapping[str, Scores],
    stages: NDArray[np.int64],
    splits: NDArray[np.str_],
    patients: NDArray[np.str_],
    sensitivity: float | None = None,
) -> Calibration:
    """Calibrate each task of a run, all of whose hands are given, on the hands of `deciding_splits`."""
    sides = deciding_splits(stages, splits, patients)
    place = np.array([fold_of(str(patient)) for patient in patients], np.int64)

    def on(rows_of: Callable[[ChosenOn], NDArray[np.bool_]]) -> Calibration:
        rows = {task: rows_of(side) for task, side in sides.items()}
        return calibrated(
            {task: logits[task][chosen] for task, chosen in rows.items()},
            {task: stages[chosen] for task, chosen in rows.items()},
            sensitivity,
            sides,
        )

    def pool(side: ChosenOn, without: int | None = None) -> NDArray[np.bool_]:
        if side != "cross-fitted":
            return np.asarray(splits == side)
        return np.asarray((splits == "validation") | ((splits == "held-out") & (place != without)))

    found = on(pool)
    if "cross-fitted" not in sides.values():
        return found
    return replace(
        found,
        folds=tuple(on(lambda side, number=number: pool(side, number)) for number in range(FOLDS)),  # type: ignore[misc]  # mypy on defaults of lambdas
    )


def refuse_not_finite(logits: Mapping[str, Scores], patients: NDArray[np.str_]) -> None:
    """Raise Fatal where an output is NaN: every figure would rank it first."""
    for task, scores in logits.items():
        wrong: NDArray[np.bool_] = np.logical_not(np.isfinite(scores).all(axis=1))
        if wrong.any():
            raise Fatal(
                f"{task}: expected finite scores of every hand, found {wrong.sum()} of {len(wrong)} hands"
                f" with others (as hand {int(np.argmax(wrong)) + 1}, patient {patients[np.argmax(wrong)]})"
            )


def calibrated(
    logits: Mapping[str, Scores],
    stages: Mapping[str, NDArray[np.int64]],
    sensitivity: float | None = None,
    chosen_on: Mapping[str, ChosenOn] | None = None,
) -> Calibration:
    """Choose temperatures and offsets by likelihood, and operating points.

    `logits` (N, classes) and `stages` (N,) by task, whose hands need not be the same. The threshold of
    recognition finds the share `sensitivity` of the diseased; None leaves it, like those of the classes of
    staging, to Youden's J. A stage without a hand is never called on its own: its threshold is 1.
    Raises Fatal without normal or without diseased hands, or for scores that are no numbers.
    """
    for task, held in logits.items():
        refuse_not_finite({task: held}, np.arange(len(held)).astype(np.str_))
    ill, staging = stages["recognition"] > 0, stages["staging"]
    if ill.all() or not ill.any():
        raise Fatal(
            f"expected normal and diseased hands to calibrate on, found {ill.sum()} of {len(ill)} ill"
        )
    chosen: Mapping[str, ChosenOn] = chosen_on or dict.fromkeys(CLASSES, "validation")
    labels = {"recognition": ill.astype(np.int64), "staging": staging}
    by = {task: _scaling_of(chosen[task], labels[task])(logits[task], labels[task]) for task in CLASSES}
    diseased = by["recognition"].probabilities(logits["recognition"])[:, 1]
    staged = by["staging"].probabilities(logits["staging"])
    points = tuple(
        youden_threshold(staging == k, staged[:, k]) if 0 < (staging == k).sum() < len(staging) else 1.0
        for k in STAGES
    )
    threshold = (
        youden_threshold(ill, diseased)
        if sensitivity is None
        else threshold_for_sensitivity(ill, diseased, sensitivity)
    )
    return Calibration(
        by["recognition"],
        by["staging"],
        threshold,
        points,
        sensitivity,
        chosen["recognition"],
        chosen["staging"],
    )


def _scaling_of(side: ChosenOn, labels: NDArray[np.int64]) -> Callable[[Scores, NDArray[np.int64]], Scaling]:
    """Offsets need many hands of every class, on which the network was not trained."""
    counts = np.bincount(labels)
    return scaling if side != "tune" and counts[counts > 0].min() >= LEAST_OF_A_CLASS else temperature
