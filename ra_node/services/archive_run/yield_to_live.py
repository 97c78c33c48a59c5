"""Live studies come first: an archive run on the node's machine waits while the node has some."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ra_node.errors import Retryable

ASK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class LiveWorkYield:
    """Waits while `live_jobs` counts any, or until stopped.

    `tell` is called with their number during the wait, and with 0 at its end. An unreachable ledger has no
    jobs, so it does not cause a wait.
    """

    live_jobs: Callable[[], int]
    stop: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[int], None] = lambda _jobs: None
    ask_every_s: float = ASK_EVERY_S

    def give_way(self) -> None:
        """Return as soon as the node has no live jobs."""
        waited = False
        while jobs := self._jobs():
            self.tell(jobs)
            waited = True
            if self.stop.wait(self.ask_every_s):
                break
        if waited:
            self.tell(0)

    def _jobs(self) -> int:
        try:
            return self.live_jobs()
        except Retryable:
            return 0
