"""What no validator sees: that the structured report says what the report says, and nothing else."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from ra_node.dicom.sr.observation_context import is_referenced
from ra_node.dicom.sr.tid_1500_document import build_sr, sr_uid
from tests.dicom.builders import PRODUCER, both_hands, image, image_uid, report, source
from tests.dicom.cases import CASES, Case, chinese_name, two_hands
from tests.dicom.sr_cases import every_case, made
from tests.dicom.tree import comments, items, saved, tree_text

GOLDENS = Path(__file__).parents[1] / "goldens"


@every_case
def test_the_tree_is_the_golden_one(name):
    """Set RA_NODE_UPDATE_GOLDENS=1 to write the goldens anew, then read the difference."""
    golden = GOLDENS / f"{name}.txt"
    found = tree_text(made(CASES[name]()))
    if os.environ.get("RA_NODE_UPDATE_GOLDENS") == "1":
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


@every_case
def test_the_evidence_is_exactly_what_the_tree_refers_to(name):
    """And these are exactly the instances that the report answers; of two patients none."""
    case = CASES[name]()
    document = made(case)
    referred = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in items(document)
        if "ReferencedSOPSequence" in item
    }
    evidence = [
        (series.SeriesInstanceUID, reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID)
        for study in document.get("CurrentRequestedProcedureEvidenceSequence", [])
        for series in study.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    ]
    answered = [
        (i.series_instance_uid, i.sop_class_uid, i.sop_instance_uid)
        for i in case.report.images
        if is_referenced(i)
    ]
    assert sorted(evidence) == sorted(answered)
    assert referred == {uid for _, _, uid in answered}


def test_a_name_in_chinese_characters_arrives_as_it_was_written():
    """In the character set of the source, in letters and in ideographs."""
    document = made(chinese_name())
    assert document.SpecificCharacterSet == "GB18030"
    assert document.PatientName.ideographic == "王^小东"
    assert document.PatientName.alphabetic == "Wang^XiaoDong"


@every_case
def test_patient_and_study_are_those_of_the_source(name):
    """And the document is complete, unverified, and carries the empty sequences that readers expect."""
    case = CASES[name]()
    document, subject = made(case), next(iter(case.sources.values()))
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyID",
                    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription", "AccessionNumber",
                    "ReferringPhysicianName", "SpecificCharacterSet"):  # fmt: skip
        assert document[keyword].value == subject[keyword].value, keyword
    assert (document.CompletionFlag, document.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert len(document.ReferencedPerformedProcedureStepSequence) == 0
    assert len(document.PerformedProcedureCodeSequence) == 0
    assert document.Modality == "SR"
    assert document.SeriesInstanceUID != subject.SeriesInstanceUID


def test_the_same_report_makes_the_same_bytes():
    """Doing it twice is harmless, today and tomorrow."""
    case = two_hands()
    assert saved(build_sr(case.report, case.sources, PRODUCER)) == saved(
        build_sr(case.report, case.sources, PRODUCER)
    )


def test_uids_follow_study_bundle_and_version():
    """Another version, bundle, study or SOP class is another instance in another series."""
    first = report(image(*both_hands()))
    others = [
        replace(first, version=2),
        replace(first, study_instance_uid="2.25.4"),
        replace(first, bundle=replace(first.bundle, sha256="00" * 32)),
    ]
    uids = [sr_uid(each) for each in (first, *others)] + [sr_uid(first, comprehensive3d=False)]
    assert len(set(uids)) == 5
    assert made(two_hands()).SOPInstanceUID == sr_uid(first)


def test_a_comprehensive_sr_has_the_same_content():
    """For a peer that refuses Comprehensive 3D SR."""
    case = two_hands()
    fallback = made(case, comprehensive3d=False)
    assert fallback.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.33"
    assert fallback.file_meta.MediaStorageSOPInstanceUID == fallback.SOPInstanceUID
    assert fallback.SOPInstanceUID != made(case).SOPInstanceUID
    assert tree_text(fallback) == tree_text(made(case))


def predecessor_of(document: Dataset) -> tuple[str, str, str]:
    series = document.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    instance = series.ReferencedSOPSequence[0]
    return series.SeriesInstanceUID, instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID


@pytest.mark.parametrize("comprehensive3d", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_a_revision_names_the_report_that_it_replaces(comprehensive3d, kept):
    """In the SOP class that its receiver knows, whether or not the first report is still here."""
    case = two_hands()
    first = made(case, comprehensive3d=comprehensive3d)
    first_3d = made(case)
    second = replace(case.report, version=2, predecessor_sr_uid=first_3d.SOPInstanceUID)
    revision = made(
        Case(second, case.sources),
        comprehensive3d=comprehensive3d,
        predecessor=first_3d if kept else None,
    )
    assert predecessor_of(revision) == (first.SeriesInstanceUID, first.SOPClassUID, first.SOPInstanceUID)
    assert revision.InstanceNumber == 2
    assert any("Version 2" in comment for comment in comments(revision))


def test_a_predecessor_of_another_maker_is_named_as_it_is():
    """Only our own reports have a twin in the other SOP class."""
    other = Dataset()
    other.SOPClassUID, other.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.34", "2.25.3"
    other.SeriesInstanceUID = "2.25.4"
    revision = made(two_hands(), comprehensive3d=False, predecessor=other)
    assert predecessor_of(revision) == ("2.25.4", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.3")


def test_the_first_report_replaces_nothing():
    assert "PredecessorDocumentsSequence" not in made(two_hands())


def test_content_time_is_told_in_the_zone_of_the_source():
    """One object knows one zone (PS3.3 C.12.1.1.8)."""
    created = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    case = Case(
        report(image(*both_hands()), created_at=created),
        {image_uid(1): source(TimezoneOffsetFromUTC="+0800")},
    )
    document = made(case)
    assert (document.ContentDate, document.ContentTime) == ("20261124", "073000")
    assert document.TimezoneOffsetFromUTC == "+0800"


def test_content_time_without_a_zone_in_the_source_is_that_of_the_report():
    created = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    case = Case(report(image(*both_hands()), created_at=created), {image_uid(1): source()})
    document = made(case)
    assert (document.ContentDate, document.ContentTime) == ("20261123", "233000")
    assert document.TimezoneOffsetFromUTC == "+0000"


def test_without_any_source_there_is_no_report():
    """Nobody knows whose report it would be."""
    with pytest.raises(ValueError, match="at least one source"):
        build_sr(two_hands().report, {}, PRODUCER)
