"""Drops buried jobs one by one: each ends what it was for, and nothing of another version or destination."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, and_, select, update

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow, Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.database.schema import CommitmentState, DeliveryState

_job = schema.job
DROPPED_KINDS = (JobKind.DELIVER, JobKind.COMMIT, JobKind.EXAMINE)


def drop_buried(ledger: Ledger, job_ids: Collection[str]) -> int:
    """Drop these jobs where they are buried; return their number.

    A delivery or commitment of its version to its destination ends. An image is dropped only once a report
    has said that it was not analysed; its reason stays for later versions. Report jobs stay: every image gets
    a report.
    """
    buried = and_(_job.c.id.in_(job_ids), _job.c.state == JobState.BURIED, _job.c.kind.in_(DROPPED_KINDS))
    with ledger.write() as connection:
        now = ledger.clock()
        rows = connection.execute(select(_job).where(buried).with_for_update()).all()
        dropped = [row for row in rows if _end(connection, now, row)]
        for row in dropped:
            change = update(_job).where(_job.c.id == row.id)
            connection.execute(change.values(state=JobState.DONE, finished_at=now))
            note(connection, now, "job_dropped", row.study_uid, kind=row.kind, peer=row.peer)
    return len(dropped)


def _end(connection: Connection, now: float, row: AnyRow) -> bool:
    if row.kind == JobKind.EXAMINE:
        return _is_reported(connection, row)
    delivery, item = schema.delivery, schema.result_object
    objects = select(item.c.sop_instance_uid).where(
        item.c.study_uid == row.study_uid, item.c.version == row.version
    )
    these = and_(delivery.c.peer == row.peer, delivery.c.object_uid.in_(objects))
    unsent = delivery.c.state.in_((DeliveryState.WAITING, DeliveryState.REFUSED))
    unkept = delivery.c.commitment.in_((CommitmentState.WAITING, CommitmentState.LACKING))
    which, values = (
        (unsent, {"state": DeliveryState.DROPPED})
        if row.kind == JobKind.DELIVER
        else (unkept, {"commitment": CommitmentState.WAIVED})
    )
    connection.execute(update(delivery).where(these, which).values(updated_at=now, **values))
    return True


def _is_reported(connection: Connection, row: AnyRow) -> bool:
    image, study = schema.instance, schema.study
    reported = (
        select(image.c.id)
        .join(study, study.c.study_uid == image.c.study_uid)
        .where(image.c.id == row.instance_id, image.c.version <= study.c.answered_version)
    )
    return connection.execute(reported).first() is not None
