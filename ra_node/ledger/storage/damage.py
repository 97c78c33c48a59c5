"""Missing or damaged kept files: effect on their study, and replacement by a good copy.

A received image with a damaged file gets a finding with that reason, and an alarm. A good copy replaces it
and causes a new examination; where a report had that reason, a new version follows.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, exists, select, update

from ra_node.domain.job import Job, JobKind, JobState
from ra_node.ledger.alarms import AlarmKind, clear_alarm_held, raise_alarm_held
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import SETTLING, Ledger, announce
from ra_node.ledger.database.events import Detail, note
from ra_node.ledger.database.schema import StudyState
from ra_node.ledger.inbox import Instance, NewInstance
from ra_node.ledger.jobs.queue import enqueue, finish_held, require_held
from ra_node.ledger.results import ResultObject
from ra_node.ledger.search.terms import replace_identifiers

_image, _job = schema.instance, schema.job


def record_damage(
    ledger: Ledger, job: Job, instance_id: str, path: str, finding_json: str, detail: str
) -> None:
    """Record that an image cannot be read from its file at `path`, and raise its alarm. Raises LeaseLost.

    Ends an examine job; a report job continues and reports it. Nothing is recorded where a good copy has
    replaced that file since.
    """
    with ledger.write() as connection:
        now = ledger.clock()
        if job.kind is JobKind.EXAMINE:
            finish_held(connection, now, job)
        else:
            require_held(connection, job)
        this = and_(_image.c.id == instance_id, _image.c.path == path)
        values = {"finding_json": finding_json, "bundle_sha256": None, "examined_at": now}
        change = update(_image).where(this).values(preview_path=None, preview_sha256=None, **values)
        uid = connection.execute(change.returning(_image.c.sop_instance_uid)).scalar()
        if uid is None:
            return
        raise_alarm_held(connection, now, AlarmKind.CONTENT, uid, detail)
        note(connection, now, "instance_damaged", job.study_uid, sop_instance_uid=uid, detail=detail)


def replace_file(ledger: Ledger, kept: Instance, new: NewInstance, *, again: bool) -> bool:
    """Replace a damaged file by a good copy and clear the alarm; False: it was replaced already.

    With `again` the image is examined again and causes a new version, unless its report is still to be made.
    """
    with ledger.write() as connection:
        now = ledger.clock()
        same_path = _image.c.path.is_(None) if kept.path is None else _image.c.path == kept.path
        this = and_(_image.c.id == kept.id, same_path)
        values = {
            "path": new.path,
            "size_bytes": new.size_bytes,
            "sha256": new.sha256,
            "transfer_syntax_uid": new.transfer_syntax_uid,
            "association_id": new.association_id,
            "patient": new.patient,
        }
        if connection.execute(update(_image).where(this).values(**values)).rowcount != 1:
            return False
        replace_identifiers(connection, kept.study_uid)
        clear_alarm_held(connection, now, AlarmKind.CONTENT, kept.sop_instance_uid)
        told: dict[str, Detail] = {
            "sop_instance_uid": kept.sop_instance_uid,
            "calling_ae": new.calling_ae,
            "examined_again": again,
        }
        note(connection, now, "instance_replaced", kept.study_uid, **told)
        if again and kept.counts:
            values = {"received_at": now, "finding_json": new.finding_json, "counts": new.counts}
            values |= {"header_digest": new.header_digest}
            connection.execute(update(_image).where(_image.c.id == kept.id).values(**values))
            examine_again(connection, ledger, kept, examine=new.counts and new.examine)
        return True


def restored(ledger: Ledger, kept: Instance, *, again: bool) -> None:
    """Clear the alarm of an image whose own file is intact again; `again` as in `replace_file`."""
    with ledger.write() as connection:
        now = ledger.clock()
        if not clear_alarm_held(connection, now, AlarmKind.CONTENT, kept.sop_instance_uid) and not again:
            return
        note(connection, now, "instance_restored", kept.study_uid, sop_instance_uid=kept.sop_instance_uid)
        if again and kept.counts:
            values = {"received_at": now, "finding_json": None}
            connection.execute(update(_image).where(_image.c.id == kept.id).values(**values))
            examine_again(connection, ledger, kept, examine=True)


def examine_again(connection: Connection, ledger: Ledger, kept: Instance, *, examine: bool) -> None:
    """Clear the finding and queue a new examination; a worker that holds the job loses its lease.

    A new version of the report follows, unless the one that the image belongs to is still to be made.
    """
    this = _image.c.id == kept.id
    nothing = {"preview_path": None, "preview_sha256": None, "bundle_sha256": None}
    connection.execute(update(_image).where(this).values(**nothing))
    if examine:
        key = f"examine:{kept.sop_instance_uid}"
        if not enqueue(connection, ledger, JobKind.EXAMINE, key, kept.study_uid, instance_id=kept.id):
            start_anew(connection, ledger, _job.c.key == key)
    report = and_(
        _job.c.study_uid == kept.study_uid, _job.c.kind == JobKind.REPORT, _job.c.version == kept.version
    )
    start_anew(connection, ledger, and_(report, _job.c.state == JobState.BURIED))
    waits = exists(select(_job.c.id).where(report, _job.c.state == JobState.READY))
    study = update(schema.study).where(schema.study.c.study_uid == kept.study_uid)
    if kept.version is not None and connection.execute(select(waits)).scalar():
        failed = schema.study.c.state == StudyState.FAILED
        connection.execute(study.where(failed).values(state=StudyState.SETTLED))
        return
    connection.execute(update(_image).where(this).values(version=None))
    connection.execute(study.values(state=StudyState.OPEN, last_received_at=ledger.clock(), purged_at=None))
    announce(connection, SETTLING)


def start_anew(connection: Connection, ledger: Ledger, which: object) -> None:
    """Reset jobs; only the fence continues."""
    now = ledger.clock()
    fresh = {"state": JobState.READY, "attempt": 0, "excused": 0, "run_at": now, "created_at": now}
    ended = {"owner": None, "lease_until": None, "finished_at": None, "last_error": None}
    connection.execute(update(_job).where(which).values(**fresh, **ended))  # type: ignore[arg-type]
    announce(connection, JobKind.EXAMINE)
    announce(connection, JobKind.REPORT)


def replace_object(ledger: Ledger, made: ResultObject, path: str) -> bool:
    """Replace a damaged object by its rebuilt file; False: it was replaced already."""
    item = schema.result_object
    this = and_(item.c.sop_instance_uid == made.sop_instance_uid, item.c.path == made.path)
    with ledger.write() as connection:
        if connection.execute(update(item).where(this).values(path=path)).rowcount != 1:
            return False
        now = ledger.clock()
        clear_alarm_held(connection, now, AlarmKind.CONTENT, made.sop_instance_uid)
        told: dict[str, Detail] = {"object_uid": made.sop_instance_uid, "kind": made.kind}
        note(connection, now, "object_rebuilt", made.study_uid, **told)
    return True
