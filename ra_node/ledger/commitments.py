"""Storage commitment transactions, recorded before the request is sent (PS3.4 annex J).

An object is delivered when its peer accepted it, and committed when the peer reported storage commitment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select, update

from ra_node.domain.job import Job, JobKind, JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow, Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.database.schema import CommitmentState, DeliveryState
from ra_node.ledger.jobs.queue import bury_row, finish_held, reopen_job, require_held, retry_held

RESENDS = 30
"""Commitment failures of an object until its job is buried; with the delays, about a day."""

_delivery, _object, _asked = schema.delivery, schema.result_object, schema.transaction
_sent_uid = func.coalesce(_delivery.c.sent_uid, _delivery.c.object_uid)


@dataclass(frozen=True, slots=True)
class SopReference:
    """An object as it was sent, which may be the fallback of the created one."""

    sop_class_uid: str
    sop_instance_uid: str


class Reported(StrEnum):
    """Outcome of a storage commitment report."""

    TAKEN = "taken"
    UNKNOWN = "unknown"
    """No transaction has this UID."""
    STRANGER = "stranger"
    """The request was sent to another peer."""


def uncommitted(ledger: Ledger, job: Job) -> list[SopReference]:
    """Objects that the peer of a commit job has accepted and not yet committed."""
    sent = _object.alias()
    query = (
        select(sent.c.sop_class_uid, sent.c.sop_instance_uid)
        .select_from(_delivery.join(sent, sent.c.sop_instance_uid == _sent_uid))
        .where(_waits(job.study_uid, job.version, job.peer))
        .order_by(sent.c.kind.desc(), sent.c.sop_instance_uid)
    )
    with ledger.read() as connection:
        return [SopReference(*row) for row in connection.execute(query)]


def begin_transaction(ledger: Ledger, job: Job, transaction_uid: str, ae_title: str) -> int:
    """Record a request that is about to be sent; return the number of requests so far, including it.

    Raises LeaseLost.
    """
    told = {"peer": job.peer, "version": job.version, "transaction_uid": transaction_uid}
    with ledger.write() as connection:
        require_held(connection, job)
        now = ledger.clock()
        before = connection.execute(select(func.max(_asked.c.asked_at)).where(_these(job))).scalar()
        asked_at = (
            now if before is None else max(now, before + 0.001)
        )  # the newest, also after the clock went back
        row = {**told, "study_uid": job.study_uid, "ae_title": ae_title, "asked_at": asked_at}
        connection.execute(_asked.insert(), [row])
        note(connection, now, "commitment_asked", job.study_uid, **told)
        return _times_asked(connection, job.study_uid, job.version, job.peer)


def end_transaction(ledger: Ledger, job: Job, ask_again_at: float, *, give_up_after_s: float) -> JobState:
    """End a commit job whose request was accepted; without a report it is repeated at that time.

    DONE: everything is committed, or the rest is being sent again. Raises LeaseLost.
    """
    with ledger.write() as connection:
        require_held(connection, job)
        now = ledger.clock()
        _revive_lacking(connection, ledger, str(job.peer))
        if connection.execute(_any_waits(job)).first() is None:
            finish_held(connection, now, job)
            return JobState.DONE
        error = "the peer has not yet reported storage commitment"
        return retry_held(connection, now, job, error, ask_again_at, give_up_after_s=give_up_after_s)


def record_report(
    ledger: Ledger,
    transaction_uid: str,
    ae_titles: Collection[str],
    committed: Collection[str],
    failed: Mapping[str, str],
    resend_delay_s: Callable[[int], float],
) -> Reported:
    """Record a peer's report on a transaction; objects that failed are sent again.

    `committed` and `failed` (with reasons) are SOP Instance UIDs as they were sent. A report is valid where
    the request was sent to one of `ae_titles`, for which its sender may report, and only for the objects of
    that request. A repeated report changes nothing, and a report after a newer request can only add
    commitments.
    """
    this = _asked.c.transaction_uid == transaction_uid
    with ledger.write() as connection:
        asked = connection.execute(select(_asked).where(this).with_for_update()).first()
        if asked is None:
            return Reported.UNKNOWN
        if asked.ae_title.strip() not in {ae_title.strip() for ae_title in ae_titles}:
            return Reported.STRANGER
        now = ledger.clock()
        _keep_promises(connection, now, asked, committed)
        if asked.answered_at is None and _is_newest(connection, asked):
            _send_again(connection, ledger, asked, failed, resend_delay_s)
        connection.execute(update(_asked).where(this).values(answered_at=now))
        _end_if_nothing_waits(connection, now, asked)
    return Reported.TAKEN


def record_lacking(ledger: Ledger, job: Job, detail: str) -> None:
    """Mark the objects of a commit job: their peer has no Storage Commitment. Raises LeaseLost."""
    with ledger.write() as connection:
        now = ledger.clock()
        finish_held(connection, now, job)
        change = update(_delivery).where(_waits(job.study_uid, job.version, job.peer))
        connection.execute(change.values(commitment=CommitmentState.LACKING))
        told = {"peer": job.peer, "version": job.version, "reason": detail}
        note(connection, now, "commitment_lacking", job.study_uid, **told)


def want_commitment(connection: Connection, ledger: Ledger, job: Job) -> None:
    """Queue a storage commitment request for a delivery, within the caller's transaction."""
    if connection.execute(_any_waits(job)).first() is not None:
        reopen_job(connection, ledger, JobKind.COMMIT, job.study_uid, job.version, job.peer)


def waive(ledger: Ledger, peer: str) -> int:
    """Waive the pending commitments of a peer that is no longer asked; return their number."""
    unkept = (CommitmentState.WAITING, CommitmentState.LACKING)
    these = and_(_delivery.c.peer == peer, _delivery.c.commitment.in_(unkept))
    with ledger.read() as connection:
        if connection.execute(select(_delivery.c.peer).where(these).limit(1)).first() is None:
            return 0
    with ledger.write() as connection:
        now = ledger.clock()
        change = update(_delivery).where(these).values(commitment=CommitmentState.WAIVED)
        count = connection.execute(change).rowcount
        job = schema.job
        idle = job.c.state.in_((JobState.READY, JobState.BURIED))
        of_peer = and_(job.c.kind == JobKind.COMMIT, job.c.peer == peer, idle)
        ended = {"state": JobState.DONE, "finished_at": now, "last_error": None}
        connection.execute(update(job).where(of_peer).values(**ended))
        note(connection, now, "commitment_waived", None, peer=peer, objects=count)
    return count


def _of(study_uid: str, version: int | None, peer: str | None) -> ColumnElement[bool]:
    """The deliveries of one version to one peer."""
    objects = select(_object.c.sop_instance_uid).where(
        _object.c.study_uid == study_uid, _object.c.version == version
    )
    return and_(_delivery.c.peer == peer, _delivery.c.object_uid.in_(objects))


def _waits(study_uid: str, version: int | None, peer: str | None) -> ColumnElement[bool]:
    accepted = _delivery.c.state == DeliveryState.ACCEPTED
    return and_(_of(study_uid, version, peer), accepted, _delivery.c.commitment == CommitmentState.WAITING)


def _any_waits(job: Job) -> Select[tuple[str]]:
    return select(_delivery.c.object_uid).where(_waits(job.study_uid, job.version, job.peer)).limit(1)


def _these(asked: AnyRow | Job) -> ColumnElement[bool]:
    """The transactions about the same version and peer."""
    return and_(
        _asked.c.study_uid == asked.study_uid, _asked.c.version == asked.version, _asked.c.peer == asked.peer
    )


def _times_asked(connection: Connection, study_uid: str, version: int | None, peer: str | None) -> int:
    these = (_asked.c.study_uid == study_uid, _asked.c.version == version, _asked.c.peer == peer)
    return int(connection.execute(select(func.count()).select_from(_asked).where(*these)).scalar_one())


def _is_newest(connection: Connection, asked: AnyRow) -> bool:
    newest = select(func.max(_asked.c.asked_at)).where(_these(asked))
    return bool(connection.execute(newest).scalar() == asked.asked_at)


def _keep_promises(connection: Connection, now: float, asked: AnyRow, committed: Collection[str]) -> None:
    unkept = _delivery.c.commitment.not_in((CommitmentState.NOT_ASKED, CommitmentState.COMMITTED))
    accepted = _delivery.c.state == DeliveryState.ACCEPTED
    of_asked = _of(asked.study_uid, asked.version, asked.peer)
    query = select(_delivery.c.object_uid, _sent_uid.label("sent")).where(of_asked, unkept, accepted)
    for row in connection.execute(query).all():
        if row.sent in committed:
            this = and_(_delivery.c.object_uid == row.object_uid, _delivery.c.peer == asked.peer)
            change = update(_delivery).where(this)
            connection.execute(change.values(commitment=CommitmentState.COMMITTED, updated_at=now))
            note(
                connection,
                now,
                "object_committed",
                asked.study_uid,
                object_uid=row.object_uid,
                peer=asked.peer,
            )


def _send_again(
    connection: Connection,
    ledger: Ledger,
    asked: AnyRow,
    failed: Mapping[str, str],
    resend_delay_s: Callable[[int], float],
) -> None:
    """Queue objects that failed commitment for delivery again, unless they failed too often."""
    now = ledger.clock()
    of_version = (asked.study_uid, asked.version, asked.peer)
    rows = connection.execute(
        select(_delivery.c.object_uid, _sent_uid.label("sent")).where(_waits(*of_version))
    ).all()
    lost = {row.object_uid: failed[row.sent] for row in rows if row.sent in failed}
    times = _times_asked(connection, *of_version)
    for object_uid, reason in lost.items():
        told = {"object_uid": object_uid, "peer": asked.peer, "reason": reason}
        note(connection, now, "commitment_failed", asked.study_uid, **told)
        this = and_(_delivery.c.object_uid == object_uid, _delivery.c.peer == asked.peer)
        change = update(_delivery).where(this).values(detail=f"not committed: {reason}", updated_at=now)
        connection.execute(change if times >= RESENDS else change.values(state=DeliveryState.WAITING))
    if lost and times < RESENDS:
        reopen_job(connection, ledger, JobKind.DELIVER, *of_version, now + resend_delay_s(times))
    elif lost:
        reason = f"the peer failed {times} times to keep {len(lost)} objects: {next(iter(lost.values()))}"
        for row in connection.execute(_ready_jobs(asked)).all():
            bury_row(connection, now, row, reason)


def _end_if_nothing_waits(connection: Connection, now: float, asked: AnyRow) -> None:
    """End a waiting commit job; a claimed one is ended by its holder."""
    of_version = (asked.study_uid, asked.version, asked.peer)
    if connection.execute(select(_delivery.c.object_uid).where(_waits(*of_version)).limit(1)).first():
        return
    job = schema.job
    for row in connection.execute(_ready_jobs(asked)).all():
        change = update(job).where(job.c.id == row.id)
        connection.execute(change.values(state=JobState.DONE, finished_at=now, last_error=None))


def _ready_jobs(asked: AnyRow) -> Select[tuple[Any, ...]]:
    job = schema.job
    return (
        select(job)
        .where(job.c.kind == JobKind.COMMIT, job.c.state == JobState.READY)
        .where(job.c.study_uid == asked.study_uid, job.c.version == asked.version, job.c.peer == asked.peer)
        .with_for_update()
    )


def _revive_lacking(connection: Connection, ledger: Ledger, peer: str) -> None:
    """Queue requests again for a peer that did not offer the service before and does now."""
    lacking = and_(_delivery.c.peer == peer, _delivery.c.commitment == CommitmentState.LACKING)
    query = (
        select(_object.c.study_uid, _object.c.version)
        .join(_delivery, _delivery.c.object_uid == _object.c.sop_instance_uid)
        .where(lacking)
        .distinct()
    )
    versions = connection.execute(query).all()
    if versions:
        connection.execute(update(_delivery).where(lacking).values(commitment=CommitmentState.WAITING))
    for row in versions:
        reopen_job(connection, ledger, JobKind.COMMIT, row.study_uid, row.version, peer)
