"""Begins requested withdrawals, a few at a time and behind live work.

At most AT_ONCE reports of withdrawals wait in the queue of the workers, so that an arriving study waits for
these at most; under steady load one begins every LONGEST_PAUSE_S all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from ra_node.domain.texts.withdrawal import withdrawal_refusal
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.jobs.live_work import live_jobs
from ra_node.ledger.withdrawals import begin_withdrawal, next_withdrawals

AT_ONCE = 2
LONGEST_PAUSE_S = 10.0


@dataclass(slots=True)
class WithdrawalStarter:
    """The task of the scheduler; not thread-safe."""

    ledger: Ledger
    _last: float = field(default=float("-inf"))

    def step(self) -> None:
        """Begin the next withdrawals unless live work waits."""
        now = self.ledger.clock()
        busy = live_jobs(self.ledger) > 0
        if busy and abs(now - self._last) < LONGEST_PAUSE_S:
            return
        for request in next_withdrawals(self.ledger, 1 if busy else AT_ONCE):
            at = datetime.fromtimestamp(request.requested_at, UTC)
            refusal = withdrawal_refusal(request.cause, request.reason, at)
            version = begin_withdrawal(self.ledger, request, refusal)
            self._last = now
            if version is not None:
                told = {"study_uid": request.study_uid, "version": version, "cause": request.cause}
                structlog.get_logger().info("study_withdrawn", **told)
