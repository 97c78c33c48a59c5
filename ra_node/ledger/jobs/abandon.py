"""`ra-node drop`: ends deliveries and commitments that will never succeed."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, or_, select, true, update

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.alarms import AlarmKind, clear_alarm_held
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.database.schema import CommitmentState, DeliveryState


def drop(ledger: Ledger, *, study_uid: str | None = None, peer: str | None = None) -> int:
    """Drop every unfinished delivery of a study, to a peer, or of a study to a peer; return the number.

    An object that is being sent may still arrive; objects at the peer stay there.
    """
    if study_uid is None and peer is None:
        raise ValueError("expected a study or a peer to drop, found neither")
    delivery, item = schema.delivery, schema.result_object
    objects = select(item.c.sop_instance_uid).where(_named(item.c.study_uid, study_uid))
    these = and_(_named(delivery.c.peer, peer), delivery.c.object_uid.in_(objects))
    unsent = and_(these, delivery.c.state.in_((DeliveryState.WAITING, DeliveryState.REFUSED)))
    unkept = and_(these, delivery.c.commitment.in_((CommitmentState.WAITING, CommitmentState.LACKING)))
    with ledger.write() as connection:
        now = ledger.clock()
        count = connection.execute(
            select(delivery.c.object_uid).where(or_(unsent, unkept)).with_for_update()
        ).all()
        change = update(delivery).values(updated_at=now)
        connection.execute(change.where(unkept).values(commitment=CommitmentState.WAIVED))
        connection.execute(change.where(unsent).values(state=DeliveryState.DROPPED))
        if study_uid is not None and peer is None:
            clear_alarm_held(connection, now, AlarmKind.PATIENT_REFUSED, study_uid)
        ended = {"state": JobState.DONE, "finished_at": now, "last_error": None}
        connection.execute(update(schema.job).where(_idle_jobs(study_uid, peer)).values(**ended))
        if count:
            note(connection, now, "delivery_dropped", study_uid, peer=peer, objects=len(count))
    return len(count)


def drop_unsent_held(connection: Connection, now: float, study_uid: str, why: str) -> int:
    """Drop the undelivered objects of a study, within the caller's transaction; return their number.

    Accepted objects and their storage commitment are unchanged.
    """
    delivery, item, job = schema.delivery, schema.result_object, schema.job
    objects = select(item.c.sop_instance_uid).where(item.c.study_uid == study_uid)
    states = delivery.c.state.in_((DeliveryState.WAITING, DeliveryState.REFUSED))
    unsent = and_(delivery.c.object_uid.in_(objects), states)
    values = {"state": DeliveryState.DROPPED, "detail": why, "updated_at": now}
    count = connection.execute(update(delivery).where(unsent).values(**values)).rowcount
    idle = and_(_idle_jobs(study_uid, None), job.c.kind == JobKind.DELIVER)
    ended = {"state": JobState.DONE, "finished_at": now, "last_error": None}
    connection.execute(update(job).where(idle).values(**ended))
    if count:
        note(connection, now, "delivery_dropped", study_uid, objects=count, why=why)
    return count


def _named(column: ColumnElement[str], name: str | None) -> ColumnElement[bool]:
    return true() if name is None else column == name


def _idle_jobs(study_uid: str | None, peer: str | None) -> ColumnElement[bool]:
    job = schema.job
    return and_(
        job.c.kind.in_((JobKind.DELIVER, JobKind.COMMIT)),
        job.c.state.in_((JobState.READY, JobState.BURIED)),
        _named(job.c.study_uid, study_uid),
        _named(job.c.peer, peer),
    )
