"""One study, one patient: a study whose objects name several gets only that reason.

A Study Instance UID with two patients comes from a merge or a mix-up (dcm4chee-arc-light#4508, adit#66): the
owner of the hands is unknown here, so none is analysed and no image of one patient is sent under the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ra_node.dicom.reading.file import DatasetRefused, read_header
from ra_node.domain.eligibility import is_ai_made
from ra_node.domain.patient.identity import Identity, differences, has_orders
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.study import ImageHeader
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.patient_identities import identities_kept
from ra_node.ledger.patient_key import kept_identity, keyed_identity, read_identity
from ra_node.ledger.storage.durable_files import Files

SEVERAL_ORDERS = (
    "The images of this study have more than one accession number; the report has that of its first image."
)


@dataclass(frozen=True, slots=True)
class StudyIdentities:
    """Identities of the objects of a study, hashed with one key or all plain."""

    people: Collection[Identity]

    @property
    def conflict(self) -> Refusal | None:
        """Reason of the conflict: attributes that differ, no values."""
        return conflict_of(self.people)

    @property
    def remark(self) -> str:
        """Remark for a study with two orders, or ""."""
        return SEVERAL_ORDERS if has_orders(self.people) else ""


def conflict_of(people: Collection[Identity]) -> Refusal | None:
    """The refusal of a study with several patients, None for one."""
    named = differences(people)
    if not named:
        return None
    text = (
        f"Expected one patient in a study, found objects that name different patients ({', '.join(named)})."
    )
    return Refusal(Reason.PATIENT_CONFLICT, text)


def witnesses_of(ledger: Ledger, files: Files, study_uid: str, secret: bytes) -> StudyIdentities:
    """Identities of all objects of a study, in the order of arrival, including purged ones.

    Objects of an older node, or hashed with a lost key, are read again while their file exists.
    """
    found: list[Identity] = []
    for kept in identities_kept(ledger, study_uid):
        known = read_identity(secret, kept.patient) if kept.patient else None
        if known is None and kept.path is not None:
            known = _read(files.path(kept.path), secret)
        found += [] if known is None else [known]
    return StudyIdentities(found)


def witnesses_in(paths: Iterable[Path]) -> StudyIdentities:
    """Identities of the files of one study; for an analysis without a ledger."""
    headers = [header for path in paths if (header := _header(path)) is not None]
    return StudyIdentities([header.identity for header in headers if not is_ai_made(header)])


def kept_patient(secret: bytes, header: ImageHeader) -> str:
    """Patient identity of an instance as stored in the ledger."""
    return "" if is_ai_made(header) else kept_identity(secret, header.identity)


def names_another(ledger: Ledger, files: Files, secret: bytes, header: ImageHeader) -> bool:
    """Whether an object adds a second patient to a study."""
    before = witnesses_of(ledger, files, header.study_instance_uid, secret).people
    now = [*before, keyed_identity(secret, header.identity)]
    return conflict_of(before) is None and conflict_of(now) is not None


def _read(path: Path, secret: bytes) -> Identity | None:
    header = _header(path)
    return None if header is None or is_ai_made(header) else keyed_identity(secret, header.identity)


def _header(path: Path) -> ImageHeader | None:
    try:
        return read_header(path)
    except (DatasetRefused, FileNotFoundError):
        return None
