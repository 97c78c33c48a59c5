"""The patient of a study as a PACS gave it: a new version follows, and uses it until an image is corrected.

The attributes are in a file of the data folder; the ledger holds a keyed digest and the names of attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select, true, update

from ra_node.domain.job import Job, JobKind
from ra_node.ledger.alarms import AlarmKind, clear_alarm_held
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, insert_new
from ra_node.ledger.database.events import note
from ra_node.ledger.database.schema import StudyState
from ra_node.ledger.jobs.abandon import drop_unsent_held
from ra_node.ledger.jobs.queue import enqueue, finish_held

_table, _image, _study = schema.present_patient, schema.instance, schema.study


@dataclass(frozen=True, slots=True)
class PresentPatient:
    """The file with the attributes, and its SHA-256."""

    path: str
    sha256: str


class Reissue(StrEnum):
    """What became of a deliver job whose peer gave another patient."""

    NEW = "new"
    """A new version under that patient follows; the job has ended."""
    SUPERSEDED = "superseded"
    """Another peer gave the same before, and its version follows or is there; the job has ended."""
    KNOWN = "known"
    """A version had this patient before: nothing changed."""


def reissue(
    ledger: Ledger, job: Job, present: PresentPatient, digest: str, changed: Sequence[str]
) -> Reissue:
    """Fix a new version under the patient that the peer of a deliver job gave, and end the job.

    Undelivered objects are dropped. Each patient makes one version, so that two archives that disagree
    cannot make versions without end. Raises LeaseLost.
    """
    with ledger.write() as connection:
        now = ledger.clock()
        own = _study.c.study_uid == job.study_uid
        study = connection.execute(select(_study).where(own).with_for_update()).one()
        row = {"study_uid": job.study_uid, "digest": digest, "peer": str(job.peer), "at": now}
        if not insert_new(connection, _table, {**row, "path": present.path, "sha256": present.sha256}):
            at_rest = study.state in (StudyState.ANSWERED, StudyState.FAILED)
            if at_rest and int(study.version) == job.version:
                return Reissue.KNOWN
            finish_held(connection, now, job)
            return Reissue.SUPERSEDED
        finish_held(connection, now, job)
        told = {"peer": job.peer, "attributes": ", ".join(changed)}
        note(connection, now, "peer_patient_changed", job.study_uid, **told)
        drop_unsent_held(connection, now, job.study_uid, "the archive names another patient or order")
        clear_alarm_held(connection, now, AlarmKind.PATIENT_REFUSED, job.study_uid)
        if study.state in (StudyState.ANSWERED, StudyState.FAILED):
            version = int(study.version) + 1
            connection.execute(update(_study).where(own).values(version=version, state=StudyState.SETTLED))
            key = f"report:{job.study_uid}:{version}"
            enqueue(connection, ledger, JobKind.REPORT, key, job.study_uid, version=version)
    return Reissue.NEW


def present_patient(ledger: Ledger, study_uid: str) -> PresentPatient | None:
    """The newest answer of a PACS that no image has overtaken; None without one, or after its purge."""
    images = select(func.max(_image.c.received_at)).where(
        _image.c.study_uid == study_uid, _image.c.counts == true()
    )
    query = (
        select(_table.c.path, _table.c.sha256)
        .where(_table.c.study_uid == study_uid, _table.c.at >= images.scalar_subquery())
        .order_by(_table.c.at.desc())
        .limit(1)
    )
    with ledger.read() as connection:
        row = connection.execute(query).first()
    return None if row is None or row.path is None else PresentPatient(row.path, row.sha256)
