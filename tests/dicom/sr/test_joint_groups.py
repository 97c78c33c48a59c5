"""Every diseased joint of a rated hand has a group of its own: site, stage, probability and square."""

from __future__ import annotations

from dataclasses import replace

from ra_node.dicom.concept_codes import STAGE_CODES, joint_site
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.domain.report import HandVerdict
from ra_node.domain.texts.joint_sentences import joint_name, joint_sentence
from tests.dicom.builders import (
    COLUMNS,
    JOINT_BUNDLE,
    PRODUCER,
    ROWS,
    hand,
    image,
    image_uid,
    report,
    source,
    with_joints,
)
from tests.dicom.cases import graded_joints
from tests.dicom.sr_cases import made
from tests.dicom.tree import codes_of, comments, groups, items, points

SITE, LATERALITY, RA, STAGE, PROBABILITY, REGION, TRACKING = (
    "363698007", "272741003", "69896004", "258214002", "122157", "111030", "112039",
)  # fmt: skip


def joint_groups():
    """The groups of the rated hand's joints, after that of the hand itself."""
    return groups(made(graded_joints()))[1:-1]


def diseased(one):
    return [joint for joint in one.joint_stages if joint.stage > 0]


def test_each_joint_has_its_site_stage_probability_and_square():
    right = graded_joints().report.hands[0]
    for group, joint in zip(joint_groups(), diseased(right), strict=True):
        assert codes_of(group, SITE) == [joint_site(joint.name).value]
        assert codes_of(group, LATERALITY) == ["24028007"]
        assert codes_of(group, STAGE) == [STAGE_CODES[joint.stage].value]
        [number] = items(group, PROBABILITY)
        assert float(number.MeasuredValueSequence[0].NumericValue) == round(100 * joint.probability)
        [region] = items(group, REGION)
        assert {(p.x, p.y) for p in joint.square} == set(points(region))
        [tracking] = items(group, TRACKING)
        assert tracking.TextValue == f"Right hand, {joint_name(joint.name)}, image 1"
        assert joint_sentence(right, joint) in comments(group)


def test_no_joint_has_a_finding_of_rheumatoid_arthritis():
    """What is present or absent is said of hands alone."""
    assert not [group for group in joint_groups() if list(items(group, RA))]


def test_the_stage_is_never_a_number():
    """OHIF prints the unit of a number that is 0."""
    for group in joint_groups():
        assert [item.ValueType for item in items(group, STAGE)] == ["CODE"]


def test_every_joint_is_told_in_the_sentence_of_its_hand():
    right, left = (group for group in groups(made(graded_joints())) if codes_of(group, RA))
    [told] = [text for text in comments(right) if text.startswith("Joints: ")]
    assert told == "Joints: stage 3 MCP 2; stage 2 PIP 3, wrist, radial; stage 1 MCP 5; stage 0 the other 9."
    assert "Joints: stage 2 PIP 4; stage 0 the other 12." in comments(left)


def test_a_hand_that_its_joints_contradict_is_inconclusive_and_has_no_joint_groups():
    case = graded_joints()
    assert [one.verdict for one in case.report.hands] == [HandVerdict.PRESENT, HandVerdict.INCONCLUSIVE]
    assert len(groups(made(case))) == 1 + len(diseased(case.report.hands[0])) + 1
    left = groups(made(case))[-1]
    assert codes_of(left, RA) == ["419984006"]
    assert any("but a joint is of stage 2" in text for text in comments(left))


def test_a_square_that_leaves_the_image_is_held_inside():
    judged = with_joints(hand())
    moved = tuple(
        replace(joint, square=tuple(replace(p, x=p.x + 330, y=p.y + 90) for p in joint.square))
        for joint in judged.joint_stages
    )
    one = replace(report(image(replace(judged, joint_stages=moved))), bundle=JOINT_BUNDLE)
    document = build_sr(one, {image_uid(1): source()}, PRODUCER)
    for region in items(document, REGION):
        assert all(0 <= x < COLUMNS and 0 <= y < ROWS for x, y in points(region))
        assert points(region)[0] == points(region)[-1]
