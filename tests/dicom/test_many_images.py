"""A study of hundreds of images is answered in full, and its picture, document and text stay of one size."""

from __future__ import annotations

import io
from functools import cache

import pytest
from pydicom import dcmread

from ra_node.dicom.encapsulated_pdf import build_pdf
from ra_node.dicom.overlay.layout import lay_out
from ra_node.dicom.overlay.secondary_capture import build_overlay, render_overlay
from ra_node.dicom.plain_text import report_text
from ra_node.dicom.presentation_state import build_presentations
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import ImageFacts
from ra_node.domain.texts.report_sentences import refusal_text
from ra_node.domain.texts.translations import load_language
from ra_node.services.analysis.study_analysis import make_report
from tests.dicom.builders import BUNDLE, CREATED, PRODUCER, STUDY, both_hands, hand, image, source
from tests.dicom.overlay_cases import ENGLISH

CHEST = Refusal(
    Reason.OTHER_BODY_PART, "Another part of the body: expected a hand, the image header says CHEST."
)
LEGIBLE_ROWS = 5000
"""An overlay of one image has 1,400; four of 65,535 and of 13,886 could not be read."""


@cache
def chests():
    """298 chest images by their header, and two of hands."""
    hands = (image(*both_hands(), number=1), image(hand(which=None), number=300))
    found = [hands[0], *(image(refusal=CHEST, number=n) for n in range(2, 300)), hands[1]]
    return make_report(STUDY, 1, found, BUNDLE, created_at=CREATED)


@cache
def repeats():
    """2,000 images of the same two hands."""
    found = [image(*both_hands(), number=n, facts=ImageFacts(str(n))) for n in range(1, 2001)]
    return make_report(STUDY, 1, found, BUNDLE, created_at=CREATED)


@cache
def undetermined():
    """200 hands whose side nobody knows: each has a result of its own."""
    found = [image(hand(n / 300, n % 6, None), number=n, facts=ImageFacts(str(n))) for n in range(1, 201)]
    return make_report(STUDY, 1, found, BUNDLE, created_at=CREATED)


MADE = {"chests": chests, "repeats": repeats, "undetermined": undetermined}
every_study = pytest.mark.parametrize("name", MADE)


def sources(report):
    one = source()
    del one.PixelData
    return {each.sop_instance_uid: one for each in report.images}


@every_study
def test_the_overlay_stays_legible(name):
    layout = lay_out(MADE[name](), {}, ENGLISH)
    assert layout.height_px < LEGIBLE_ROWS
    assert layout.width_px < LEGIBLE_ROWS


def test_the_overlay_says_the_reason_once_for_all_images():
    said = " ".join(words.text for words in lay_out(chests(), {}, ENGLISH).words)
    assert f"296 images (4-299): not rated. {refusal_text(CHEST)}" in said


@every_study
def test_the_report_names_every_image_and_is_small(name):
    report = MADE[name]()
    made = build_sr(report, sources(report), PRODUCER)
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    assert len(buffer.getvalue()) < 2_000_000
    read = dcmread(io.BytesIO(buffer.getvalue()))
    (study,) = read.CurrentRequestedProcedureEvidenceSequence
    named = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert named == {each.sop_instance_uid for each in report.images}
    in_tree = {str(element.value) for element in read.ContentSequence[-1].iterall() if element.VR == "UI"}
    in_tree |= {
        str(element.value)
        for item in read.ContentSequence
        for element in item.iterall()
        if element.keyword == "ReferencedSOPInstanceUID"
    }
    assert named <= in_tree


def test_the_report_gives_the_reason_and_the_numbers():
    made = build_sr(chests(), sources(chests()), PRODUCER)
    said = [str(element.value) for element in made.iterall() if element.keyword == "TextValue"]
    assert f"298 instances (2-299) not rated: {refusal_text(CHEST)}" in said


@every_study
def test_document_text_and_drawings_are_bounded(name):
    report = MADE[name]()
    picture = render_overlay(report, {})
    assert len(report_text(report).splitlines()) < 4000
    assert len(build_pdf(report, picture, sources(report), PRODUCER).EncapsulatedDocument) < 2_000_000
    assert len(build_presentations(report, sources(report), PRODUCER)) <= 200
    assert build_overlay(picture, report, sources(report), PRODUCER).Rows < LEGIBLE_ROWS


def test_a_chinese_text_says_it_too():
    words = load_language("zh")
    said = words.say("overlay.not_shown_refusals", count=298, numbers="2-299", text="x")
    assert "298" in said
    assert "2-299" in said
