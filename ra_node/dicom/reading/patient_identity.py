"""Patient identity and time of a study, for the comparison with earlier studies."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from ra_node.dicom.reading.identity_attributes import identity_of, text_of
from ra_node.domain.patient.identity import Identity, differences, is_placeholder


@dataclass(frozen=True, slots=True)
class Subject:
    """A patient's identifiers and the time of a study, "YYYYMMDDHHMMSS". Not to be logged or stored."""

    identity: tuple[str, str, str]
    """Issuer of Patient ID (0010,0021), Patient ID (0010,0020), Patient's Birth Date (0010,0030)."""
    study_at: str
    person: Identity = field(default=Identity(), compare=False)
    """Name and sex, compared with those of an earlier study."""

    @property
    def study_date(self) -> date:
        return datetime.strptime(self.study_at[:8], "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone


def subject_known(sources: Iterable[Dataset], placeholders: Collection[str] = ()) -> Subject | None:
    """The patient and time on which all images of a study agree, else None.

    Without Patient ID, birth date and a valid Study Date there is no comparison with earlier studies: two
    patients may have one ID, from two departments or as "UNKNOWN". `placeholders` are further placeholder IDs
    of the site.
    """
    subjects = [_subject(source) for source in sources]
    found = set(subjects)
    if len(found) != 1 or subjects[0] is None or is_placeholder(subjects[0].identity[1], placeholders):
        return None
    people = {subject.person for subject in subjects if subject is not None}
    known = bool(subjects[0].person.birth_date) and not differences(people, accession=False)
    return subjects[0] if known else None


def _subject(source: Dataset) -> Subject | None:
    issuer, patient, birth = (
        text_of(source, Tag(keyword)) for keyword in ("IssuerOfPatientID", "PatientID", "PatientBirthDate")
    )
    day, time = (text_of(source, Tag(keyword)) for keyword in ("StudyDate", "StudyTime"))
    try:
        datetime.strptime(day, "%Y%m%d")  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None
    digits = time.partition(".")[0]
    moment = day + (digits if digits.isdecimal() else "").ljust(6, "0")[:6]
    return Subject((issuer, patient, birth), moment, identity_of(source)) if patient else None
