"""Resent copies in another compression: kept until a worker has compared their decoded pixels.

The sender was answered before. A copy is a file of its own with a row and a job; the outcome of the
comparison ends both in one transaction.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, select

from ra_node.domain.job import Job, JobKind
from ra_node.ledger.alarms import AlarmKind, raise_alarm_held
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, insert_new
from ra_node.ledger.database.events import note
from ra_node.ledger.inbox import Instance, NewInstance
from ra_node.ledger.jobs.queue import enqueue, finish_held

_table = schema.resent
_KEY = f"{JobKind.COMPARE}:"


@dataclass(frozen=True, slots=True)
class ResentCopy:
    """One copy that waits for the comparison with the instance `instance_id`."""

    id: str
    instance_id: str
    new: NewInstance
    at: float
    """When it arrived, in UTC seconds since 1970."""


def keep_for_comparison(ledger: Ledger, first: Instance, new: NewInstance) -> bool:
    """Record a copy with its job; after this Success may be sent.

    False: the same file waits already, and nothing was recorded.
    """
    copy_id = ledger.new_id()
    with ledger.write() as connection:
        now = ledger.clock()
        row = {
            "id": copy_id,
            "instance_id": first.id,
            "sha256": new.sha256 or copy_id,
            "study_uid": first.study_uid,
            "path": new.path,
            "row_json": json.dumps(asdict(new)),
            "at": now,
        }
        if not insert_new(connection, _table, row):
            return False
        enqueue(connection, ledger, JobKind.COMPARE, f"{_KEY}{copy_id}", first.study_uid)
        told = {"sop_instance_uid": first.sop_instance_uid, "calling_ae": new.calling_ae}
        note(connection, now, "resend_queued", first.study_uid, **told)
    return True


def copy_of(ledger: Ledger, job: Job) -> ResentCopy | None:
    """The copy of a compare job; None where its comparison has ended."""
    query = select(_table).where(_table.c.id == job.key.removeprefix(_KEY))
    with ledger.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        return None
    return ResentCopy(row.id, row.instance_id, NewInstance(**json.loads(row.row_json)), float(row.at))


def end_comparison(ledger: Ledger, job: Job, copy: ResentCopy, *, taken: bool) -> None:
    """End the comparison of a copy with the same pixels. Raises LeaseLost."""
    with ledger.write() as connection:
        now = _end(connection, ledger, job, copy)
        if not taken:
            uid = copy.new.sop_instance_uid
            note(connection, now, "resend_repeated", job.study_uid, sop_instance_uid=uid)


def refuse_copy(ledger: Ledger, job: Job, copy: ResentCopy, reason: str) -> None:
    """End the comparison of a copy that is another instance, with its event and alarm. Raises LeaseLost."""
    uid = copy.new.sop_instance_uid
    with ledger.write() as connection:
        now = _end(connection, ledger, job, copy)
        told = {"sop_instance_uid": uid, "calling_ae": copy.new.calling_ae, "reason": reason}
        note(connection, now, "resend_refused", job.study_uid, **told)
        detail = (
            f"a copy from {copy.new.calling_ae} was refused after its reception: {reason}; it is in unlisted/"
        )
        raise_alarm_held(connection, now, AlarmKind.PIXELS, uid, detail)


def _end(connection: Connection, ledger: Ledger, job: Job, copy: ResentCopy) -> float:
    now = ledger.clock()
    finish_held(connection, now, job)
    connection.execute(delete(_table).where(_table.c.id == copy.id))
    return now
