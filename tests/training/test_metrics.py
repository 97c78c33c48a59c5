"""Figures agree with the paper's own counts and with a second, slower way of counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from training.metrics import (
    Counts,
    auc,
    confusion,
    counts,
    quadratic_kappa,
    staging_figures,
    with_intervals,
    youden_threshold,
)

PAPER = {
    # Peng et al. 2024, table 2: (true positives, true negatives) of 91 RA and 13 normal hands, and the
    # printed accuracy, sensitivity, specificity and F1 in percent.
    "AlexNet": ((90, 10), ("96.15", "98.90", "76.92", "97.83")),
    "VGG16": ((91, 10), ("97.12", "100.00", "76.92", "98.38")),
    "GoogLeNet": ((91, 9), ("96.15", "100.00", "69.23", "97.85")),
    "ResNet50": ((90, 9), ("95.19", "98.90", "69.23", "97.30")),
    "EfficientNetB2": ((90, 10), ("96.15", "98.90", "76.92", "97.83")),
}


@pytest.mark.parametrize("network", PAPER)
def test_the_twenty_cells_of_table_2_follow_from_their_counts(network: str) -> None:
    (right_ra, right_normal), printed = PAPER[network]
    found = Counts(right_ra, 91 - right_ra, right_normal, 13 - right_normal)
    cells = (found.accuracy, found.sensitivity, found.specificity, found.f1)
    assert tuple(f"{100 * cell:.2f}" for cell in cells) == printed


scores = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=60)


@given(scores.filter(lambda rows: len({truth for truth, _ in rows}) == 2))
def test_auc_is_that_of_scikit_learn_ties_included(rows: list[tuple[bool, int]]) -> None:
    truth, score = np.array([t for t, _ in rows]), np.array([s for _, s in rows], float)
    assert auc(truth, score) == pytest.approx(roc_auc_score(truth, score))


@given(scores.filter(lambda rows: len({truth for truth, _ in rows}) == 2))
def test_no_threshold_has_a_larger_youden_index_than_the_chosen_one(rows: list[tuple[bool, int]]) -> None:
    truth, score = np.array([t for t, _ in rows]), np.array([s for _, s in rows], float)

    def youden(threshold: float) -> float:
        found = counts(truth, score >= threshold)
        return found.sensitivity + found.specificity

    chosen = youden(youden_threshold(truth, score))
    assert chosen == pytest.approx(max(youden(threshold) for threshold in np.unique(score)))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=60))
def test_quadratic_kappa_is_that_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    truth, call = np.array([t for t, _ in rows]), np.array([c for _, c in rows])
    found = quadratic_kappa(truth, call, 6)
    if np.isnan(found):
        assert len(set(truth) | set(call)) == 1
    else:
        expected = cohen_kappa_score(truth, call, weights="quadratic", labels=list(range(6)))
        assert found == pytest.approx(expected)


def test_confusion_has_the_truth_in_its_rows() -> None:
    table = confusion(np.array([0, 0, 2]), np.array([0, 1, 1]), 3)
    assert table.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_a_perfect_staging_has_perfect_figures() -> None:
    stages = np.repeat(np.arange(6), 3)
    figures = staging_figures(stages, np.eye(6)[stages], np.full(6, 0.5))
    errors = {key: figures.pop(key) for key in ("mean_absolute_error",)}
    assert errors == {"mean_absolute_error": 0.0}
    assert set(figures.values()) == {1.0}


def test_intervals_resample_patients_and_not_hands() -> None:
    """Ten equal hands of a patient say no more than one, so the interval must not shrink with them."""
    rng = np.random.default_rng(5)
    right = rng.random(30) < 0.7

    def width(copies: int) -> float:
        rows, patients = np.repeat(right, copies), np.repeat(np.arange(30).astype(str), copies)
        found = with_intervals(
            lambda k: {"accuracy": rows[k].mean()}, patients, np.random.default_rng(1), 300
        )
        value, low, high = found["accuracy"]
        assert low <= value <= high
        assert value == pytest.approx(right.mean())
        return high - low

    assert width(10) == pytest.approx(width(1))


def test_a_figure_of_one_still_has_an_interval_for_the_patients_that_it_counts() -> None:
    """Ten of ten is no certainty: 69.2 % is the exact lower bound; the other five patients say nothing."""
    healthy = np.array([True] * 10 + [False] * 5)

    def specificity(k: np.ndarray) -> dict[str, float]:
        return {"specificity": counts(~healthy[k], np.zeros(len(k), bool)).specificity}

    patients = np.arange(15).astype(str)
    value, low, high = with_intervals(specificity, patients, np.random.default_rng(0), 50)["specificity"]
    assert (value, high) == (1.0, 1.0)
    assert low == pytest.approx(0.692, abs=0.001)
