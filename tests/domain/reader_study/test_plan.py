"""Samples and orders: reproducible, complete, and with repeats that do not follow closely."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.reader_study.plan import (
    Sampling,
    SamplingKind,
    StudyPlan,
    checked_plan,
    drawn,
    reading_order,
)
from ra_node.errors import Refused


@given(st.integers(0, 60), st.floats(0, 0.5), st.text(max_size=8))
def test_every_hand_comes_once_and_the_share_of_repeats_once_more(hands, repeats, seed):
    names = [str(number) for number in range(hands)]
    order = reading_order(names, repeats, seed)
    counts = Counter(order)
    assert set(counts.values()) <= {1}
    assert {hand for hand, occasion in order if occasion == 0} == set(names)
    again = [hand for hand, occasion in order if occasion == 1]
    assert len(again) == min(hands // 2, round(repeats * hands))
    for hand in again:
        assert order.index((hand, 1)) > order.index((hand, 0)) + 1


def test_two_readers_have_different_orders():
    names = [str(number) for number in range(50)]
    assert reading_order(names, 0.1, "a") != reading_order(names, 0.1, "b")


@given(st.lists(st.sampled_from(["0", "1", "2", None]), max_size=60), st.integers(1, 40), st.integers(0, 9))
def test_a_stratified_sample_is_as_even_as_the_strata_allow(strata, count, seed):
    chosen = drawn(Sampling(SamplingKind.STAGE, count, seed), strata)
    assert chosen == drawn(Sampling(SamplingKind.STAGE, count, seed), strata)
    qualified = [one for one in strata if one is not None]
    assert len(chosen) == min(count, len(qualified))
    taken, there = Counter(strata[n] for n in chosen), Counter(qualified)
    for one in taken:
        for other in there:
            assert taken[one] <= taken[other] + 1 or taken[other] == there[other]


@pytest.mark.parametrize(
    "plan",
    [
        StudyPlan(repeats=0.6),
        StudyPlan(threshold=3),
        StudyPlan(Sampling(count=-1)),
        StudyPlan(Sampling(SamplingKind.RANDOM)),
    ],
)
def test_a_plan_out_of_range_is_refused(plan):
    with pytest.raises(Refused):
        checked_plan(plan)
