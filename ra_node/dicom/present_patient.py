"""The patient and order of a study as a PACS gives them today, compared with and put into headers."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence

from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from ra_node.dicom.patient_study_modules import OPTIONAL, REQUIRED, copy_subject
from ra_node.dicom.reading.identity_attributes import text_of
from ra_node.errors import Retryable

KEYS = (
    "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber",
    "StudyDate",
)  # fmt: skip
"""Attributes of a query at STUDY level (PS3.4 C.6.2.1)."""
PERSON = frozenset({"PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex"})
"""Those of the patient; the others are of the order."""
_OF_ANOTHER_ID = (
    "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "OtherPatientIDsSequence",
    "OtherPatientNames",
)  # fmt: skip
_SUBJECT = frozenset(Tag(keyword) for keyword in (*REQUIRED, *OPTIONAL))
MOST_CHARACTERS = 324
"""Of one value: a Person Name of five components in three groups (PS3.5 6.2)."""

Present = Mapping[str, str]
"""Values by keyword; only those that the PACS gave."""


def read_present(answer: Dataset) -> Present:
    """The attributes of a C-FIND response that are not empty."""
    found = {keyword: text_of(answer, Tag(keyword))[:MOST_CHARACTERS] for keyword in KEYS}
    return {keyword: value for keyword, value in found.items() if value}


def contradictions(matches: Sequence[Present]) -> list[str]:
    """Keywords of the attributes of which several matches of one study give different values.

    A match without one of the others contradicts none; one without a Patient ID names another patient.
    """
    first_of = {keyword: next((one[keyword] for one in matches if keyword in one), "") for keyword in KEYS}

    def differs(keyword: str, one: Present) -> bool:
        first, value = first_of[keyword], one.get(keyword, "")
        return value != first if not value or not first else not _agree(first, value)

    given = {
        keyword: [one for one in matches if keyword in one or keyword == "PatientID"] for keyword in KEYS
    }
    return [keyword for keyword in KEYS if any(differs(keyword, one) for one in given[keyword])]


def agreed(matches: Sequence[Present]) -> Present:
    """What several matches of one study give without a contradiction."""
    other, found = contradictions(matches), {}
    for one in reversed(matches):
        found.update({keyword: value for keyword, value in one.items() if keyword not in other})
    return found


def is_person(made: Dataset, match: Present) -> bool:
    """Whether an object and a match name one patient: the same Patient ID, and nothing else contradicts."""
    ours = {keyword: text_of(made, Tag(keyword)) for keyword in PERSON}
    if not (_agree(ours["PatientID"], match.get("PatientID", ""))):
        return False
    return all(
        _agree(ours[keyword], match[keyword]) for keyword in PERSON if ours[keyword] and keyword in match
    )


def changed_attributes(made: Dataset, present: Present) -> list[str]:
    """Keywords of the attributes in which an object differs from what the PACS gives; never values.

    Letters of either case are equal; of a name only the component groups that the PACS gives are compared.
    """
    return [keyword for keyword, value in present.items() if not _same(text_of(made, Tag(keyword)), value)]


def with_present(source: Dataset, present: Present) -> Dataset:
    """A copy of a header with the patient and order that the PACS gives.

    The character set stays where it can write them, else patient and study are written in UTF-8.
    """
    subject = Dataset()
    copy_subject(subject, source, own_text=" ".join(present.values()))
    if "PatientID" in present and not _same(text_of(source, Tag("PatientID")), present["PatientID"]):
        _remove(subject, _OF_ANOTHER_ID)
    born = present.get("PatientBirthDate", "")
    if not _same(text_of(source, Tag("PatientBirthDate")), born):
        _remove(subject, ("PatientAge",))
    for keyword, value in present.items():
        vr = dictionary_VR(keyword)
        subject[keyword] = DataElement(keyword, vr, value, validation_mode=config.IGNORE)
    made = Dataset()
    made.update({tag: source.get_item(tag) for tag in source.keys() if Tag(tag) not in _SUBJECT})  # noqa: SIM118
    made.update(subject)
    if hasattr(source, "file_meta"):
        made.file_meta = source.file_meta
    return made


def _remove(dataset: Dataset, keywords: Sequence[str]) -> None:
    for keyword in keywords:
        if keyword in dataset:
            del dataset[keyword]


def present_to_json(present: Present) -> bytes:
    """The form in which a file keeps it; equal values give equal bytes."""
    return json.dumps(dict(sorted(present.items()))).encode()


def present_from_json(content: bytes) -> Present:
    """Read what `present_to_json` wrote; Retryable for anything else."""
    try:
        found = json.loads(content)
        return {keyword: str(found[keyword]) for keyword in KEYS if keyword in found}
    except (ValueError, TypeError):
        raise Retryable("expected the patient as the PACS gave it, found another content") from None


def _same(ours: str, theirs: str) -> bool:
    a, b = ([_plain(group) for group in text.split("=")] for text in (ours, theirs))
    pairs = zip(a + [""] * len(b), b, strict=False)
    return all(mine == other for mine, other in pairs if other)


def _agree(one: str, other: str) -> bool:
    """`_same` in both directions."""
    return _same(one, other) and _same(other, one)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).rstrip("^ ").split()).casefold()
