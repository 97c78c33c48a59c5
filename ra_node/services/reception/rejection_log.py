"""Records rejected callers in the event log, with a rate limit."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import structlog

from ra_node.errors import Retryable
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import record

EVERY_S = 60.0
MOST = 100
"""Most different callers and reasons recorded per minute; the log has them all."""


@dataclass
class Refusals:
    """One entry a minute for each caller and reason, with the number of times since the last."""

    ledger: Ledger
    _since: float = 0.0
    _counts: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, ae_title: str, address: str, reason: str) -> None:
        """Record a rejection; never raises, because the caller is rejected in any case."""
        with self._lock:
            due = self._due((ae_title, address, reason))
        try:
            for (calling, where, why), times in due.items():
                what = "caller_refused"
                record(self.ledger, what, calling_ae=calling, address=where, reason=why, times=times)
        except Retryable as error:
            structlog.get_logger().warning("rejection_not_recorded", error=str(error))

    def _due(self, caller: tuple[str, str, str]) -> dict[tuple[str, str, str], int]:
        """Entries to write now: this caller if new in this minute, and the counts of the previous minute."""
        now, due = self.ledger.clock(), {}
        if now - self._since >= EVERY_S:
            due = {one: times for one, times in self._counts.items() if times}
            self._since, self._counts = now, {}
        if caller in self._counts:
            self._counts[caller] += 1
        elif len(self._counts) < MOST:
            self._counts[caller] = 0
            due[caller] = due.get(caller, 0) + 1
        return due
