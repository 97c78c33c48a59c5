"""The change since an earlier report is said for the same hand only, with both days and both bundles."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.prior_comparison import across_bundles, changes, comparable_hands, follow_up_sentences
from ra_node.domain.report import Prior
from ra_node.domain.texts.translations import load_language
from tests.dicom.builders import (
    BUNDLE,
    LEFT_REGION,
    OUTSIDE_AGES,
    both_hands,
    hand,
    image,
    refused_hand,
    report,
)

RIGHT_BEFORE = hand(0.61, 2)
LEFT_BEFORE = hand(0.08, 0, Side.LEFT, where=LEFT_REGION)


def prior(*hands, bundle=BUNDLE):
    """An earlier report with these hands."""
    return Prior(
        "2.25.3001",
        "2.25.3002",
        "1.2.840.10008.5.1.4.1.1.88.34",
        "2.25.3003",
        date(2026, 1, 5),
        f"{bundle.name} {bundle.version}",
        bundle.sha256,
        comparable_hands(hands),
    )


def followed(now, *before, **changed):
    """Today's report of hands `now` after an earlier one of hands `before`."""
    return report(image(*now), study_date=date(2026, 11, 23), prior=prior(*before, **changed))


def test_the_change_of_each_hand_is_said_with_both_days():
    named, right, left = follow_up_sentences(followed(both_hands(), RIGHT_BEFORE, LEFT_BEFORE))
    days = "from 2026-01-05 to 2026-11-23"
    assert named == "Earlier report of this node: study of 2026-01-05."
    assert right == f"Right hand, {days}: probability of RA 61 % to 87 % (+26 points); stage 2 to 3 (+1)."
    assert left == f"Left hand, {days}: probability of RA 8 % to 8 % (+0 points); stage 0 to 0 (0)."


def test_a_result_that_turns_round_is_said_first():
    (_, change) = follow_up_sentences(followed([hand()], hand(0.2, 0)))
    assert "RA not seen to suspected; probability of RA 20 % to 87 %" in change


def test_another_bundle_is_said_before_the_change():
    other = replace(BUNDLE, version="0.9", sha256="99" * 32)
    made = followed([hand()], RIGHT_BEFORE, bundle=other)
    assert across_bundles(made)
    said = follow_up_sentences(made)
    assert "made by another bundle (demo 0.9)" in said[1]
    assert said[2].startswith("Right hand, from 2026-01-05")


def test_without_an_earlier_report_nothing_is_said():
    assert follow_up_sentences(report(image(*both_hands()))) == []


def test_a_hand_is_never_compared_with_the_other_one():
    said = follow_up_sentences(followed([hand()], LEFT_BEFORE))
    assert said[0] == "Earlier report of this node: study of 2026-01-05."
    assert said[1].startswith("No hand can be compared")
    assert len(said) == 2


def test_a_hand_whose_side_nobody_knows_is_not_compared():
    for unknown in (hand(which=None), hand(conflict=True)):
        assert changes(followed([unknown], RIGHT_BEFORE)) == ()
        assert changes(followed([hand()], unknown)) == ()


def test_a_hand_without_a_result_is_not_compared():
    refused = refused_hand(Side.RIGHT, hand().region)
    assert changes(followed([refused], RIGHT_BEFORE)) == ()
    assert changes(followed([hand()], refused)) == ()


def test_two_hands_of_one_side_are_not_compared():
    """Which of them is the earlier one nobody can tell."""
    assert changes(followed([hand(), hand(0.3, 1, where=LEFT_REGION)], RIGHT_BEFORE)) == ()
    assert changes(followed([hand()], RIGHT_BEFORE, hand(0.3, 1))) == ()


def test_hands_that_are_inconclusive_or_not_rated_are_not_compared():
    """Neither now nor as the earlier one."""
    for unlike in (hand(0.3, 1), refused_hand(Side.RIGHT, refusal=OUTSIDE_AGES)):
        assert changes(followed([unlike], RIGHT_BEFORE)) == ()
        assert changes(followed([hand()], unlike)) == ()


def test_the_probability_is_said_as_each_report_wrote_it():
    """Near the operating point a report writes more digits."""
    (_, change) = follow_up_sentences(followed([hand(0.4999, 0)], hand(0.61, 1)))
    assert "probability of RA 61 % to 49.99 % (-11 points)" in change


def test_it_is_said_in_chinese():
    _, said = follow_up_sentences(followed([hand()], RIGHT_BEFORE), load_language("zh"))
    for part in ("右手", "2026-01-05 至 2026-11-23", "RA 概率由 61 % 到 87 %", "分期由 2 期到 3 期"):
        assert part in said
