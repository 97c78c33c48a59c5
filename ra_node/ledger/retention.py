"""Retention: files of studies that are reported, delivered and, where requested, committed."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    union_all,
    update,
)

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.alarms import AlarmKind, clear_alarm_held
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, insert_new
from ra_node.ledger.database.events import note
from ra_node.ledger.database.schema import CommitmentState, DeliveryState, StudyState

_AROUND = 500
"""Number of events before the last image of a study whose times are compared with it."""


@dataclass(frozen=True, slots=True)
class Purgeable:
    """A study whose files may be removed; `paths` are relative to the data folder."""

    study_uid: str
    paths: tuple[str, ...]


def purgeable(ledger: Ledger, idle_since: float, limit: int = 100) -> list[Purgeable]:
    """Finished studies without a new instance since `idle_since`, oldest first.

    Finished: ignored, or every version reported, and every object accepted by each of its peers, and
    committed where requested; or dropped by an operator. A result without any destination exists only here,
    and is kept.
    """
    study = schema.study
    old = and_(study.c.last_received_at <= idle_since, study.c.purged_at.is_(None), _waits_for_nothing())
    query = select(study.c.study_uid).where(old).order_by(study.c.last_received_at).limit(limit)
    with ledger.read() as connection:
        uids = connection.execute(query).scalars().all()
        return [
            Purgeable(uid, _paths(connection, uid))
            for uid in uids
            if _came_before(connection, uid, idle_since)
        ]


def _came_before(connection: Connection, study_uid: str, idle_since: float) -> bool:
    """Whether the times of events just before the last image confirm its age.

    An image that arrived while the clock was behind looks older than it is.
    """
    event = schema.event
    stored = and_(event.c.study_uid == study_uid, event.c.what == "instance_stored")
    last = connection.execute(select(func.max(event.c.id)).where(stored)).scalar()
    if last is None:
        return True
    around = and_(event.c.id <= last, event.c.id > last - _AROUND)
    return bool(connection.execute(select(func.max(event.c.at)).where(around)).scalar_one() <= idle_since)


def mark_purged(ledger: Ledger, listed: Purgeable) -> bool:
    """Clear the listed paths before their files are removed; the rows stay.

    False: the study is no longer finished, and nothing of it may be removed.
    """
    study = schema.study
    this = and_(study.c.study_uid == listed.study_uid, _waits_for_nothing())
    with ledger.write() as connection:
        now = ledger.clock()
        locked = select(study.c.study_uid).where(study.c.study_uid == listed.study_uid).with_for_update()
        connection.execute(locked)
        if connection.execute(update(study).where(this).values(purged_at=now)).rowcount != 1:
            return False
        for table, column in _PATH_COLUMNS:
            _forget(connection, table, column, listed)
        row = {"name": f"{_PURGING}{listed.study_uid}", "value": json.dumps(listed.paths)}
        insert_new(connection, schema.named_value, row)
        clear_alarm_held(connection, now, AlarmKind.PATIENT_CONFLICT, listed.study_uid)
        note(connection, now, "study_purged", listed.study_uid, files=len(listed.paths))
    return True


def end_purge(ledger: Ledger, study_uid: str) -> None:
    """Record that the files of a marked study are removed."""
    value = schema.named_value
    with ledger.write() as connection:
        connection.execute(delete(value).where(value.c.name == f"{_PURGING}{study_uid}"))


def unfinished_purges(ledger: Ledger) -> list[Purgeable]:
    """Marked studies whose files may remain after a crash."""
    value = schema.named_value
    query = select(value.c.name, value.c.value).where(value.c.name.startswith(_PURGING))
    with ledger.read() as connection:
        return [
            Purgeable(row.name.removeprefix(_PURGING), tuple(json.loads(row.value)))
            for row in connection.execute(query)
        ]


def known_paths(ledger: Ledger) -> set[str]:
    """Return every path that a row names."""
    columns = [*(table.c[column] for table, column in _PATH_COLUMNS), schema.resent.c.path]
    query = union_all(*(select(column).where(column.is_not(None)) for column in columns))
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


_PURGING = "purging:"
"""Prefix of the property, followed by the Study Instance UID, that lists the files still to be removed."""
_PATH_COLUMNS = (
    (schema.instance, "path"),
    (schema.instance, "preview_path"),
    (schema.result_object, "path"),
    (schema.present_patient, "path"),
)


def _waits_for_nothing() -> ColumnElement[bool]:
    study, job = schema.study, schema.job
    item, delivery = schema.result_object, schema.delivery
    sent = exists(
        select(delivery.c.peer)
        .join(item, item.c.sop_instance_uid == delivery.c.object_uid)
        .where(item.c.study_uid == study.c.study_uid, item.c.version == study.c.answered_version)
    )
    ended = or_(study.c.state == StudyState.IGNORED, and_(study.c.state == StudyState.ANSWERED, sent))
    kept = delivery.c.commitment.not_in((CommitmentState.WAITING, CommitmentState.LACKING))
    done = or_(
        delivery.c.state == DeliveryState.DROPPED, and_(delivery.c.state == DeliveryState.ACCEPTED, kept)
    )
    unreported = select(job.c.id).where(
        job.c.study_uid == study.c.study_uid, job.c.kind == JobKind.REPORT, job.c.state != JobState.DONE
    )
    unsent = (
        select(delivery.c.peer)
        .join(item, item.c.sop_instance_uid == delivery.c.object_uid)
        .where(item.c.study_uid == study.c.study_uid, ~done)
    )
    uncompared = select(schema.resent.c.id).where(schema.resent.c.study_uid == study.c.study_uid)
    return and_(ended, ~exists(unreported), ~exists(unsent), ~exists(uncompared))


def _paths(connection: Connection, study_uid: str) -> tuple[str, ...]:
    parts = [
        select(table.c[column]).where(table.c.study_uid == study_uid, table.c[column].is_not(None))
        for table, column in _PATH_COLUMNS
    ]
    return tuple(connection.execute(union_all(*parts)).scalars())


def _forget(connection: Connection, table: Table, column: str, listed: Purgeable) -> None:
    these = and_(table.c.study_uid == listed.study_uid, table.c[column].in_(listed.paths))
    connection.execute(update(table).where(these).values({column: None}))
