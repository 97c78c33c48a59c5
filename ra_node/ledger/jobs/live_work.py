"""Number of examine and report jobs that workers run or could run now."""

from __future__ import annotations

from sqlalchemy import and_, func, or_, select

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger


def live_jobs(ledger: Ledger) -> int:
    """Count running and due examine and report jobs; postponed ones are left out."""
    job = schema.job
    due = and_(job.c.state == JobState.READY, job.c.run_at <= ledger.clock())
    query = select(func.count()).where(
        job.c.kind.in_((JobKind.EXAMINE, JobKind.REPORT)), or_(job.c.state == JobState.LEASED, due)
    )
    with ledger.read() as connection:
        return int(connection.execute(query).scalar_one())
