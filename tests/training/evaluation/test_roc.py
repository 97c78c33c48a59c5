"""Curves agree with scikit-learn, and their bands resample patients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from training.evaluation.metrics import auc
from training.evaluation.roc import GRID, curve, stage_curves, staircase

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=60)


@given(ROWS.filter(lambda rows: len({truth for truth, _ in rows}) == 2))
def test_the_staircase_is_that_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    truth, score = np.array([t for t, _ in rows]), np.array([s for _, s in rows], float)
    expected = roc_curve(truth, score, drop_intermediate=False)[:2]
    assert np.allclose(staircase(truth, score), expected)


def drawn(hands: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = np.arange(hands) % 2 == 0
    return truth, rng.normal(truth, 1.0)


def test_the_band_holds_the_curve_and_the_interval_its_area() -> None:
    truth, score = drawn(80)
    found = curve(truth, score, np.arange(80).astype(str), np.random.default_rng(1), 200)
    assert found is not None
    value, low, high = found.auc
    assert value == pytest.approx(auc(truth, score))
    assert low < value < high
    assert (found.low <= found.high).all()
    inside = np.interp(GRID, found.false_positive, found.true_positive)
    assert ((found.low - 0.05 <= inside) & (inside <= found.high + 0.05)).mean() > 0.95


def test_copies_of_a_patient_do_not_narrow_the_band() -> None:
    """Resampling hands instead would shrink it by the square root of the copies."""
    truth, score = drawn(40)

    def width(copies: int) -> float:
        patients = np.repeat(np.arange(40).astype(str), copies)
        found = curve(
            np.repeat(truth, copies), np.repeat(score, copies), patients, np.random.default_rng(1), 200
        )
        assert found is not None
        return float((found.high - found.low).mean())

    assert width(8) == pytest.approx(width(1))


def test_a_class_that_is_missing_has_no_curve() -> None:
    stages = np.array([0, 1, 0, 1])
    curves = stage_curves(stages, np.full((4, 3), 1 / 3), np.array(list("abcd")), np.random.default_rng(0), 5)
    assert curves[2] is None
    assert curves[0] is not None
