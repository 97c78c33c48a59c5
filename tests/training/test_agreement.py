"""Agreement of two readers is Cohen's kappa, with an interval only where one can be had."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ra_node.domain.laterality import Side
from training.agreement import agreements, kappa
from training.labels import Facts, LabelledHand, Reading


def hand(number: int, *stages: tuple[int | None, int | None], joints: bool = False) -> LabelledHand:
    names = ("mcp_1", "mcp_2", "mcp_3") if joints else ("",)
    return LabelledHand(
        tuple(
            Reading(number, f"{number // 2}.dcm", Side.RIGHT, name, first, second, None, Facts())
            for name, (first, second) in zip(names, stages, strict=False)
        )
    )


def test_kappa_is_that_of_a_hand_computed_table() -> None:
    """Cohen 1960: 0.7 observed, 0.5 by chance, hence 0.4."""
    first = np.array([0] * 25 + [0] * 10 + [1] * 15 + [1] * 20 + [0] * 5 + [1] * 5)[:70]
    second = np.array([0] * 25 + [1] * 10 + [0] * 15 + [1] * 20)
    observed = 45 / 70
    chance = (35 * 40 + 35 * 30) / 70**2
    assert kappa(first, second) == pytest.approx((observed - chance) / (1 - chance))


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


def test_one_stage_leaves_kappa_undefined() -> None:
    (found,) = agreements([hand(n, (2, 2)) for n in range(4)], resamples=5)
    assert "undefined" in str(found)


def test_a_table_without_two_readers_has_no_agreement() -> None:
    assert agreements([hand(0, (None, None)), hand(1, (1, None))]) == []
