"""Before a late delivery, and after a refusal because of the patient, the destination is asked by C-FIND.

Where it names another patient or order, a new version of the report is made under that one instead. Where it
has the study under several patients, the result is sent only if one of them is that of the images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog
from pydicom import Dataset

from ra_node.dicom.present_patient import (
    KEYS,
    PERSON,
    Present,
    agreed,
    changed_attributes,
    contradictions,
    is_person,
    present_to_json,
    read_present,
)
from ra_node.dicom.reading.file import read_attributes
from ra_node.domain.job import Job
from ra_node.ledger.alarms import AlarmKind, clear_alarm, raise_alarm
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import Detail, record
from ra_node.ledger.patient_key import keyed_digest
from ra_node.ledger.patients.patient_merges import is_updated
from ra_node.ledger.patients.present_patients import PresentPatient, Reissue, reissue
from ra_node.ledger.results import find_result
from ra_node.ledger.storage.durable_files import RESULTS, Files, sha256_of
from ra_node.network.scu.association import PeerAddress
from ra_node.network.scu.c_store import OutgoingObject
from ra_node.network.scu.patient_query import ask_study

NO_STUDY = "the destination has no study with this UID any more (C-FIND)"
OTHER_PATIENTS = (
    "the destination has this study under several patients, and which of them the images are of is not known"
)
_SEVERAL = (
    "the destination has this study under several patients; the result was sent under that of the images"
)


class Checked(StrEnum):
    """What a destination says of the patient of a study."""

    SEND = "send"
    """As in the objects, or not known."""
    REISSUED = "reissued"
    """Other values: a new version was queued and the job has ended."""
    NO_STUDY = "no study"
    OTHER_PATIENTS = "other patients"
    """Several, and not exactly one of them is that of the images."""


@dataclass(frozen=True, slots=True)
class PatientCheck:
    """Dependencies of the check; `after_s` by destination, others are never asked."""

    ledger: Ledger
    files: Files
    after_s: Mapping[str, float]
    secret: bytes
    ask: Callable[[PeerAddress, str, Sequence[str]], Sequence[Dataset] | None] = ask_study

    def is_late(self, job: Job) -> bool:
        """Whether a result has waited so long, or its patient was updated since, that its peer is asked."""
        after_s = self.after_s.get(str(job.peer))
        if after_s is None or job.version is None:
            return False
        result = find_result(self.ledger, job.study_uid, job.version)
        if result is None:
            return False
        waited_s = abs(self.ledger.clock() - result.created_at)
        return waited_s >= after_s or is_updated(self.ledger, job.study_uid)

    def check(self, job: Job, peer: PeerAddress, objects: Sequence[OutgoingObject]) -> Checked:
        """Ask the destination about the study of a job. Raises LeaseLost."""
        if peer.name not in self.after_s or not objects:
            return Checked.SEND
        matches = self.ask(peer, job.study_uid, KEYS)
        if not matches:
            return Checked.SEND if matches is None else Checked.NO_STUDY
        found, made = [read_present(one) for one in matches], read_attributes(objects[0].path)
        if PERSON & set(contradictions(found)):
            return self._among_several(job, peer, made, found)
        clear_alarm(self.ledger, AlarmKind.PEER_CONFLICT, job.study_uid)
        given = agreed(found)
        changed = changed_attributes(made, given)
        if not changed:
            return Checked.SEND
        content = present_to_json(given)
        present = PresentPatient(self.files.write(content, RESULTS, ".json"), sha256_of(content))
        done = reissue(self.ledger, job, present, keyed_digest(self.secret, content), changed)
        if done is not Reissue.NEW:
            self.files.remove(present.path)
            return Checked.SEND if done is Reissue.KNOWN else Checked.REISSUED
        told = {"study_uid": job.study_uid, "peer": peer.name, "attributes": changed}
        structlog.get_logger().info("peer_patient_changed", **told)
        return Checked.REISSUED

    def _among_several(self, job: Job, peer: PeerAddress, made: Dataset, found: Sequence[Present]) -> Checked:
        """Whether exactly one of several patients of a study is that of the result; event and alarm name it.

        The patient of a result is never exchanged for one of several.
        """
        own = [one for one in found if is_person(made, one)]
        sent = bool(own) and not PERSON & set(contradictions(own))
        kind = AlarmKind.PEER_CONFLICT if sent else AlarmKind.PATIENT_REFUSED
        if raise_alarm(
            self.ledger, kind, job.study_uid, f"{peer.name}: {_SEVERAL if sent else OTHER_PATIENTS}"
        ):
            attributes = [keyword for keyword in contradictions(found) if keyword in PERSON]
            told: dict[str, Detail] = {"peer": peer.name, "attributes": ", ".join(attributes), "sent": sent}
            record(self.ledger, "peer_patient_ambiguous", job.study_uid, **told)
        return Checked.SEND if sent else Checked.OTHER_PATIENTS
