"""The plain text says the whole report in 80 columns, and names no patient."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from ra_node.dicom.plain_text import WIDTH, report_text
from ra_node.domain.report import HandVerdict
from ra_node.domain.statistics.prevalence import Posterior
from ra_node.domain.texts.joint_sentences import attention_sentence
from ra_node.domain.texts.report_sentences import doubt_sentence, hand_name, hand_sentence, refusal_text
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import english
from ra_node.domain.texts.wording import percent_words
from tests.dicom.cases import CASES, age_unknown, disagreement, not_rated, one_refused
from tests.dicom.sr.test_tid_1500_document import GOLDENS

every_case = pytest.mark.parametrize("name", CASES)


def flat(text: str) -> str:
    return " ".join(text.split())


@every_case
def test_no_line_is_wider_than_a_terminal(name):
    lines = report_text(CASES[name]().report).splitlines()
    assert max(len(line) for line in lines) <= WIDTH
    assert all(line == line.rstrip() for line in lines)


@every_case
def test_every_result_and_every_refusal_is_told(name):
    report = CASES[name]().report
    told = flat(report_text(report))
    assert flat(summary_sentence(report)) in told
    for image in report.images:
        assert image.refusal is None or flat(refusal_text(image.refusal)) in told
    for hand in report.hands:
        assert hand_name(hand) in told
        assert hand.refusal is None or flat(refusal_text(hand.refusal)) in told
        if hand.verdict is HandVerdict.INCONCLUSIVE:
            assert "INCONCLUSIVE" in told
            assert flat(hand_sentence(hand)) in told
        elif hand.recognition is not None:
            probability, threshold = percent_words(hand.recognition, english())
            assert f"probability of RA {probability}, threshold {threshold}" in told
            assert ("SUSPECTED" if hand.recognition.positive else "NOT SEEN") in told


@every_case
def test_the_notice_is_always_told(name):
    assert "not a medical device" in flat(report_text(CASES[name]().report)).lower()


def test_an_inconclusive_hand_asks_for_a_review_and_shows_no_stage():
    text = report_text(disagreement().report)
    assert "Please review" in text
    assert not any(line.strip().startswith(("Stage", "5 ")) for line in text.splitlines())


def test_a_hand_that_is_not_rated_says_so_with_its_reason():
    text = report_text(not_rated().report)
    assert "Not rated     Patient is 66; the model was trained" in text
    assert "99.9" not in text


def test_an_unknown_age_is_read_before_the_result():
    text = flat(report_text(age_unknown().report))
    assert text.index("Age unknown") < text.index("suspected in 1 of 2")


def test_a_refused_hand_shows_no_stage():
    text = report_text(one_refused().report)
    assert text.count("threshold") == 1


@pytest.mark.parametrize("name", ["two_hands", "explained_hands", "one_refused"])
def test_the_text_is_the_golden_one(name):
    """Set RA_NODE_UPDATE_GOLDENS=1 to write the goldens anew, then read the difference."""
    golden, found = GOLDENS / f"{name}_text.txt", report_text(CASES[name]().report)
    if os.environ.get("RA_NODE_UPDATE_GOLDENS") == "1":
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


@every_case
def test_the_joints_that_moved_the_network_are_told(name):
    report = CASES[name]().report
    told = flat(report_text(report))
    for hand in report.hands:
        assert flat(attention_sentence(hand)) in told
        assert flat(doubt_sentence(hand)) in told


def test_a_stated_prevalence_has_its_own_line_below_the_probability():
    report = CASES["two_hands"]().report
    judged = next(hand for image in report.images for hand in image.hands if hand.recognition is not None)
    restated = replace(judged.recognition, at_prevalence=Posterior(0.02, 0.1234))
    image = replace(report.images[0], hands=(replace(judged, recognition=restated),))
    text = flat(report_text(replace(report, images=(image,))))
    assert "at a prevalence of 2 %: probability 12.3 %" in text
    assert "prevalence" not in flat(report_text(report))
