"""Before a late delivery, and after a refusal because of the patient, the destination is asked by C-FIND.

Where it names another patient or order, a new version of the report is made under that one instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog
from pydicom import Dataset

from ra_node.dicom.present_patient import KEYS, changed_attributes, present_to_json, read_present
from ra_node.dicom.reading.file import read_attributes
from ra_node.domain.job import Job
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.patient_key import keyed_digest
from ra_node.ledger.patients.patient_merges import is_updated
from ra_node.ledger.patients.present_patients import PresentPatient, Reissue, reissue
from ra_node.ledger.results import find_result
from ra_node.ledger.storage.durable_files import RESULTS, Files, sha256_of
from ra_node.network.scu.association import PeerAddress
from ra_node.network.scu.c_store import OutgoingObject
from ra_node.network.scu.patient_query import ask_study

NO_STUDY = "the destination has no study with this UID any more (C-FIND)"


class Checked(StrEnum):
    """What a destination says of the patient of a study."""

    SEND = "send"
    """As in the objects, or not known."""
    REISSUED = "reissued"
    """Other values: a new version was queued and the job has ended."""
    NO_STUDY = "no study"


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
        if matches is None:
            return Checked.SEND
        if not matches:
            return Checked.NO_STUDY
        given, *others = (read_present(one) for one in matches)
        changed = changed_attributes(read_attributes(objects[0].path), given)
        if not changed or any(other != given for other in others):  # matches that differ are no answer
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
