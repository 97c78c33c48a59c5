"""Agreement of two readers is Cohen's kappa, with an interval only where one can be had."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.reader_study.labels import NOT_GRADABLE
from ra_node.domain.statistics.agreement import kappa
from training.data.consensus import HandAttributes, LabelledHand, Reading
from training.data.label_table.agreement import agreements


def hand(number: int, *stages: tuple[int | None, int | None], joints: bool = False) -> LabelledHand:
    names = ("mcp_1", "mcp_2", "mcp_3") if joints else ("",)
    return LabelledHand(
        tuple(
            Reading(number, f"{number // 2}.dcm", Side.RIGHT, name, first, second, None, HandAttributes())
            for name, (first, second) in zip(names, stages, strict=False)
        )
    )


def table_of(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    table = np.zeros((6, 6), np.int64)
    np.add.at(table, (first, second), 1)
    return table


def test_kappa_is_that_of_a_table_worked_by_hand() -> None:
    """45 of 70 alike, 0.5 of them by chance: (0.643 - 0.5) / (1 - 0.5)."""
    table = np.zeros((6, 6), np.int64)
    table[:2, :2] = ((25, 10), (15, 20))
    assert kappa(table) == pytest.approx((45 / 70 - 0.5) / 0.5)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=80))
def test_kappa_is_scikit_learn_s(pairs: list[tuple[int, int]]) -> None:
    """NaN included; scikit-learn is the judge, and too slow for a bootstrap."""
    first, second = np.array(pairs).T
    for weights in (None, "quadratic"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = cohen_kappa_score(first, second, labels=list(range(6)), weights=weights)
        found = kappa(table_of(first, second), quadratic=weights is not None)
        assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_a_near_miss_costs_less_with_quadratic_weights() -> None:
    rng = np.random.default_rng(1)
    pairs = [(int(k), int(np.clip(k + rng.integers(-1, 2), 0, 5))) for k in rng.integers(6, size=60)]
    (found,) = agreements([hand(n, pair) for n, pair in enumerate(pairs)], resamples=100)
    assert found.what == "hands"
    assert found.quadratic[0] > found.kappa[0] + 0.2
    for value, low, high in (found.kappa, found.quadratic):
        assert low < value < high
    assert found.equal == sum(a == b for a, b in pairs)


def test_joints_are_compared_one_by_one_and_hands_by_their_highest() -> None:
    rows = [((0, 0), (1, 3), (3, 1)), ((2, 2), (0, 0), (0, 1)), ((5, 5), (1, 1), (0, 0))]
    hands, joints = agreements([hand(n, *row, joints=True) for n, row in enumerate(rows)], resamples=20)
    assert (hands.count, hands.equal) == (3, 3)
    assert (joints.count, joints.equal) == (9, 6)


def test_readers_who_never_differ_get_no_interval() -> None:
    """A bootstrap could only say 1 to 1."""
    (found,) = agreements([hand(n, (n % 6, n % 6)) for n in range(12)], resamples=20)
    assert found.kappa[0] == 1
    assert math.isnan(found.kappa[1])
    assert "1.000 (no interval)" in str(found)


def test_a_reader_who_always_says_the_same_gets_a_kappa_without_an_interval() -> None:
    (found,) = agreements([hand(n, (n % 6, 2)) for n in range(12)], resamples=20)
    assert found.kappa[0] == pytest.approx(0)
    assert math.isnan(found.kappa[1])


def test_one_stage_leaves_kappa_undefined() -> None:
    (found,) = agreements([hand(n, (2, 2)) for n in range(4)], resamples=5)
    assert "undefined" in str(found)


def test_a_table_without_two_readers_has_no_agreement() -> None:
    assert agreements([hand(0, (None, None)), hand(1, (1, None))]) == []


def test_what_one_reader_could_not_grade_is_counted_apart() -> None:
    """It is no stage, so it cannot lie near one."""
    read = [(2, 2), (NOT_GRADABLE, 3), (1, NOT_GRADABLE), (NOT_GRADABLE, NOT_GRADABLE), (4, 3)]
    (found,) = agreements([hand(n, pair) for n, pair in enumerate(read)], resamples=5)
    assert (found.count, found.equal, found.one_not_gradable) == (2, 1, 2)
    assert str(found).endswith("; 2 not gradable to one of them")
