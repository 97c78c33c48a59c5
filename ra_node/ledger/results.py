"""Results of studies: a result, its objects and their deliveries commit together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, select, true, update

from ra_node.domain.job import Job, JobKind, JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import Detail, note
from ra_node.ledger.database.schema import DeliveryState, StudyState
from ra_node.ledger.jobs.queue import enqueue, finish_held
from ra_node.ledger.search.terms import replace_result_terms


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one version of a study; `predecessor` is the SR UID of the previous version.

    `patient_key` is a keyed hash and `study_at` the time of the study, "YYYYMMDDHHMMSS"; both are None where
    the images do not give them.
    """

    study_uid: str
    version: int
    report_json: str
    created_at: float
    sr_uid: str
    predecessor: str | None = None
    patient_key: str | None = None
    study_at: str | None = None


@dataclass(frozen=True, slots=True)
class ResultObject:
    """A DICOM object of a result; `kind` is "sr", "sr_comprehensive" or "overlay".

    `path` is relative to the data folder and None once retention has removed the file.
    """

    sop_instance_uid: str
    study_uid: str
    version: int
    kind: str
    sop_class_uid: str
    path: str | None
    sha256: str | None = None
    """None for an object of an older version, whose content cannot be verified."""


def finish_report(
    ledger: Ledger,
    job: Job,
    result: Result,
    objects: Sequence[ResultObject],
    destinations: Sequence[tuple[str, str]],
    told: Mapping[str, Detail] | None = None,
) -> bool:
    """Record a result with its objects, deliveries and jobs, and end the report job.

    `destinations` are (object UID, peer name) pairs, `told` the details for the event log. False: this
    version was reported before and nothing changed, so a repetition is harmless; or a later version, which
    covers the same images, was: then the job ends without a report, because there would be a second report
    without predecessor. Raises LeaseLost.
    """
    with ledger.write() as connection:
        if _read_result(connection, result.study_uid, schema.result.c.version == result.version) is not None:
            return False
        now = ledger.clock()
        finish_held(connection, now, job)
        if _read_result(connection, result.study_uid, schema.result.c.version > result.version) is not None:
            note(connection, now, "report_superseded", result.study_uid, version=result.version)
            return False
        _end_superseded(connection, now, result)
        connection.execute(schema.result.insert(), [asdict(result)])
        if objects:
            connection.execute(schema.result_object.insert(), [asdict(item) for item in objects])
        _enqueue_deliveries(connection, ledger, result, destinations)
        _mark_answered(connection, result)
        replace_result_terms(connection, result.study_uid, told or {})
        words = {"version": result.version, "sr_uid": result.sr_uid, **(told or {})}
        note(connection, now, "study_answered", result.study_uid, **words)
    return True


def find_result(ledger: Ledger, study_uid: str, version: int) -> Result | None:
    """Read the result of one version."""
    with ledger.read() as connection:
        return _read_result(connection, study_uid, schema.result.c.version == version)


def earlier_result(ledger: Ledger, study_uid: str, version: int) -> Result | None:
    """Read the newest result before `version`: its predecessor."""
    with ledger.read() as connection:
        return _read_result(connection, study_uid, schema.result.c.version < version)


def prior_result(
    ledger: Ledger, study_uid: str, patient_keys: str | Collection[str], study_at: str
) -> Result | None:
    """Read the newest result of the patient's last study before `study_at` that is not this study.

    A merged patient has several keys.

    A study whose newest answer is about another patient, after a correction, is no prior study.
    """
    result, later = schema.result, schema.result.alias("later")
    corrected = exists().where(later.c.study_uid == result.c.study_uid, later.c.version > result.c.version)
    columns = [result.c[name] for name in Result.__slots__]
    query = (
        select(*columns)
        .where(
            result.c.patient_key.in_([patient_keys] if isinstance(patient_keys, str) else list(patient_keys)),
            result.c.study_at < study_at,
            result.c.study_uid != study_uid,
            ~corrected,
        )
        .order_by(result.c.study_at.desc(), result.c.study_uid, result.c.version.desc())
        .limit(1)
    )
    with ledger.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else Result(*row)


def latest_result(ledger: Ledger, study_uid: str) -> Result | None:
    """Read the newest result of a study."""
    with ledger.read() as connection:
        return _read_result(connection, study_uid, true())


def objects_of(ledger: Ledger, study_uid: str, version: int) -> list[ResultObject]:
    """List the objects of one result."""
    item = schema.result_object
    query = select(*object_columns()).where(item.c.study_uid == study_uid, item.c.version == version)
    with ledger.read() as connection:
        return [ResultObject(*row) for row in connection.execute(query.order_by(item.c.kind, item.c.path))]


def object_columns() -> list[ColumnElement[Any]]:
    """The columns that make a ResultObject, in its order."""
    return [schema.result_object.c[name] for name in ResultObject.__slots__]


def _enqueue_deliveries(
    connection: Connection, ledger: Ledger, result: Result, destinations: Sequence[tuple[str, str]]
) -> None:
    now = ledger.clock()
    rows = [
        {"object_uid": uid, "peer": peer, "state": DeliveryState.WAITING, "attempts": 0, "updated_at": now}
        for uid, peer in destinations
    ]
    if rows:
        connection.execute(schema.delivery.insert(), rows)
    for peer in sorted({peer for _, peer in destinations}):
        key = f"deliver:{result.study_uid}:{result.version}:{peer}"
        enqueue(connection, ledger, JobKind.DELIVER, key, result.study_uid, version=result.version, peer=peer)


def _mark_answered(connection: Connection, result: Result) -> None:
    """Update the state of the study; it stays open where newer images or versions wait."""
    study = schema.study
    older = and_(study.c.study_uid == result.study_uid, study.c.answered_version < result.version)
    connection.execute(update(study).where(older).values(answered_version=result.version))
    current = and_(
        study.c.study_uid == result.study_uid,
        study.c.version == result.version,
        study.c.state.in_((StudyState.SETTLED, StudyState.FAILED)),
    )
    connection.execute(update(study).where(current).values(state=StudyState.ANSWERED))


def _end_superseded(connection: Connection, now: float, result: Result) -> None:
    """End buried report jobs of earlier versions: this report covers their images."""
    job = schema.job
    earlier = and_(
        job.c.kind == JobKind.REPORT,
        job.c.study_uid == result.study_uid,
        job.c.version < result.version,
        job.c.state == JobState.BURIED,
    )
    for row in connection.execute(select(job.c.id, job.c.version).where(earlier).with_for_update()).all():
        change = update(job).where(job.c.id == row.id)
        connection.execute(change.values(state=JobState.DONE, finished_at=now))
        note(connection, now, "report_superseded", result.study_uid, version=row.version)


def _read_result(connection: Connection, study_uid: str, which: ColumnElement[bool]) -> Result | None:
    columns = [schema.result.c[name] for name in Result.__slots__]
    query = select(*columns).where(schema.result.c.study_uid == study_uid, which)
    row = connection.execute(query.order_by(schema.result.c.version.desc()).limit(1)).first()
    return None if row is None else Result(*row)
