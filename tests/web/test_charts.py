"""What the model says now stands on the axis of what it said of the hands of its card."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.services.models.drift_baseline import HeldOutBaseline
from ra_node.services.monitoring.event_counters import WEEK_S, Week
from ra_node.web.charts import CHART_HEIGHT, CHART_WIDTH, PRESENT, positive_rate, stages_and_card

NOW = 4 * 86400 + 100 * WEEK_S + 3600.0
"""A Monday, one hour old."""
CARD = HeldOutBaseline((10, 10, 10, 10, 5, 5), normal=10, positive=40)
COUNTS = st.lists(st.integers(0, 1000), min_size=6, max_size=6)


def week(ago: int, stages: list[int], positive: int = 0) -> dict[int, Week]:
    start = 4 * 86400 + (100 - ago) * WEEK_S
    return {start: Week(answered=1, hands=sum(stages), positive=positive, stages=stages)}


def heights(chart, series):
    return [bar.height for bar in chart.bars if bar.series == series]


def test_equal_shares_are_equally_high_however_many_hands_there_are():
    chart = stages_and_card(week(0, [200, 200, 200, 200, 100, 100]), NOW, CARD)
    assert heights(chart, "here") == heights(chart, "card")
    assert [tick.text for tick in chart.up] == ["0 %", "12.5 %", "25 %"]
    assert chart.table[1] == ("stage 0", "20 % (10 of 50)", "20 % (200 of 1000)")


def test_the_present_is_the_last_weeks_alone():
    weeks = week(PRESENT - 1, [3, 0, 0, 0, 0, 0]) | week(PRESENT, [0, 0, 0, 0, 0, 9])
    chart = stages_and_card(weeks, NOW, CARD)
    assert chart.legend[1] == ("here", f"here, last {PRESENT} weeks: 3 hands")
    assert chart.table[6][2] == "0 % (0 of 3)"


def test_answers_of_another_model_are_not_passed_off_as_this_one():
    weeks = week(0, [1, 1, 1, 1, 1, 1])
    (held,) = weeks.values()
    held.bundles.add("ours")
    assert "other models" not in stages_and_card(weeks, NOW, replace(CARD, bundle="ours")).legend[1][1]
    assert "some by other models" in stages_and_card(weeks, NOW, replace(CARD, bundle="new")).legend[1][1]


def test_without_hands_it_says_so():
    assert "No hand was rated" in stages_and_card({}, NOW, CARD).empty


@given(COUNTS, COUNTS.filter(any))
def test_no_bar_leaves_the_chart_or_covers_another(here, card):
    chart = stages_and_card(week(0, here), NOW, HeldOutBaseline(tuple(card), card[0], None))
    ends = 0.0
    for bar in sorted(chart.bars, key=lambda bar: bar.x):
        assert ends <= bar.x
        assert bar.y >= 0
        assert bar.y + bar.height <= CHART_HEIGHT
        ends = bar.x + bar.width
    assert ends <= CHART_WIDTH


def test_the_share_called_positive_is_read_against_that_of_the_card():
    weeks = week(0, [1, 1, 1, 1, 1, 0], positive=4)
    chart = positive_rate(weeks, NOW, str, CARD)
    assert chart.mark.text == "card 80 %"
    assert chart.mark.at == pytest.approx(chart.bars[-1].y, abs=0.01)
    assert chart.table[-1] == ("its card", "40", "50")
    assert positive_rate(weeks, NOW, str).mark is None
