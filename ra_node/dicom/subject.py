"""Copies the patient and the study of a received image onto what is made from it.

Results belong to the same patient and study only if every value is the same, odd ones included, so
values are carried over without validation; what cannot be carried over at all is left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import deepcopy
from itertools import chain

from pydicom import config
from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from ra_node.domain.report import StudyReport

UNICODE = "ISO_IR 192"

REQUIRED = (
    "AccessionNumber", "PatientBirthDate", "PatientID", "PatientName", "PatientSex", "ReferringPhysicianName",
    "StudyDate", "StudyID", "StudyTime",
)  # fmt: skip
"""Type 2 in the Patient (PS3.3 C.7.1.1) and General Study (C.7.2.1) modules: empty where unknown."""

OPTIONAL = (
    "AdditionalPatientHistory", "AdmissionID", "AdmittingDiagnosesCodeSequence",
    "AdmittingDiagnosesDescription", "ClinicalTrialCoordinatingCenterName", "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName", "ClinicalTrialSiteID", "ClinicalTrialSiteName", "ClinicalTrialSponsorName",
    "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID", "ClinicalTrialTimePointDescription",
    "ClinicalTrialTimePointID", "ConsultingPhysicianName", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "EthnicGroup", "IssuerOfAccessionNumberSequence",
    "IssuerOfAdmissionIDSequence", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence",
    "LongitudinalTemporalInformationModified", "NameOfPhysiciansReadingStudy", "Occupation",
    "OtherPatientIDsSequence", "OtherPatientNames", "PatientAge", "PatientBirthTime", "PatientComments",
    "PatientIdentityRemoved", "PatientSize", "PatientState", "PatientWeight", "PhysiciansOfRecord",
    "ProcedureCodeSequence", "ReferencedPatientSequence", "ReferencedStudySequence",
    "ReferringPhysicianIdentificationSequence", "ServiceEpisodeDescription", "ServiceEpisodeID",
    "SmokingStatus", "StudyDescription", "TimezoneOffsetFromUTC",
)  # fmt: skip


def subject_of(report: StudyReport, sources: Mapping[str, Dataset]) -> Dataset:
    """The source that gives patient and study: that of the first image, or any, or only the study's UID."""
    known = (sources[image.sop_instance_uid] for image in report.images if image.sop_instance_uid in sources)
    nobody = Dataset()
    nobody.StudyInstanceUID = report.study_instance_uid
    return next(chain(known, sources.values()), nobody)


def copy_subject(made: Dataset, source: Dataset, *, own_text: str = "") -> None:
    """Give `made` the patient and study of `source`, and a character set that can write both.

    `own_text` is what the maker will add: where the source's character set cannot write it, or is
    unknown, everything is written as UTF-8 (ISO_IR 192). Empty and missing type 2 attributes are empty.
    """
    made.StudyInstanceUID = source.StudyInstanceUID
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword in REQUIRED:
            made[keyword] = _carried(source, keyword) or DataElement(keyword, _vr(keyword), None)
        for keyword in OPTIONAL:
            element = _carried(source, keyword)
            if element is not None:
                made[keyword] = element
        _set_character_set(made, source, own_text)


def _carried(source: Dataset, keyword: str) -> DataElement | None:
    """The element under the VR of the dictionary, or None where absent or beyond reading."""
    if keyword not in source:
        return None
    try:
        value = deepcopy(source[keyword].value)
        return DataElement(keyword, _vr(keyword), value, validation_mode=config.IGNORE)
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError):
        return None


def _vr(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return dictionary_VR(tag)


def _set_character_set(made: Dataset, source: Dataset, own_text: str) -> None:
    declared = source.get("SpecificCharacterSet") or ""
    terms = [declared] if isinstance(declared, str) else list(declared)
    if all(term in python_encoding for term in terms) and _writable(own_text, str(terms[0])):
        if declared:
            made.SpecificCharacterSet = declared
    else:
        made.SpecificCharacterSet = UNICODE


def _writable(text: str, term: str) -> bool:
    """Whether the first character set of an object holds all of the text."""
    if text.isascii():
        return True
    try:
        text.encode(python_encoding[term] if term else "ascii")
    except UnicodeEncodeError:
        return False
    return True
