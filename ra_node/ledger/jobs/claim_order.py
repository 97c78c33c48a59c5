"""Order of claims: the job that waits longest, unless it depends on others of its study."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select, true

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow

_UNFINISHED = (JobState.READY, JobState.LEASED)
_table = schema.job


def candidates(
    connection: Connection, kinds: Collection[JobKind], limit: int, now: float, peer: str | None = None
) -> list[AnyRow]:
    """Lock the jobs that may be claimed; PostgreSQL skips rows locked by another claim."""
    waiting = and_(_table.c.state == JobState.READY, _table.c.run_at <= now)
    query = (
        select(_table)
        .where(_table.c.kind.in_(list(kinds)), waiting, ~_must_wait())
        .where(true() if peer is None else and_(_table.c.peer == peer, ~_out_of_reach(peer, kinds, now)))
        .order_by(_table.c.run_at, _table.c.created_at, _table.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=_table)
    )
    return list(connection.execute(query))


def _out_of_reach(peer: str, kinds: Collection[JobKind], now: float) -> ColumnElement[bool]:
    """A peer that could not be reached is not tried before its retry time, whatever is queued for it."""
    outage = schema.outage
    waiting = and_(outage.c.peer == peer, outage.c.kind.in_(list(kinds)), outage.c.retry_at > now)
    return exists(select(outage.c.peer).where(waiting))


def _must_wait() -> ColumnElement[bool]:
    """A report waits for the images of its version and for the reports of earlier versions."""
    other = _table.alias()
    image = schema.instance
    blocks = or_(
        and_(other.c.kind == JobKind.EXAMINE, image.c.version <= _table.c.version),
        and_(other.c.kind == JobKind.REPORT, other.c.version < _table.c.version),
    )
    found = (
        select(other.c.id)
        .select_from(other.outerjoin(image, image.c.id == other.c.instance_id))
        .where(other.c.study_uid == _table.c.study_uid, other.c.state.in_(_UNFINISHED), blocks)
        .correlate(_table)
    )
    return and_(_table.c.kind == JobKind.REPORT, exists(found))


def batch(rows: list[AnyRow]) -> list[AnyRow]:
    """Choose a batch: a job that was tried before is claimed alone, when it is the first.

    An excused attempt does not count as tried.
    """
    if rows and rows[0].attempt > rows[0].excused:
        return rows[:1]
    return [row for row in rows if row.attempt == row.excused]
