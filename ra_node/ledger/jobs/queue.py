"""The job queue: each job is claimed by one worker at a time, until it is done or buried with its reason.

A claim is a lease with a fence: a worker that lost its lease cannot finish the job. A job on its second
attempt is claimed alone, so that a study that crashes its process cannot interrupt a batch twice. Each
function is one transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, select, update

from ra_node.domain.job import MAX_ATTEMPTS, Job, JobKind, JobState
from ra_node.errors import Retryable
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow, Ledger, announce, insert_new
from ra_node.ledger.database.events import note
from ra_node.ledger.database.schema import StudyState
from ra_node.ledger.jobs.claim_order import batch, candidates

_table = schema.job
EXCUSED = "machine: "
"""Prefix of the reason of a job that waits because of a fault of the machine."""
LOST = "lease lost"
"""Prefix of the reason of a job whose process ended, hung or was stopped."""


class LeaseLost(Retryable):
    """Another worker holds or has ended this job; discard the result."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Number of expired leases, by the new state of their jobs."""

    returned: int
    buried: int


def enqueue(
    connection: Connection,
    ledger: Ledger,
    kind: JobKind,
    key: str,
    study_uid: str,
    *,
    instance_id: str | None = None,
    version: int | None = None,
    peer: str | None = None,
    max_attempts: int | None = None,
) -> bool:
    """Add a job within the transaction of its cause; no effect for an existing key."""
    now = ledger.clock()
    announce(connection, kind)
    row = {
        "id": ledger.new_id(),
        "kind": kind,
        "key": key,
        "study_uid": study_uid,
        "instance_id": instance_id,
        "version": version,
        "peer": peer,
        "state": JobState.READY,
        "run_at": now,
        "attempt": 0,
        "excused": 0,
        "max_attempts": MAX_ATTEMPTS[kind] if max_attempts is None else max_attempts,
        "fence": 0,
        "created_at": now,
    }
    return insert_new(connection, _table, row)


def reopen_job(
    connection: Connection,
    ledger: Ledger,
    kind: JobKind,
    study_uid: str,
    version: int | None,
    peer: str | None,
    run_at: float | None = None,
) -> None:
    """Queue the job of one version and peer again, or for the first time; now or at `run_at`.

    A claimed one continues: its holder checks for new work when it ends.
    """
    now = ledger.clock()
    key = f"{kind}:{study_uid}:{version}:{peer}"
    if not enqueue(connection, ledger, kind, key, study_uid, version=version, peer=peer):
        fresh = {"state": JobState.READY, "attempt": 0, "excused": 0, "created_at": now, "finished_at": None}
        idle = and_(_table.c.key == key, _table.c.state != JobState.LEASED)
        connection.execute(update(_table).where(idle).values(run_at=now, **fresh))
    if run_at is not None:
        later = and_(_table.c.key == key, _table.c.state == JobState.READY)
        connection.execute(update(_table).where(later).values(run_at=run_at))


def claim(
    ledger: Ledger,
    kinds: Collection[JobKind],
    owner: str,
    limit: int,
    lease_s: float,
    *,
    peer: str | None = None,
) -> list[Job]:
    """Claim up to `limit` jobs of these kinds, longest waiting first; with `peer` only its own.

    Claims due jobs; `leases` returns those of silent workers. A job that was tried before is claimed alone.
    One without attempts left is buried instead. A report job is not claimed before every image of its version
    is examined (or buried) and every earlier version is reported. Empty: nothing to do.
    """
    with ledger.write() as connection:
        now = ledger.clock()
        while True:
            rows = candidates(connection, kinds, limit, now, peer)
            spent = [row for row in rows if row.attempt - row.excused >= row.max_attempts]
            for row in spent:
                bury_row(connection, now, row, _lost_reason(row))
            if not spent:
                break
        return [_lease(connection, row, owner, now, lease_s) for row in batch(rows)]


def heartbeat(ledger: Ledger, job: Job, lease_s: float) -> bool:
    """Renew the lease for `lease_s` seconds from now; False: it is lost, stop the job."""
    with ledger.write() as connection:
        change = update(_table).where(_held(job)).values(lease_until=ledger.clock() + lease_s)
        return connection.execute(change).rowcount == 1


def require_held(connection: Connection, job: Job) -> None:
    """Lock a claimed job within a transaction of its holder. Raises LeaseLost."""
    if connection.execute(select(_table.c.id).where(_held(job)).with_for_update()).first() is None:
        raise _lost(job)


def finish(ledger: Ledger, job: Job) -> None:
    """Mark a job without result as done. Raises LeaseLost."""
    with ledger.write() as connection:
        finish_held(connection, ledger.clock(), job)


def finish_held(connection: Connection, now: float, job: Job) -> None:
    """Mark a job done within the transaction of its result. Raises LeaseLost."""
    _free_report(connection, job.kind)
    _end_lease(connection, job, state=JobState.DONE, finished_at=now, last_error=None)


def retry(
    ledger: Ledger, job: Job, error: str, run_at: float, *, give_up_after_s: float | None = None
) -> JobState:
    """Postpone a job to `run_at`, or bury it; return READY or BURIED. Raises LeaseLost.

    Without `give_up_after_s` the attempt counts and the last one buries. With it (a peer that does
    not respond) attempts do not count and the job is buried once it is that old. `error` must hold no
    patient attribute.
    """
    with ledger.write() as connection:
        return retry_held(connection, ledger.clock(), job, error, run_at, give_up_after_s=give_up_after_s)


def retry_held(
    connection: Connection, now: float, job: Job, error: str, run_at: float, *, give_up_after_s: float | None
) -> JobState:
    """Like `retry`, within the caller's transaction."""
    if give_up_after_s is None:
        spent, excused = job.last_attempt, job.excused
    else:
        spent, excused = now - job.created_at >= give_up_after_s, job.attempt
    if spent:
        bury_held(connection, now, job, error)
        return JobState.BURIED
    _end_lease(connection, job, state=JobState.READY, run_at=run_at, excused=excused, last_error=error)
    _tell(connection, now, "job_postponed", job, error)
    return JobState.READY


def excuse(ledger: Ledger, job: Job, error: str, run_at: float) -> None:
    """Postpone a job to `run_at` that failed by no fault of its own; its attempt does not count.

    Raises LeaseLost.
    """
    with ledger.write() as connection:
        values = {"state": JobState.READY, "run_at": run_at, "excused": job.excused + 1}
        _end_lease(connection, job, last_error=f"{EXCUSED}{error}", **values)
        _tell(connection, ledger.clock(), "job_postponed", job, f"{EXCUSED}{error}")


def waiting_for_machine(ledger: Ledger, kind: JobKind) -> bool:
    """Whether a job of this kind was postponed by `excuse` and has not ended since."""
    unfinished = _table.c.state.in_((JobState.READY, JobState.LEASED))
    query = select(_table.c.id).where(
        unfinished, _table.c.kind == kind, _table.c.last_error.startswith(EXCUSED)
    )
    with ledger.read() as connection:
        return connection.execute(query.limit(1)).first() is not None


def bury(ledger: Ledger, job: Job, reason: str) -> None:
    """Bury a claimed job; only an operator can requeue it. Raises LeaseLost."""
    with ledger.write() as connection:
        bury_held(connection, ledger.clock(), job, reason)


def bury_held(connection: Connection, now: float, job: Job, reason: str) -> None:
    """Like `bury`, within the caller's transaction."""
    _free_report(connection, job.kind)
    _end_lease(connection, job, state=JobState.BURIED, finished_at=now, last_error=reason)
    _tell_burial(connection, now, job, reason)


def release(ledger: Ledger, job: Job) -> bool:
    """Release a job at a clean shutdown; the attempt does not count. False: the lease was lost."""
    with ledger.write() as connection:
        return release_held(connection, job, job.last_error)


def release_held(connection: Connection, job: Job, error: str | None) -> bool:
    """Like `release`, within the caller's transaction; `error` is the reason to wait."""
    values = {"state": JobState.READY, "attempt": job.attempt - 1, "owner": None, "lease_until": None}
    change = update(_table).where(_held(job)).values(last_error=error, **values)
    return connection.execute(change).rowcount == 1


def abandon(ledger: Ledger, owner: str) -> int:
    """Expire the leases of a worker that is known to be dead; return the number of jobs.

    The attempt counts: the job may have crashed the worker.
    """
    leased = and_(_table.c.state == JobState.LEASED, _table.c.owner == owner)
    taken = take_back(ledger, leased)
    return taken.returned + taken.buried


def job_of(row: AnyRow) -> Job:
    """Read a whole row of the job table."""
    fields = {column.name: getattr(row, column.name) for column in _table.columns}
    return Job(**{**fields, "kind": JobKind(row.kind), "state": JobState(row.state)})


def _lease(connection: Connection, row: AnyRow, owner: str, now: float, lease_s: float) -> Job:
    change = (
        update(_table)
        .where(_table.c.id == row.id)
        .values(
            state=JobState.LEASED,
            owner=owner,
            lease_until=now + lease_s,
            attempt=row.attempt + 1,
            fence=row.fence + 1,
        )
        .returning(*_table.columns)
    )
    return job_of(connection.execute(change).one())


def _held(job: Job) -> ColumnElement[bool]:
    """Condition: the row is still leased by this claim."""
    return and_(
        _table.c.id == job.id,
        _table.c.state == JobState.LEASED,
        _table.c.owner == job.owner,
        _table.c.fence == job.fence,
    )


def _end_lease(connection: Connection, job: Job, **values: object) -> None:
    change = update(_table).where(_held(job)).values(owner=None, lease_until=None, **values)
    if connection.execute(change).rowcount != 1:
        raise _lost(job)


def _lost(job: Job) -> LeaseLost:
    return LeaseLost(f"job {job.id}: expected the lease of claim {job.fence}, found it lost or ended")


def _free_report(connection: Connection, kind: JobKind) -> None:
    """Notify report workers: a report may have waited for this job, see `claim`."""
    if kind in (JobKind.EXAMINE, JobKind.REPORT):
        announce(connection, JobKind.REPORT)


def take_back(ledger: Ledger, which: ColumnElement[bool]) -> Expired:
    """Expire these leases: READY again, or BURIED after the last attempt."""
    returned = buried = 0
    with ledger.write() as connection:
        now = ledger.clock()
        for row in connection.execute(select(_table).where(which).with_for_update(skip_locked=True)).all():
            if row.attempt - row.excused >= row.max_attempts:
                bury_row(connection, now, row, _lost_reason(row))
                buried += 1
            else:
                _return_row(connection, now, row)
                returned += 1
    return Expired(returned, buried)


def _lost_reason(row: AnyRow) -> str:
    times, before = row.attempt - row.excused, _complaint(row)
    return f"{LOST} on attempt {times}; before: {before}" if before else f"{LOST} {times} times"


def _lost_on(row: AnyRow) -> str:
    """Reason of a returned job; its earlier reason is kept."""
    before = _complaint(row)
    return f"{LOST} on attempt {row.attempt}" + (f"; before: {before}" if before else "")


def _complaint(row: AnyRow) -> str:
    """The last reason of the job itself, "" for none: without lease losses and machine faults."""
    error = str(row.last_error or "")
    if error.startswith(LOST):
        return error.partition("; before: ")[2]
    return "" if error.startswith(EXCUSED) else error


def _return_row(connection: Connection, now: float, row: AnyRow) -> None:
    error = _lost_on(row)
    values = {"state": JobState.READY, "owner": None, "lease_until": None, "run_at": now, "last_error": error}
    connection.execute(update(_table).where(_table.c.id == row.id).values(**values))
    note(connection, now, "lease_expired", row.study_uid, kind=row.kind, attempt=row.attempt)


def bury_row(connection: Connection, now: float, row: AnyRow, reason: str) -> None:
    """Bury an unclaimed job, within the caller's transaction."""
    _free_report(connection, row.kind)
    values = {"state": JobState.BURIED, "owner": None, "lease_until": None, "finished_at": now}
    connection.execute(update(_table).where(_table.c.id == row.id).values(last_error=reason, **values))
    _tell_burial(connection, now, job_of(row), reason)


def _tell_burial(connection: Connection, now: float, job: Job, reason: str) -> None:
    _tell(connection, now, "job_buried", job, reason)
    if job.kind is JobKind.REPORT:
        failed = and_(schema.study.c.study_uid == job.study_uid, schema.study.c.version == job.version)
        unanswered = and_(failed, schema.study.c.state == StudyState.SETTLED)
        connection.execute(update(schema.study).where(unanswered).values(state=StudyState.FAILED))


def _tell(connection: Connection, now: float, what: str, job: Job, reason: str) -> None:
    told = {"kind": job.kind, "peer": job.peer, "reason": reason}
    note(connection, now, what, job.study_uid, attempt=job.attempt, **told)
