"""Backoff of unreachable peers, so that their jobs wait together and keep their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, select, true, update

from ra_node.domain.job import Job, JobKind, JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, insert_new
from ra_node.ledger.database.events import note
from ra_node.ledger.jobs.queue import bury_row, release_held

_table = schema.outage


@dataclass(frozen=True, slots=True)
class Outage:
    """A peer that could not be reached for one kind of job; times are UTC seconds since 1970."""

    peer: str
    kind: JobKind
    failures: int
    since: float
    retry_at: float
    error: str


def begin_outage(
    ledger: Ledger,
    jobs: Sequence[Job],
    error: str,
    delay_s: Callable[[int], float],
    *,
    give_up_after_s: float,
) -> Outage:
    """Release the claimed jobs of one peer and postpone all of its jobs.

    `delay_s` maps the number of failures in a row to seconds. No job of this peer and kind is claimed
    before that time. Jobs older than `give_up_after_s` are buried. Raises LedgerUnavailable.
    """
    peer, kind = str(jobs[0].peer), jobs[0].kind
    with ledger.write() as connection:
        now = ledger.clock()
        found = _grown(connection, now, Outage(peer, kind, 0, now, now, error), delay_s)
        for job in jobs:
            release_held(connection, job, error)
        if give_up_after_s < float("inf"):
            _bury_old(connection, now, found, now - give_up_after_s)
    return found


def end_outage(ledger: Ledger, peer: str, kind: JobKind | None = None) -> bool:
    """Clear the backoff of a peer, for one kind of job or for all; return whether there was one."""
    these = and_(_table.c.peer == peer, _kind_is(kind))
    with ledger.read() as connection:
        if connection.execute(select(_table.c.peer).where(these)).first() is None:
            return False
    with ledger.write() as connection:
        ended = connection.execute(delete(_table).where(these)).rowcount
        if ended:
            note(connection, ledger.clock(), "peer_reached_again", None, peer=peer, kind=kind)
    return ended > 0


def outages(ledger: Ledger) -> list[Outage]:
    """Every peer that is unreachable now."""
    query = select(_table).order_by(_table.c.peer, _table.c.kind)
    with ledger.read() as connection:
        return [
            Outage(row.peer, JobKind(row.kind), row.failures, row.since, row.retry_at, row.error)
            for row in connection.execute(query)
        ]


def _kind_is(kind: JobKind | None) -> ColumnElement[bool]:
    return true() if kind is None else _table.c.kind == kind


def _grown(connection: Connection, now: float, fresh: Outage, delay_s: Callable[[int], float]) -> Outage:
    """Count one more failure; a concurrent failure of a second sender counts too."""
    row = {"peer": fresh.peer, "kind": fresh.kind, "failures": 0, "since": now, "retry_at": now}
    if insert_new(connection, _table, {**row, "error": fresh.error}):
        note(connection, now, "peer_out_of_reach", None, peer=fresh.peer, kind=fresh.kind, reason=fresh.error)
    this = and_(_table.c.peer == fresh.peer, _table.c.kind == fresh.kind)
    before = connection.execute(select(_table).where(this).with_for_update()).one()
    failures = before.failures + 1
    retry_at = now + delay_s(failures)
    change = update(_table).where(this)
    connection.execute(change.values(failures=failures, retry_at=retry_at, error=fresh.error))
    return Outage(fresh.peer, fresh.kind, failures, before.since, retry_at, fresh.error)


def _bury_old(connection: Connection, now: float, outage: Outage, born_before: float) -> None:
    job = schema.job
    old = and_(
        job.c.peer == outage.peer,
        job.c.kind == outage.kind,
        job.c.state == JobState.READY,
        job.c.created_at <= born_before,
    )
    for row in connection.execute(select(job).where(old).with_for_update(skip_locked=True)).all():
        bury_row(connection, now, row, f"expired: {outage.error}")
