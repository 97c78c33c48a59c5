"""What two readers agree on, and what a hand is when its joints are labelled."""

from __future__ import annotations

import pytest

from ra_node.domain.joints import JOINTS
from ra_node.domain.reader_study.labels import (
    NOT_GRADABLE,
    discrepancies,
    hand_label,
    highest,
    is_complete,
    is_within,
)


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([0, 3, 1], 3),
        ([0, NOT_GRADABLE], NOT_GRADABLE),
        ([5, NOT_GRADABLE], 5),
        ([1, None], None),
        ([], None),
    ],
)
def test_a_hand_is_its_highest_joint_unless_one_that_cannot_be_judged_could_be_higher(stages, expected):
    assert highest(stages) == expected


@pytest.mark.parametrize(
    ("one", "other", "threshold", "apart"),
    [(1, 1, 1, False), (1, 2, 1, True), (1, 2, 2, False), (1, 3, 2, True), (NOT_GRADABLE, 3, 2, True),
     (NOT_GRADABLE, NOT_GRADABLE, 1, False)],
)  # fmt: skip
def test_a_discrepancy_begins_at_the_threshold_and_with_a_hand_only_one_can_judge(
    one, other, threshold, apart
):
    found = discrepancies({"": one}, {"": other}, by_joint=False, threshold=threshold)
    assert bool(found) is apart


def test_a_hand_that_one_reader_cannot_judge_differs_at_every_joint_of_the_other():
    found = discrepancies({"": NOT_GRADABLE}, dict.fromkeys(JOINTS, 0), by_joint=True, threshold=1)
    assert found == JOINTS


def test_by_joint_a_hand_is_complete_with_all_joints_or_as_a_whole_not_gradable():
    assert not is_complete(dict.fromkeys(JOINTS[1:], 0), by_joint=True)
    assert is_complete(dict.fromkeys(JOINTS, 0), by_joint=True)
    assert is_complete({"": NOT_GRADABLE}, by_joint=True)
    assert hand_label({}) is None


@pytest.mark.parametrize(
    ("label", "said", "within"),
    [(3, [2, 4], True), (5, [2, 4], False), (NOT_GRADABLE, [2, 4], False), (2, [NOT_GRADABLE, 2], True)],
)
def test_a_consensus_within_what_was_said(label, said, within):
    assert is_within(label, said) is within
