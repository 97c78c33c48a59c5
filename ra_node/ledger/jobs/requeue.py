"""Undoes what a burial meant: the study waits again, and what was answered without an image is revised."""

from __future__ import annotations

from sqlalchemy import Connection, and_, exists, select, update

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow
from ra_node.ledger.database.schema import DeliveryState, StudyState

_table = schema.job


def reopen(connection: Connection, row: AnyRow) -> None:
    """Undo what the burial meant to the study."""
    if row.kind == JobKind.EXAMINE:
        _reopen_image(connection, row)
    elif row.kind == JobKind.REPORT:
        failed = and_(schema.study.c.study_uid == row.study_uid, schema.study.c.state == StudyState.FAILED)
        connection.execute(update(schema.study).where(failed).values(state=StudyState.SETTLED))
    elif row.kind == JobKind.DELIVER:
        _reopen_deliveries(connection, row)


def _reopen_image(connection: Connection, row: AnyRow) -> None:
    """Let an image call for a new version, unless the report of its version still waits for it."""
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
