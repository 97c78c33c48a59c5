"""What a report says can be read back from it, and from nobody else's report."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from ra_node.dicom.reading.patient_identity import subject_known
from ra_node.dicom.sr.reader import read_prior
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.domain.prior_comparison import comparable_hands
from tests.dicom.builders import PRODUCER, source
from tests.dicom.cases import CASES

SUBJECT = subject_known([source()])


def made(name, *, comprehensive3d=True):
    case = CASES[name]()
    return case.report, build_sr(case.report, case.sources, PRODUCER, comprehensive3d=comprehensive3d)


@pytest.mark.parametrize("comprehensive3d", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_the_hands_of_a_report_are_read_as_they_were_written(name, comprehensive3d):
    report, dataset = made(name, comprehensive3d=comprehensive3d)
    prior = read_prior(dataset, subject_known(CASES[name]().sources.values()))
    hands = comparable_hands(report.hands)
    assert [replace(one, recognition=None) for one in prior.hands] == [
        replace(one, recognition=None) for one in hands
    ]
    for read, written in zip(prior.hands, hands, strict=True):
        assert read.recognition.probability == pytest.approx(written.recognition.probability, abs=0.011)
        assert read.recognition.threshold == pytest.approx(written.recognition.threshold, abs=0.001)
        assert read.recognition.positive == written.recognition.positive
    assert prior.study_date == date(2026, 11, 23)
    assert prior.sop_instance_uid == dataset.SOPInstanceUID
    assert prior.sop_class_uid == dataset.SOPClassUID


def test_the_bundle_is_known_by_its_hash():
    report, dataset = made("two_hands")
    prior = read_prior(dataset, SUBJECT)
    assert prior.bundle_sha256 == report.bundle.sha256
    assert prior.bundle == "demo 1.0"


def test_a_report_of_another_patient_or_product_is_none():
    _, dataset = made("two_hands")
    dataset.PatientBirthDate = "19700101"
    assert read_prior(dataset, SUBJECT) is None
    _, foreign = made("two_hands")
    foreign.SeriesInstanceUID = "2.25.1"
    assert read_prior(foreign, SUBJECT) is None
