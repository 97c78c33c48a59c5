"""Expires the leases of silent workers, and corrects due times that a wrong clock has set.

A lease expires when it was not renewed for its length by the monotonic clock of one process: neither clock
jumps nor different clocks of hosts affect it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, case, or_, select, update

from ra_node.domain.job import JobKind, JobState, longest_wait_s
from ra_node.ledger.clock_trust import SKEW_S
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.jobs.queue import Expired, take_back

_job, _outage = schema.job, schema.outage
_ATTEMPTS = range(12)
"""Number of attempts after which the delay does not grow any more."""


@dataclass
class LeaseWatch:
    """Measures how long each lease was not renewed; not thread-safe."""

    lease_s: float
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[int, float, float]] = field(default_factory=dict)

    def expire(self, ledger: Ledger) -> Expired:
        """Expire each lease that was seen unchanged for `lease_s`."""
        now = self.clock()
        query = select(_job.c.id, _job.c.fence, _job.c.lease_until).where(_job.c.state == JobState.LEASED)
        with ledger.read() as connection:
            held = [
                (str(row.id), int(row.fence), float(row.lease_until)) for row in connection.execute(query)
            ]
        before, self._seen = self._seen, {}
        late = []
        for name, fence, until in held:
            since = before[name][2] if before.get(name, ())[:2] == (fence, until) else now
            self._seen[name] = (fence, until, since)
            if now - since >= self.lease_s:
                late.append(and_(_job.c.id == name, _job.c.fence == fence, _job.c.lease_until == until))
        if not late:
            return Expired(0, 0)
        return take_back(ledger, and_(_job.c.state == JobState.LEASED, or_(*late)))


def mend_due_times(ledger: Ledger) -> int:
    """Make jobs due whose due time is beyond its maximum; return their number.

    Their time was set while the clock was ahead, or the clock has been set back since.
    """
    now = ledger.clock()
    waiting = and_(_job.c.state == JobState.READY, _job.c.run_at > now + _longest_wait() + SKEW_S)
    away = _outage.c.retry_at > now + longest_wait_s(JobKind.DELIVER, 0) + SKEW_S
    with ledger.read() as connection:
        found = [connection.execute(select(1).where(which).limit(1)).first() for which in (waiting, away)]
    if not any(found):
        return 0
    with ledger.write() as connection:
        mended = connection.execute(update(_job).where(waiting).values(run_at=now)).rowcount
        return mended + connection.execute(update(_outage).where(away).values(retry_at=now)).rowcount


def _longest_wait() -> ColumnElement[float]:
    """`longest_wait_s` of the row; the same for every attempt at a destination."""
    sent = [(_job.c.kind == kind, longest_wait_s(kind, 0)) for kind in (JobKind.COMMIT, JobKind.DELIVER)]
    made = [(_job.c.attempt == attempt, longest_wait_s(JobKind.EXAMINE, attempt)) for attempt in _ATTEMPTS]
    return case(*sent, *made, else_=longest_wait_s(JobKind.EXAMINE, _ATTEMPTS.stop))
