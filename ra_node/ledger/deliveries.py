"""Delivery state of each object at each peer; the outcome of an attempt commits with the end of its job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select, update

from ra_node.domain.job import Job, JobState
from ra_node.ledger.commitments import want_commitment
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow, Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.database.schema import CommitmentState, DeliveryState
from ra_node.ledger.jobs.queue import bury_held, finish_held, retry_held
from ra_node.ledger.results import ResultObject, object_columns

_EVENT_OF = {
    DeliveryState.ACCEPTED: "object_delivered",
    DeliveryState.REFUSED: "object_refused",
    DeliveryState.WAITING: "object_postponed",
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivery of one object to one peer; `status` is the last C-STORE status."""

    object: ResultObject
    peer: str
    state: DeliveryState
    status: int | None
    detail: str | None
    attempts: int
    updated_at: float
    commitment: CommitmentState
    """Storage commitment state; delivered and committed are distinct."""


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """Outcome of one attempt to send one object; WAITING means retry.

    `sent_uid` is that of the fallback that was sent instead, None for the object itself.
    """

    object_uid: str
    state: DeliveryState
    status: int | None = None
    detail: str | None = None
    sent_uid: str | None = None


def record_delivery(
    ledger: Ledger,
    job: Job,
    outcomes: Sequence[DeliveryOutcome],
    *,
    retry_at: float,
    give_up_after_s: float | None,
    commit: bool = False,
) -> JobState:
    """Record one delivery attempt and end or postpone its job; return the state of the job.

    With `commit` storage commitment of accepted objects is then requested.

    READY: objects are still queued, retried at `retry_at` (see `queue.retry`). BURIED: expired, or the peer
    refused an object permanently. DONE: everything is accepted. Raises LeaseLost.
    """
    with ledger.write() as connection:
        now = ledger.clock()
        for outcome in outcomes:
            _record_outcome(connection, now, job, outcome, commit=commit)
        deliveries = _read_deliveries(connection, job.study_uid, job.version, job.peer)
        waiting = [item for item in deliveries if item.state is DeliveryState.WAITING]
        refused = [item for item in deliveries if item.state is DeliveryState.REFUSED]
        if waiting:
            error = waiting[0].detail or f"{len(waiting)} of {len(deliveries)} objects wait"
            return retry_held(connection, now, job, error, retry_at, give_up_after_s=give_up_after_s)
        want_commitment(connection, ledger, job)
        if refused:
            bury_held(connection, now, job, _refusal_text(refused))
            return JobState.BURIED
        finish_held(connection, now, job)
        note(connection, now, "version_delivered", job.study_uid, version=job.version, peer=job.peer)
    return JobState.DONE


def deliveries_of(
    ledger: Ledger, study_uid: str, version: int | None = None, peer: str | None = None
) -> list[Delivery]:
    """List deliveries of a study, optionally of one version or to one peer, in a stable order."""
    with ledger.read() as connection:
        return _read_deliveries(connection, study_uid, version, peer)


def pending_deliveries(ledger: Ledger, job: Job) -> list[Delivery]:
    """Objects that a deliver job still has to send."""
    with ledger.read() as connection:
        deliveries = _read_deliveries(connection, job.study_uid, job.version, job.peer)
    return [item for item in deliveries if item.state is DeliveryState.WAITING]


def _record_outcome(
    connection: Connection, now: float, job: Job, outcome: DeliveryOutcome, *, commit: bool
) -> None:
    delivery = schema.delivery
    this = and_(
        delivery.c.object_uid == outcome.object_uid,
        delivery.c.peer == job.peer,
        delivery.c.state != DeliveryState.ACCEPTED,
    )
    if outcome.state is not DeliveryState.ACCEPTED:  # dropped during the transfer: stays dropped
        this = and_(this, delivery.c.state != DeliveryState.DROPPED)
    values = {"state": outcome.state, "status": outcome.status, "detail": outcome.detail, "updated_at": now}
    if outcome.state is DeliveryState.ACCEPTED:
        values["sent_uid"] = outcome.sent_uid
        values["commitment"] = CommitmentState.WAITING if commit else CommitmentState.NOT_ASKED
    attempts = delivery.c.attempts + 1
    connection.execute(update(delivery).where(this).values(attempts=attempts, **values))
    note(
        connection,
        now,
        _EVENT_OF[outcome.state],
        job.study_uid,
        object_uid=outcome.object_uid,
        peer=job.peer,
        status=outcome.status,
        detail=outcome.detail,
    )


def _refusal_text(refused: Sequence[Delivery]) -> str:
    first = refused[0]
    if first.status is None:
        return f"{len(refused)} objects not delivered, {first.object.kind}: {first.detail or ''}"
    status = f"status 0x{first.status:04X}"
    return f"the peer refused {len(refused)} objects, {first.object.kind} with {status}: {first.detail or ''}"


def _read_deliveries(
    connection: Connection, study_uid: str, version: int | None, peer: str | None
) -> list[Delivery]:
    item, delivery = schema.result_object, schema.delivery
    query = (
        select(delivery, *object_columns())
        .join(item, item.c.sop_instance_uid == delivery.c.object_uid)
        .where(item.c.study_uid == study_uid)
        .order_by(item.c.version, delivery.c.peer, item.c.kind.desc(), delivery.c.object_uid)
    )
    if version is not None:
        query = query.where(item.c.version == version)
    if peer is not None:
        query = query.where(delivery.c.peer == peer)
    return [_delivery(row) for row in connection.execute(query)]


def _delivery(row: AnyRow) -> Delivery:
    item = ResultObject(*(getattr(row, name) for name in ResultObject.__slots__))
    state, commitment = DeliveryState(row.state), CommitmentState(row.commitment)
    return Delivery(item, row.peer, state, row.status, row.detail, row.attempts, row.updated_at, commitment)
