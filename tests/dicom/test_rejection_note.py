"""A rejection note as the validators read it, and an overlay that says "withdrawn" across the picture."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from ra_node.dicom.overlay.elements import AMBER, Rectangle, Words, settled
from ra_node.dicom.overlay.fonts import face_of
from ra_node.dicom.overlay.layout import lay_out
from ra_node.dicom.overlay.secondary_capture import build_overlay
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.dicom.rejection_note import TITLES, build_rejection_notes
from ra_node.dicom.sop_common import series_uid_of
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.domain.report import DeliveredObject, Withdrawal, WithdrawalCause
from ra_node.domain.result_objects import ObjectKind, class_of
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import load_language
from ra_node.domain.texts.withdrawal import withdrawal_refusal
from tests.dicom.builders import PRODUCER, image, report, source
from tests.dicom.test_sr_validators import DEVICE_UID, complaints, pixelmed

HELD = (
    DeliveredObject("pacs", class_of(ObjectKind.SR).sop_class_uid, "2.25.91"),
    DeliveredObject("pacs", class_of(ObjectKind.OVERLAY).sop_class_uid, "2.25.92"),
    DeliveredObject("archive", class_of(ObjectKind.SR_FALLBACK).sop_class_uid, "2.25.93"),
)
SOURCES = {str(source().SOPInstanceUID): source()}


def withdrawn(cause=WithdrawalCause.PATIENT_SAFETY):
    refusal = withdrawal_refusal(cause, "sides exchanged", datetime(2026, 11, 30, tzinfo=UTC))
    made = report(image(refusal=refusal), version=2, predecessor_sr_uid="2.25.91", refusal=refusal)
    return replace(made, withdrawal=Withdrawal(cause, HELD))


def test_each_destination_gets_a_note_about_its_own_objects():
    notes = build_rejection_notes(withdrawn(), SOURCES, PRODUCER)
    named = [
        [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in note.ContentSequence[1:]]
        for note in notes
    ]
    assert named == [["2.25.93"], ["2.25.91", "2.25.92"]]
    assert [item.ValueType for item in notes[1].ContentSequence] == ["TEXT", "COMPOSITE", "IMAGE"]
    assert len({note.SOPInstanceUID for note in notes}) == 2
    assert notes[1].ContentSequence[0].TextValue == summary_sentence(withdrawn())
    series = notes[1].CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert [one.SeriesInstanceUID for one in series] == [series_uid_of("2.25.91"), series_uid_of("2.25.92")]


def test_an_ordinary_report_has_no_note():
    assert build_rejection_notes(report(image()), SOURCES, PRODUCER) == []


@pytest.mark.parametrize("cause", WithdrawalCause)
def test_the_validators_accept_note_report_and_overlay_of_a_withdrawal(cause, tmp_path, require_tool):
    made = withdrawn(cause)
    (_, note) = build_rejection_notes(made, SOURCES, PRODUCER)
    picture = np.full((60, 40, 3), 90, np.uint8)
    objects = {
        "source": source(),
        "note": note,
        "sr": build_sr(made, SOURCES, PRODUCER),
        "overlay": build_overlay(picture, made, SOURCES, PRODUCER),
    }
    for name, dataset in objects.items():
        dataset.save_as(tmp_path / f"{name}.dcm", enforce_file_format=True)
    for name in ("note", "sr", "overlay"):
        found = complaints(require_tool("dciodvfy"), "-new", str(tmp_path / f"{name}.dcm"))
        assert [line for line in found if not DEVICE_UID.search(line)] == []
    found = complaints(require_tool("dcentvfy"), *(str(tmp_path / f"{name}.dcm") for name in objects))
    assert [line for line in found if "<AccessionNumber>" not in line] == []
    if cause is WithdrawalCause.PATIENT_SAFETY:
        lines = pixelmed(tmp_path / "note.dcm")
        assert "Found Root Template TID_2010 (KeyObjectSelection)" in lines
        assert [line for line in lines if line.startswith(("Error", "Warning")) or "Exception" in line] == []


def test_the_titles_are_those_of_the_standard():
    """PS3.16 CID 7010, in English and as other software writes them (pydicom's dictionary)."""
    from pydicom.sr.codedict import codes

    assert codes.DCM.RejectedForQualityReasons == TITLES[WithdrawalCause.QUALITY]
    assert codes.DCM.RejectedForPatientSafetyReasons == TITLES[WithdrawalCause.PATIENT_SAFETY]


@pytest.mark.parametrize(("name", "word"), [("en", "WITHDRAWN"), ("zh", "\u5df2\u64a4\u56de")])
def test_the_word_stands_across_every_radiograph_of_the_overlay(name, word):
    """In a band as wide as the radiograph, and the summary begins with it as well."""
    made = withdrawn()
    language = load_language(name)
    laid = lay_out(made, {}, Pen(language, face_of(language)))
    (photo,) = laid.photos
    words = [one.box for one in settled(laid.parts, Words) if one.text == word]
    across = [box for box in words if photo.box.y0 <= box.y0 < box.y1 <= photo.box.y1]
    assert len(across) == 1
    assert photo.box.x0 <= across[0].x0 < across[0].x1 <= photo.box.x1
    bands = [
        one for one in settled(laid.parts, Rectangle) if one.fill == AMBER and one.box.x0 == photo.box.x0
    ]
    assert any(band.box.width_px == photo.box.width_px for band in bands)
    summary = summary_sentence(made, language)
    assert summary.startswith(("Withdrawn on 2026-11-30", "\u5df2\u4e8e 2026-11-30"))
