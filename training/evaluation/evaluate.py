"""Evaluates a run on held-out hands, with the weights as in the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from ra_node.domain.report import STAGES
from ra_node.domain.statistics.agreement import Agreement
from ra_node.inference.networks.softmax import softmax
from training.data.data_kind import WORDS, DataKind, Words
from training.data.dataset import Crops
from training.data.subgroups import Groups, members
from training.evaluation.calibration import expected_calibration_error, log_odds
from training.evaluation.metrics import (
    Interval,
    confusion,
    exact_share,
    recognition_figures,
    staging_figures,
    with_intervals,
)
from training.evaluation.task_calibration import (
    Calibration,
    Points,
    Scores,
    points_of,
    refuse_not_finite,
)

CHILDREN_MEASURED = "held-out hands of children and adolescents with simulated lesions"
"""Hands of the main figures where those of adults stand apart."""


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Figures of the held-out hands of one side, sex, age band or site."""

    hands: int
    patients: int
    sensitivity: Interval
    specificity: Interval
    within_one_stage: Interval


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one group of held-out hands."""

    hands: int
    patients: int
    recognition: dict[str, Interval]
    staging: dict[str, Interval]
    confusion: list[list[int]]
    """Truth by row, prediction by column."""
    calibration_error: dict[str, float]
    raw_calibration_error: dict[str, float] = field(default_factory=dict)
    """Before the temperature."""
    calibration_interval: dict[str, tuple[float, float]] = field(default_factory=dict)
    """95 % interval of `calibration_error`, over patients."""
    recognition_confusion: list[list[int]] = field(default_factory=list)
    """At the operating point: truth by row, prediction by column."""
    stage_sensitivity: list[Interval] = field(default_factory=list)
    """By stage, the share with that stage as most probable class."""
    groups: dict[str, GroupFigures] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """Contents of `evaluation.json` of a run."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_inf_nan="strings")
    """An undefined share is "NaN", which is strict JSON and is read back as NaN."""

    counts: dict[str, int]
    """Hands and patients by split and origin."""
    held_out: Evaluation
    """Figures of the run's own kind of hands: simulated lesions, or a dataset's own labels."""
    phantom: Evaluation | None
    unedited: dict[str, Interval]
    """Of real hands without simulation; of children where adults have figures of their own."""
    data: DataKind = "simulated"
    dataset: dict[str, str] = field(default_factory=dict)
    """Which dataset, split and fold, by their hashes and name; empty for simulated lesions."""
    absent_stages: list[int] = field(default_factory=list)
    """Stages without a training hand."""
    readers: list[Agreement] = field(default_factory=list)
    """Agreement of the readers of the dataset, before any consensus."""
    reader_study: list[str] = field(default_factory=list)
    """Who read the dataset, how and with what agreement, in sentences; empty without a reader study."""
    folds: int = 0
    """Above 0: the figures are those of this number of cross-validated networks, each on other patients;
    the networks of the run itself were trained on all of them."""
    candidates: int = 1
    """Recipes that this one was chosen from, by cross-validation on the training side."""
    adults: Evaluation | None = None
    """Hands of adults with simulated lesions."""
    unedited_adults: dict[str, Interval] = field(default_factory=dict)

    @property
    def words(self) -> Words:
        """Texts for the kind of the hands."""
        return WORDS[self.data]

    @property
    def measured_on(self) -> str:
        """The hands of the figures, in words."""
        if not self.folds:
            return CHILDREN_MEASURED if self.adults else self.words.measured_on
        best = f"; the best of {self.candidates} recipes, so biased upwards" if self.candidates > 1 else ""
        return (
            f"all hands of a dataset of labelled radiographs by {self.folds}-fold cross-validation: each "
            f"rated by networks that were not trained on its patient{best}"
        )


def weights_path(run: Path, task: str) -> Path:
    """Path of the weights of a task."""
    return run / task / "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Hands:
    """Calibrated predictions for held-out hands, row by row."""

    stages: NDArray[np.int64]
    patients: NDArray[np.str_]
    diseased: Scores
    """Probability of disease (N,)."""
    staged: Scores
    """Probability of each stage (N, 6)."""
    found: NDArray[np.bool_]
    """Called diseased at the operating point."""
    disease_order: Scores
    """Ranks hands for the AUC of recognition (N,): log-odds without calibration by folds."""
    stage_order: Scores
    """The same for each stage against all others (N, 6)."""

    @property
    def people(self) -> int:
        return len(np.unique(self.patients))

    @property
    def diseased_both(self) -> Scores:
        """Probabilities of both classes (N, 2)."""
        return np.stack([1 - self.diseased, self.diseased], axis=1)

    @property
    def called(self) -> NDArray[np.int64]:
        return np.asarray(self.staged.argmax(axis=1), np.int64)


def seen(
    logits: Mapping[str, Scores],
    stages: NDArray[np.int64],
    patients: NDArray[np.str_],
    calibration: Calibration,
    order: Mapping[str, Scores] | None = None,
) -> Hands:
    """Turn logits into calibrated probabilities and predictions; raises Fatal for NaN.

    `order` has log-odds for the AUC of both tasks, by default those of the logits.
    """
    refuse_not_finite(logits, patients)
    diseased = calibration.probabilities("recognition", logits["recognition"], patients)[:, 1]
    staged = calibration.probabilities("staging", logits["staging"], patients)
    points = points_of(calibration, patients)
    order = order or {task: log_odds(found) for task, found in logits.items()}
    called = diseased >= points.recognition
    return Hands(stages, patients, diseased, staged, called, order["recognition"][:, 1], order["staging"])


def evaluated(
    logits: Mapping[str, Scores],
    crops: Crops,
    calibration: Calibration,
    seed: int,
    resamples: int = 1000,
    groups: Groups | None = None,
    order: Mapping[str, Scores] | None = None,
) -> Evaluation:
    """All figures of a group of hands at the operating points of a calibration; `order` as in `seen`."""
    hands = seen(logits, crops.stages, crops.patients, calibration, order)
    points = points_of(calibration, crops.patients)
    raw = {task: softmax(found) for task, found in logits.items()}
    return evaluated_hands(hands, points, raw, seed, resamples, groups)


def evaluated_hands(
    hands: Hands,
    points: Points,
    raw: Mapping[str, Scores],
    seed: int,
    resamples: int = 1000,
    groups: Groups | None = None,
) -> Evaluation:
    """All figures of a group of hands, with exact intervals of sensitivities and bootstrapped other ones.

    `raw` has the probabilities of both tasks before any temperature.
    """
    stages, patients, ill = hands.stages, hands.patients, hands.stages > 0

    def recognition(k: NDArray[np.intp]) -> dict[str, float]:
        return recognition_figures(
            stages[k], hands.diseased[k], points.recognition[k], hands.disease_order[k]
        )

    def staging(k: NDArray[np.intp]) -> dict[str, float]:
        return staging_figures(stages[k], hands.staged[k], points.staging[k], hands.stage_order[k])

    fewest = {
        "recognition": min(len(np.unique(patients[ill == k])) for k in (True, False)),
        "staging": min(len(np.unique(patients[stages == k])) for k in STAGES if (stages == k).any()),
    }
    rng = np.random.default_rng(seed)
    return Evaluation(
        hands=len(stages),
        patients=len(np.unique(patients)),
        recognition=with_intervals(recognition, patients, rng, resamples, fewest["recognition"])
        | _exact(hands, stages >= 0),
        staging=with_intervals(staging, patients, rng, resamples, fewest["staging"]),
        confusion=confusion(stages, hands.called, len(STAGES)).tolist(),
        calibration_error=_calibration_error(hands.diseased, hands.staged, stages),
        raw_calibration_error=_calibration_error(raw["recognition"][:, 1], raw["staging"], stages),
        calibration_interval=_calibration_interval(hands, rng, resamples),
        recognition_confusion=confusion(ill.astype(np.int64), hands.found.astype(np.int64), 2).tolist(),
        stage_sensitivity=[
            exact_share(hands.called[stages == k] == k, patients[stages == k]) for k in STAGES
        ],
        groups={title: _group(hands, rows) for title, rows in members(groups or {}).items()},
    )


def _exact(hands: Hands, rows: NDArray[np.bool_]) -> dict[str, Interval]:
    ill, well = rows & (hands.stages > 0), rows & (hands.stages == 0)
    return {
        "sensitivity": exact_share(hands.found[ill], hands.patients[ill]),
        "specificity": exact_share(~hands.found[well], hands.patients[well]),
    }


def _group(hands: Hands, rows: NDArray[np.bool_]) -> GroupFigures:
    near = np.abs(hands.stages - hands.called) <= 1
    return GroupFigures(
        hands=int(rows.sum()),
        patients=len(np.unique(hands.patients[rows])),
        **_exact(hands, rows),
        within_one_stage=exact_share(near[rows], hands.patients[rows]),
    )


def _calibration_error(diseased: Scores, staged: Scores, stages: NDArray[np.int64]) -> dict[str, float]:
    both = np.stack([1 - diseased, diseased], axis=1)
    return {
        "recognition": expected_calibration_error(both, (stages > 0).astype(np.int64)),
        "staging": expected_calibration_error(staged, stages),
    }


def _calibration_interval(
    hands: Hands, rng: np.random.Generator, resamples: int
) -> dict[str, tuple[float, float]]:
    """By bootstrap over patients. Resampling adds noise to every bin, which biases the interval upwards."""

    def errors(k: NDArray[np.intp]) -> dict[str, float]:
        return _calibration_error(hands.diseased[k], hands.staged[k], hands.stages[k])

    found = with_intervals(errors, hands.patients, rng, resamples)
    return {task: (low, high) for task, (_, low, high) in found.items()}


def unedited_figures(
    logits: Mapping[str, Scores], crops: Crops, calibration: Calibration
) -> dict[str, Interval]:
    """Specificity on real healthy hands without simulation; exact intervals."""
    hands = seen(logits, crops.stages, crops.patients, calibration)
    return {
        "specificity": exact_share(~hands.found, hands.patients),
        "called_stage_0": exact_share(hands.called == 0, hands.patients),
        "called_ra_present": exact_share(hands.found & (hands.called > 0), hands.patients),
    }
