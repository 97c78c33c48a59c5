"""Report, picture and text name the same joints, since they are made from one result."""

from __future__ import annotations

import pytest

from ra_node.dicom.overlay.layout import lay_out
from ra_node.dicom.plain_text import report_text
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.domain.salient_joints import standing_out
from ra_node.domain.texts.joint_sentences import joint_name, joint_share_words
from tests.dicom.builders import PRODUCER
from tests.dicom.cases import CASES
from tests.dicom.overlay_cases import ENGLISH
from tests.dicom.tree import comments

EXPLAINED = ["explained_hands", "explained_without_side", "chinese_name"]


@pytest.mark.parametrize("name", EXPLAINED)
def test_every_joint_that_stands_out_is_named_in_report_picture_and_text(name):
    case = CASES[name]()
    told = " ".join(comments(build_sr(case.report, case.sources, PRODUCER)))
    drawn = " ".join(word.text for word in lay_out(case.report, {}, ENGLISH).words)
    written = " ".join(report_text(case.report).split())
    for hand in case.report.hands:
        if hand.explanation is None:
            continue
        for joint in standing_out(hand.explanation):
            assert all(joint_share_words(joint) in text for text in (told, drawn, written))


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_joint_that_does_not_stand_out_is_named_nowhere(name):
    """The last of four joints of the first case, for one."""
    case = CASES[name]()
    texts = (
        " ".join(comments(build_sr(case.report, case.sources, PRODUCER))),
        " ".join(word.text for word in lay_out(case.report, {}, ENGLISH).words),
        report_text(case.report),
    )
    named = {
        one.name for hand in case.report.hands if hand.explanation for one in standing_out(hand.explanation)
    }
    for hand in case.report.hands:
        for joint in hand.region.joints:
            if joint.name not in named:
                assert not [text for text in texts if joint_name(joint.name) in text]
