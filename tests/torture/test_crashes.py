"""kill -9 at named points, at random and of all roles at once: a small cut of `make torture`.

That each guarantee broken on purpose is seen is a part of it, too (`broken`); here one stands for all.
"""

from __future__ import annotations

import pytest

from tests.conftest import find_tool
from tests.torture.campaign import Campaign
from tests.torture.stalled import stall
from tests.torture.verdict import Answer, doubled


@pytest.fixture(autouse=True)
def senders_are_there():
    find_tool("storescu")
    find_tool("dcmsend")


def test_nothing_acknowledged_is_lost_unanswered_or_answered_twice(pacs, tmp_path):
    campaign = Campaign(tmp_path, pacs, kills=8, seed=20, every_point=False)
    verdict = campaign.run()
    assert campaign.score.total >= 8
    assert verdict.acknowledged > 0
    assert verdict.kept, verdict


def test_a_worker_that_lost_its_lease_cannot_record_what_another_has_done(tmp_path):
    woken = stall(tmp_path)
    assert woken.duplicate_facts == ()
    assert woken.gave_way


def test_without_the_fence_the_timeline_tells_the_work_twice(tmp_path):
    """The guarantee broken on purpose: a late worker overwrites what was recorded."""
    assert stall(tmp_path, broken="drop the fence").duplicate_facts


def test_two_reports_over_the_same_images_count_as_doubled():
    first = Answer("1", "", frozenset({"a"}))
    assert not doubled([first, Answer("2", "1", frozenset({"a", "b"}))])
    assert doubled([first, Answer("2", "1", frozenset({"a"}))])
    assert doubled([first, Answer("2", "", frozenset({"a", "b"}))])


def test_what_an_operator_brought_back_is_one_revision_and_no_second_answer():
    """It was answered with why it failed; two answers beside each other are still one too many."""
    first = Answer("1", "", frozenset({"a"}))
    assert not doubled([first, Answer("2", "1", frozenset({"a"}))], revised=True)
    assert doubled([first, Answer("2", "", frozenset({"a"}))], revised=True)
