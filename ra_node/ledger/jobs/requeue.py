"""Requeue: a buried job is reset, its study waits again, a report without its image is revised."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select, update

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow, Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.database.schema import DeliveryState, StudyState

_table = schema.job


def requeue_jobs(ledger: Ledger, job_ids: Collection[str]) -> int:
    """As `requeue`, of jobs by their ids."""
    return _requeue(ledger, _table.c.id.in_(job_ids))


def requeue(ledger: Ledger, name: str) -> int:
    """Requeue the buried jobs of a study or of a destination, or one job by its id; return the number.

    They get all attempts again. An image whose version is already reported causes a new version, so that its
    finding reaches the PACS too; one whose file is purged stays buried.
    """
    return _requeue(ledger, or_(_table.c.id == name, _table.c.study_uid == name, _table.c.peer == name))


def _requeue(ledger: Ledger, named: ColumnElement[bool]) -> int:
    image = schema.instance
    purged = exists(select(image.c.id).where(image.c.id == _table.c.instance_id, image.c.path.is_(None)))
    buried = select(_table).where(named, _table.c.state == JobState.BURIED, ~purged)
    with ledger.write() as connection:
        now = ledger.clock()
        rows = connection.execute(buried.with_for_update(of=_table)).all()
        for row in rows:
            _requeue_row(connection, now, row)
        for row in rows:
            _reopen(connection, row)
        return len(rows)


def has_jobs(ledger: Ledger, name: str) -> bool:
    """Whether a study, a job or a destination of this name has or had jobs."""
    named = or_(_table.c.id == name, _table.c.study_uid == name, _table.c.peer == name)
    with ledger.read() as connection:
        return bool(connection.execute(select(exists(select(_table.c.id).where(named)))).scalar())


def _requeue_row(connection: Connection, now: float, row: AnyRow) -> None:
    """Reset the job; only the fence continues."""
    change = update(_table).where(_table.c.id == row.id)
    fresh = {"state": JobState.READY, "attempt": 0, "excused": 0, "run_at": now, "created_at": now}
    connection.execute(change.values(finished_at=None, **fresh))
    note(connection, now, "job_requeued", row.study_uid, kind=row.kind, peer=row.peer)


def _reopen(connection: Connection, row: AnyRow) -> None:
    """Undo the effect of the burial on the study."""
    if row.kind == JobKind.EXAMINE:
        _reopen_image(connection, row)
    elif row.kind == JobKind.REPORT:
        failed = and_(schema.study.c.study_uid == row.study_uid, schema.study.c.state == StudyState.FAILED)
        connection.execute(update(schema.study).where(failed).values(state=StudyState.SETTLED))
    elif row.kind == JobKind.DELIVER:
        _reopen_deliveries(connection, row)


def _reopen_image(connection: Connection, row: AnyRow) -> None:
    """Request a new version for an image, unless the report of its version still waits for it."""
    image = schema.instance
    report = select(_table.c.id).where(
        _table.c.study_uid == row.study_uid,
        _table.c.kind == JobKind.REPORT,
        _table.c.version == image.c.version,
        _table.c.state == JobState.READY,
    )
    settled = and_(image.c.id == row.instance_id, image.c.version.is_not(None), ~exists(report))
    if connection.execute(update(image).where(settled).values(version=None)).rowcount == 1:
        this_study = schema.study.c.study_uid == row.study_uid
        connection.execute(update(schema.study).where(this_study).values(state=StudyState.OPEN))


def _reopen_deliveries(connection: Connection, row: AnyRow) -> None:
    objects = select(schema.result_object.c.sop_instance_uid).where(
        schema.result_object.c.study_uid == row.study_uid, schema.result_object.c.version == row.version
    )
    refused = and_(
        schema.delivery.c.peer == row.peer,
        schema.delivery.c.object_uid.in_(objects),
        schema.delivery.c.state == DeliveryState.REFUSED,
    )
    connection.execute(update(schema.delivery).where(refused).values(state=DeliveryState.WAITING))
