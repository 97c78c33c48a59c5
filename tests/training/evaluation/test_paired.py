"""Differences between runs are counted on the same hands and the same resamples, or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_node.errors import Fatal
from training.evaluation.evaluate import Hands
from training.evaluation.paired import FIGURES, Difference, differences, refuse_other_hands

STAGES = np.tile(np.arange(6), 20)
PATIENTS = np.repeat([f"p{k}" for k in range(40)], 3)


def hands(noise: float, seed: int = 0, sharpness: float = 2.0) -> Hands:
    """A reader of the hands whose eye is off by `noise` stages."""
    seen = STAGES + np.random.default_rng(seed).normal(0, noise, len(STAGES))
    staged = np.exp(-sharpness * np.abs(seen[:, None] - np.arange(6)))
    staged /= staged.sum(axis=1, keepdims=True)
    diseased = 1 - staged[:, 0]
    return Hands(STAGES, PATIENTS, diseased, staged, diseased >= 0.5, diseased, staged)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.2, 3.0))
def test_a_run_differs_from_itself_by_exactly_nothing(seed: int, noise: float) -> None:
    own = hands(noise, seed)
    found = differences(own, own, seed, resamples=20)
    assert [one.difference for one in found] == [(0.0, 0.0, 0.0)] * len(FIGURES)
    assert not any(one.excludes_zero for one in found)


def test_a_known_better_reader_excludes_zero_in_the_right_direction() -> None:
    """Higher kappa, accuracy and AUC, but a lower error."""
    found = {one.figure: one for one in differences(hands(1.5), hands(0.4, seed=1), resamples=300)}
    assert list(found) == list(FIGURES)
    assert all(one.verdict == "better: the interval excludes zero" for one in found.values())
    assert found["mean_absolute_error"].difference[2] < 0 < found["quadratic_kappa"].difference[1]


def test_the_better_reader_as_the_base_makes_the_other_one_worse_by_as_much() -> None:
    there = differences(hands(1.5), hands(0.4, seed=1), resamples=100)
    back = differences(hands(0.4, seed=1), hands(1.5), resamples=100)
    assert [one.difference[0] for one in there] == pytest.approx([-one.difference[0] for one in back])
    assert {one.verdict for one in back} == {"worse: the interval excludes zero"}


def test_two_readers_as_good_as_each_other_stay_undecided() -> None:
    found = differences(hands(0.8, 1), hands(0.8, 2), resamples=300)
    assert sum(one.excludes_zero for one in found) <= 1
    assert "undecided" in Difference("auc", 0.8, 0.9, (0.1, -0.1, 0.2)).verdict


def test_a_reader_who_is_only_bolder_differs_in_nothing_that_is_compared() -> None:
    """Order and likeliest stage are the same, and so is every resample: paired figures see no noise."""
    one = hands(1.0)
    bolder = replace(one, staged=one.staged**2, diseased=one.diseased**2)
    found = {each.figure: each.difference for each in differences(one, bolder, resamples=50)}
    assert found["recognition_auc"] == found["quadratic_kappa"] == found["auc"] == (0.0, 0.0, 0.0)


def test_other_hands_are_refused_with_both() -> None:
    base = hands(1.0)
    fewer = Hands(*(getattr(base, name)[:-3] for name in Hands.__slots__))
    with pytest.raises(
        Fatal, match=r"hands of a \(120 hands of 40 patients.* in b, .*117 hands of 39 .*39 pat"
    ):
        refuse_other_hands(base, fewer, ("a", "b"))
    relabelled = replace(base, stages=np.roll(base.stages, 1))
    with pytest.raises(Fatal, match="hand 1 of patient p0, stage 0; found patient p0, stage 5; 120 of 120"):
        refuse_other_hands(base, relabelled, ("a", "b"))
    with pytest.raises(ValueError, match="the same hands"):
        differences(base, relabelled)
    refuse_other_hands(base, hands(2.0, 3), ("a", "b"))
