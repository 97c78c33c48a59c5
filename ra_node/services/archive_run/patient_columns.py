"""Patient columns of the table: a keyed hash, or the Patient ID."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ra_node.dicom.reading.file import read_attributes
from ra_node.domain.patient.pseudonym import checked_salt, patient_pseudonym
from ra_node.errors import Fatal


@dataclass(frozen=True, slots=True)
class PatientWords:
    """Requested columns: a key made with `salt`, and the Patient ID as it is."""

    salt: bytes | None = None
    with_id: bool = False

    def of(self, path: Path) -> Mapping[str, str]:
        """The patient columns of a file; none where not requested. Raises DatasetRefused."""
        if self.salt is None and not self.with_id:
            return {}
        patient_id = str(read_attributes(path).get("PatientID") or "").strip()
        words = {"patient_id": patient_id} if self.with_id else {}
        if self.salt is not None:
            words["patient_key"] = patient_pseudonym(self.salt, patient_id) if patient_id else ""
        return words

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it fills."""
        asked = {"patient_key": self.salt is not None, "patient_id": self.with_id}
        return tuple(name for name, wanted in asked.items() if wanted)


def read_salt(path: Path) -> bytes:
    """Read a secret salt; Refused where it is too short, Fatal where unreadable or readable by others."""
    try:
        salt, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise Fatal(f"expected a salt at {path}, found none: {error.strerror}") from error
    return checked_salt(salt, mode)
