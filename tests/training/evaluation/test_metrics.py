"""Figures agree with the paper's own counts and with a second, slower way of counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from training.evaluation.metrics import (
    auc,
    clopper_pearson,
    confusion,
    counts,
    exact_share,
    in_words,
    quadratic_kappa,
    staging_figures,
    threshold_for_sensitivity,
    with_intervals,
    youden_threshold,
)

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


def test_an_auc_of_one_is_as_sure_as_its_rarest_class_is_large() -> None:
    """With one hand a patient no patient has both classes: the 13 normal ones decide, not nothing."""
    ill, patients = np.arange(104) >= 13, np.arange(104).astype(np.str_)

    def area(k: np.ndarray) -> dict[str, float]:
        return {"auc": auc(ill[k], ill[k].astype(float))}

    value, low, high = with_intervals(area, patients, np.random.default_rng(0), 50, fewest=13)["auc"]
    assert (value, high) == (1.0, 1.0)
    assert low == pytest.approx(clopper_pearson(13, 13)[1])


def test_ten_of_thirteen_is_between_46_and_95_percent() -> None:
    """The paper's specificity of 76.92 % says no more than that."""
    _, low, high = clopper_pearson(10, 13)
    assert (low, high) == pytest.approx((0.462, 0.950), abs=0.001)


@given(st.integers(1, 60).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_exact_intervals_are_those_of_scipy(counted: tuple[int, int]) -> None:
    part, whole = counted
    expected = binomtest(part, whole).proportion_ci(method="exact")
    assert clopper_pearson(part, whole)[1:] == pytest.approx((expected.low, expected.high))


@given(st.integers(1, 60).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_with_one_hand_a_patient_a_share_has_clopper_and_pearsons_interval(counted: tuple[int, int]) -> None:
    part, whole = counted
    found = exact_share(np.arange(whole) < part, np.arange(whole).astype(str))
    assert found == pytest.approx(clopper_pearson(part, whole))


@pytest.mark.parametrize("right", [17, 20])
def test_equal_hands_of_a_patient_count_once(right: int) -> None:
    """Five copies of twenty patients have about the interval of twenty, not of a hundred."""
    single, copies = np.arange(20) < right, np.repeat(np.arange(20), 5)
    expected = clopper_pearson(right, 20)
    found = exact_share(single[copies], copies.astype(str))
    assert found == pytest.approx(expected, abs=0.03)
    assert found[1] < clopper_pearson(5 * right, 100)[1] - 0.05


@given(scores.filter(lambda rows: any(truth for truth, _ in rows)), st.floats(0.01, 1))
def test_the_threshold_for_a_sensitivity_is_the_highest_that_reaches_it(
    rows: list[tuple[bool, int]], wanted: float
) -> None:
    truth, score = np.array([t for t, _ in rows]), np.array([s for _, s in rows], float)
    threshold = threshold_for_sensitivity(truth, score, wanted)
    assert counts(truth, score >= threshold).sensitivity >= wanted
    higher = score[truth & (score > threshold)]
    next_up = higher.min() + 0.5 if len(higher) else threshold + 1
    assert counts(truth, score >= next_up).sensitivity < wanted


@pytest.mark.parametrize(("positives", "wanted"), [(0, 0.9), (3, 0.0), (3, 1.1)])
def test_a_sensitivity_that_cannot_be_reached_is_refused(positives: int, wanted: float) -> None:
    truth = np.arange(5) < positives
    with pytest.raises(ValueError, match="expected positives and a sensitivity"):
        threshold_for_sensitivity(truth, np.linspace(0, 1, 5), wanted)


def figures_of(stages: np.ndarray, called: np.ndarray) -> dict[str, tuple[float, float, float]]:
    patients = np.arange(len(stages)).astype(str)

    def figures(k: np.ndarray) -> dict[str, float]:
        return staging_figures(stages[k], np.eye(6)[called[k]], np.full(6, 0.5))

    return with_intervals(figures, patients, np.random.default_rng(0), 60)


def test_a_constant_call_has_a_kappa_without_an_interval() -> None:
    """It is 0 on every resample; "0 to 0" would be certainty about nothing."""
    stages = np.tile(np.arange(6), 4)
    found = figures_of(stages, np.full(24, 2))
    assert found["quadratic_kappa"][0] == pytest.approx(0)
    assert np.isnan(found["quadratic_kappa"][1:]).all()
    assert in_words(found["quadratic_kappa"]) == "no interval"
    assert found["one_vs_rest_auc"][0] == 0.5
    assert np.isnan(found["one_vs_rest_auc"][1:]).all()


def test_no_interval_has_zero_width() -> None:
    """Whether every call is right, every one off by one, or every one far off."""
    stages = np.tile(np.arange(6), 4)
    for called in (stages, np.where(stages > 0, stages - 1, 1), 5 - stages, np.zeros(24, int)):
        for name, (value, low, high) in figures_of(stages, called).items():
            assert np.isnan(low) or high - low > 1e-6, (name, value, low, high)
    assert figures_of(stages, stages)["accuracy"] == pytest.approx((1, 0.858, 1), abs=0.001)
    assert figures_of(stages, 5 - stages)["accuracy"] == pytest.approx((0, 0, 0.142), abs=0.001)
    assert np.isnan(figures_of(stages, np.where(stages > 0, stages - 1, 1))["mean_absolute_error"][1])


def test_a_stage_without_hands_counts_in_no_average() -> None:
    """Nobody calls it and nobody has it: a specificity of 1 for nothing."""
    stages = np.tile(np.arange(5), 4)
    called = np.roll(stages, 3)
    with_it = staging_figures(stages, np.eye(6)[called], np.full(6, 0.5))
    without = staging_figures(stages, np.eye(5)[called], np.full(5, 0.5))
    assert with_it["one_vs_rest_accuracy"] == without["one_vs_rest_accuracy"]
    assert with_it["macro_f1"] == without["macro_f1"]


def test_a_score_that_is_no_number_is_ranked_nowhere() -> None:
    truth, score = np.array([True, False, True]), np.array([np.nan, 0.2, 0.3])
    with pytest.raises(ValueError, match="expected scores that are numbers, found 1 NaN"):
        auc(truth, score)
    with pytest.raises(ValueError, match="expected scores of both classes"):
        youden_threshold(truth, score)
