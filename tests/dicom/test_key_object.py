"""The key object points to the overlay of the same report and says in a sentence why."""

from __future__ import annotations

import numpy as np

from ra_node.dicom.key_object import build_key_object
from ra_node.dicom.overlay.secondary_capture import build_overlay
from ra_node.domain.texts.summary_sentence import summary_sentence
from tests.dicom.builders import PRODUCER
from tests.dicom.cases import CASES


def made(name):
    case = CASES[name]()
    overlay = build_overlay(np.zeros((60, 40, 3), np.uint8), case.report, case.sources, PRODUCER)
    return case.report, overlay, build_key_object(case.report, overlay, case.sources, PRODUCER)


def test_the_overlay_is_the_one_key_image():
    _, overlay, document = made("two_hands")
    (image,) = (item for item in document.ContentSequence if item.ValueType == "IMAGE")
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == overlay.SOPInstanceUID
    (series,) = document.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert series.SeriesInstanceUID == overlay.SeriesInstanceUID
    assert "ConceptNameCodeSequence" not in image


def test_it_is_of_interest_and_says_the_summary():
    report, _, document = made("two_hands")
    assert document.ConceptNameCodeSequence[0].CodeValue == "113000"
    (text,) = (item.TextValue for item in document.ContentSequence if item.ValueType == "TEXT")
    assert text == summary_sentence(report)


def test_a_revision_is_another_document():
    names = {name: made(name)[2].SOPInstanceUID for name in ("two_hands", "revision")}
    assert len(set(names.values())) == 2
