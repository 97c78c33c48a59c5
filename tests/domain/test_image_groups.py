"""Many images without a result are told by their reason; few are told one by one."""

from __future__ import annotations

import pytest

from ra_node.domain.image_groups import MOST_NAMED, groups_of, ranges
from ra_node.domain.refusal import Reason, Refusal
from tests.dicom.builders import NO_HAND, both_hands, image, refused_hand, report

CHEST = Refusal(
    Reason.OTHER_BODY_PART, "Another part of the body: expected a hand, the image header says CHEST."
)


def test_few_images_are_told_one_by_one():
    assert groups_of(report(*(image(refusal=CHEST, number=n) for n in range(1, MOST_NAMED + 1)))) == ()


def test_many_are_told_by_reason_and_those_with_a_result_are_not_among_them():
    found = [image(refusal=CHEST if n % 2 else NO_HAND, number=n) for n in range(1, 41)]
    made = report(image(*both_hands(), number=90), *found, image(refused_hand(), number=91))
    groups = groups_of(made)
    assert [group.refusals[0].reason for group in groups[:2]] == [Reason.OTHER_BODY_PART, Reason.NO_HAND]
    assert sorted(n for group in groups for n in group.numbers) == list(range(2, 43))
    assert groups[-1].numbers == (42,)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([7], "7"),
        ([1, 2], "1-2"),
        ([2, 3, 4, 9, 11, 12], "2-4, 9, 11-12"),
        (list(range(1, 40, 2)), "1, 3, 5, 7, 9, 11, 13, 15, ..."),
    ],
)
def test_numbers_are_said_in_ranges(numbers, said):
    assert ranges(numbers) == said
