"""Copies the Patient and Study modules of a received image to created objects.

Results belong to the same patient and study only if every value is identical, invalid ones included, so
values are copied without validation and texts as their bytes; values that cannot be copied are left out.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain

from pydicom import config
from pydicom.charset import convert_encodings, python_encoding
from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName

from ra_node.dicom.reading.identity_attributes import character_sets, decoded
from ra_node.domain.report import StudyReport

UNICODE = "ISO_IR 192"
_HAN = re.compile("[\u4e00-\u9fff]")
_TEXT_VRS = frozenset({"PN", "LO", "SH", "ST", "LT", "UT", "UC"})
"""Those that Specific Character Set (0008,0005) concerns (PS3.5 6.1.2.3)."""

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
    """The source of patient and study: the first image, else any, else only the Study Instance UID."""
    known = (sources[image.sop_instance_uid] for image in report.images if image.sop_instance_uid in sources)
    nobody = Dataset()
    nobody.StudyInstanceUID = report.study_instance_uid
    return next(chain(known, sources.values()), nobody)


def copy_subject(made: Dataset, source: Dataset, *, own_text: str = "") -> None:
    """Copy patient and study of `source` to `made`, byte for byte, under the same character set.

    The bytes are kept also where that set is missing, unknown or wrong: a viewer shows the same name for
    image and result. `own_text` is text that will be added: where the set cannot encode it, everything is
    converted to UTF-8 (ISO_IR 192) without loss. Missing type 2 attributes are written empty.
    """
    made.StudyInstanceUID = source.StudyInstanceUID
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copier = _copier(source, own_text)
        if copier.terms:
            made.SpecificCharacterSet = list(copier.terms) if len(copier.terms) > 1 else copier.terms[0]
        for keyword in REQUIRED:
            made[keyword] = copier.carried(source, keyword) or DataElement(keyword, _vr(keyword), None)
        for keyword in OPTIONAL:
            element = copier.carried(source, keyword)
            if element is not None:
                made[keyword] = element


def _copier(source: Dataset, own_text: str) -> _Copier:
    declared = character_sets(source)
    known = all(term in python_encoding for term in declared)
    if _writable(own_text, declared[0] if declared else "") and (known or _has_text(source)):
        return _Copier(declared, declared)
    undeclared = "GB18030" if _HAN.search(own_text) else ""
    return _Copier((UNICODE,), declared or ((undeclared,) if undeclared else ()), turns=True)


@dataclass(frozen=True, slots=True)
class _Copier:
    """Copies elements into an object with the character set `terms`.

    With `turns` their text is decoded by the set `declared`; else its bytes are copied. GB18030 is assumed
    where a site with results in Chinese declares no set.
    """

    terms: tuple[str, ...]
    declared: tuple[str, ...]
    turns: bool = False

    def carried(self, source: Dataset, keyword: str) -> DataElement | None:
        """The element with the VR of the dictionary, or None where absent or unreadable."""
        if keyword not in source:
            return None
        try:
            vr, value = _vr(keyword), self.value(source, tag_of(keyword))
            return DataElement(keyword, vr, value, validation_mode=config.IGNORE)
        except (ValueError, TypeError, AttributeError, LookupError, OverflowError):
            return None

    def value(self, source: Dataset, tag: BaseTag) -> object:
        raw = _text_bytes(source, tag)
        if raw is None:
            value = deepcopy(source[tag].value)
            return [self._item(item) for item in value] if isinstance(value, Sequence) else value
        if self.turns:
            text = decoded(raw, self.declared).rstrip(" \0")
            return text.split("\\") if "\\" in text else text
        if dictionary_VR(tag) == "PN":
            return PersonName(raw, encodings=convert_encodings(list(self.terms) or None))
        return raw

    def _item(self, item: Dataset) -> Dataset:
        """An item of a sequence; a character set that it declares is kept."""
        own = character_sets(item)
        copier = _Copier(own, own) if own else self
        for tag in list(item.keys()):
            if _text_bytes(item, tag) is not None or (tag.group % 2 == 0 and item[tag].VR == "SQ"):
                value = copier.value(item, tag)
                item[tag] = DataElement(tag, item[tag].VR, value, validation_mode=config.IGNORE)
        return item


def _has_text(source: Dataset) -> bool:
    """Whether an element has text to which Specific Character Set applies."""
    return any(_text_bytes(source, tag_of(keyword)) is not None for keyword in (*REQUIRED, *OPTIONAL))


def _text_bytes(dataset: Dataset, tag: BaseTag) -> bytes | None:
    """The bytes as read of a text to which Specific Character Set applies; else None."""
    element = dataset.get_item(tag)
    value = None if element is None else element.value
    if isinstance(value, PersonName):
        value = value.original_string
    if not isinstance(value, bytes) or not _is_text(tag, element.VR if element else None):
        return None
    return None if value.isascii() and b"\x1b" not in value else value


def _is_text(tag: BaseTag, stored_vr: str | None) -> bool:
    vr = dictionary_VR(tag) if dictionary_has_tag(tag) else stored_vr
    return vr in _TEXT_VRS


def _vr(keyword: str) -> str:
    return dictionary_VR(tag_of(keyword))


def tag_of(keyword: str) -> BaseTag:
    """The tag of an attribute of the dictionary."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return BaseTag(tag)


def _writable(text: str, term: str) -> bool:
    """Whether the first character set of an object can encode all of the text."""
    if text.isascii():
        return True
    try:
        text.encode(python_encoding[term] if term else "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
