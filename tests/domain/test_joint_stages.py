"""Stages of joints: what they say of their hand, when they contradict it, and how they are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from ra_node.domain.caveats import Doubt, doubts_of
from ra_node.domain.geometry import Point
from ra_node.domain.image_choice import one_result_a_hand
from ra_node.domain.joints import JOINTS
from ra_node.domain.prior_comparison import comparable_hands, follow_up_sentences
from ra_node.domain.rating import Rating, rated_within
from ra_node.domain.report import HandFinding, HandVerdict, Joint, JointStaging, Prior
from ra_node.domain.texts.joint_sentences import diseased_joints, joint_sentence, joints_sentence
from ra_node.domain.texts.report_sentences import doubt_sentence, hand_sentence
from ra_node.domain.texts.translations import load_language
from tests.dicom.builders import (
    BUNDLE,
    OUTSIDE_AGES,
    hand,
    image,
    joint_staging,
    report,
    with_joints,
)

POSITIVE, NEGATIVE = hand(0.9, 3), hand(0.02, 0)


def joint(p0: float, likeliest: int, threshold: float = 0.5) -> JointStaging:
    rest = [0.0] * 6
    rest[likeliest] += 1 - p0
    rest[0] += p0
    made = joint_staging(Joint("mcp_2", Point(5, 5), 1), 0)
    return replace(made, probabilities=tuple(rest), threshold=threshold)


@pytest.mark.parametrize(
    ("p0", "threshold", "stage"),
    [(0.49, 0.5, 2), (0.5, 0.5, 2), (0.51, 0.5, 0), (0.3, 0.8, 0), (0.1, 0.8, 2)],
)
def test_the_operating_point_decides_between_stage_0_and_the_likeliest(p0, threshold, stage):
    assert joint(p0, 2, threshold).stage == stage
    assert joint(p0, 2, threshold).probability == pytest.approx(1 - p0)


@pytest.mark.parametrize(
    ("judged", "verdict"),
    [
        (with_joints(POSITIVE, mcp_2=1), HandVerdict.PRESENT),
        (with_joints(POSITIVE), HandVerdict.PRESENT),
        (with_joints(NEGATIVE), HandVerdict.ABSENT),
        (with_joints(NEGATIVE, wrist_3=1), HandVerdict.INCONCLUSIVE),
        (with_joints(hand(0.9, 0)), HandVerdict.INCONCLUSIVE),
        (POSITIVE, HandVerdict.PRESENT),
    ],
)
def test_joints_that_contradict_recognition_make_a_hand_inconclusive(judged: HandFinding, verdict):
    assert judged.verdict is verdict


def test_the_sentence_says_which_networks_contradict_each_other():
    said = hand_sentence(with_joints(NEGATIVE, wrist_3=2))
    assert "but a joint is of stage 2" in said
    assert with_joints(NEGATIVE, wrist_3=2).joints_contradict
    both = with_joints(hand(0.9, 0))
    assert not both.joints_contradict
    assert "but stage 0 is likeliest" in hand_sentence(both)


@pytest.mark.parametrize(("highest", "doubt"), [(1, True), (2, False), (3, False), (4, False), (5, True)])
def test_a_highest_joint_two_stages_from_the_hand_is_a_doubt(highest, doubt):
    """The hand is of stage 3."""
    judged = with_joints(POSITIVE, mcp_2=highest)
    assert (Doubt.JOINTS in doubts_of(judged)) is doubt
    assert ("differ by two stages or more" in doubt_sentence(judged)) is doubt


def test_disease_without_a_joint_at_its_operating_point_is_a_doubt():
    assert Doubt.NO_JOINT in doubts_of(with_joints(POSITIVE))
    assert doubt_sentence(with_joints(POSITIVE)) == "Check before use: no joint reaches its threshold."
    assert Doubt.NO_JOINT not in doubts_of(with_joints(POSITIVE, pip_2=1))
    assert Doubt.NO_JOINT not in doubts_of(with_joints(NEGATIVE))
    assert Doubt.NO_JOINT not in doubts_of(POSITIVE)


def test_joints_are_told_by_stage_with_how_many_are_healthy_and_which_were_not_seen():
    judged = with_joints(POSITIVE, mcp_2=3, pip_4=3, ip_1=1)
    assert joints_sentence(judged) == "Joints: stage 3 PIP 4, MCP 2; stage 1 IP 1; stage 0 the other 10."
    assert joints_sentence(with_joints(NEGATIVE)) == "Joints: stage 0 all 13."
    assert joints_sentence(with_joints(POSITIVE, **dict.fromkeys(JOINTS, 2))).startswith(
        "Joints: stage 2 IP 1,"
    )
    fewer = replace(judged, joint_stages=judged.joint_stages[1:])
    assert joints_sentence(fewer).endswith("; stage 0 the other 10; not seen: IP 1.")
    assert joints_sentence(POSITIVE) == ""
    assert "关节" in joints_sentence(judged, load_language("zh"))


def test_a_joint_is_told_with_its_probability_and_operating_point():
    judged = with_joints(POSITIVE, mcp_2=3)
    [one] = diseased_joints(judged)
    assert joint_sentence(judged, one) == (
        "Right hand, MCP 2: stage 3 (probability of disease 94 %, threshold 50 %)."
    )


def test_a_hand_that_is_not_rated_or_not_used_loses_its_joints():
    judged = replace(with_joints(POSITIVE, mcp_2=3), outside=(OUTSIDE_AGES,))
    [found] = rated_within([image(judged)], replace(BUNDLE, ages=(8.0, 19.0)), Rating())
    assert found.hands[0].joint_stages == ()
    twice = one_result_a_hand([image(with_joints(POSITIVE, mcp_2=3), number=n) for n in (1, 2)])
    assert sorted(len(one.hands[0].joint_stages) for one in twice if one.hands) in ([13], [0, 13])


def follow_up(before: HandFinding, now: HandFinding) -> str:
    uids = ("2.25.3001", "2.25.3002", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.3003")
    hands = comparable_hands([before])
    prior = Prior(*uids, date(2026, 1, 5), "demo 1.0", BUNDLE.sha256, hands)
    return follow_up_sentences(report(image(now), study_date=date(2026, 11, 23), prior=prior))[-1]


def test_the_follow_up_names_each_joint_whose_stage_has_changed():
    said = follow_up(with_joints(POSITIVE, mcp_2=1, pip_3=2), with_joints(POSITIVE, mcp_2=3, pip_3=2))
    assert said.endswith("; stage 3 to 3 (0); MCP 2 stage 1 to 3.")


def test_the_follow_up_says_that_no_joint_has_changed_and_nothing_without_joints_in_both():
    same = with_joints(POSITIVE, mcp_2=2)
    assert follow_up(same, same).endswith("stages of all 13 joints unchanged.")
    assert "joint" not in follow_up(POSITIVE, same)
    assert "joint" not in follow_up(same, POSITIVE)
