"""Live studies come first: whoever does other work on the node's machine waits while the node has some."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ra_node.errors import Retryable

ASK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class LiveWorkYield:
    """Waits as long as `live_jobs` counts any, or until told to stop.

    `tell` hears how many there are while it waits, and 0 when it goes on. A ledger that is away has
    no work to give to anybody, so it is not waited for.
    """

    live_jobs: Callable[[], int]
    stop: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[int], None] = lambda _jobs: None
    ask_every_s: float = ASK_EVERY_S

    def give_way(self) -> None:
        """Return as soon as the node has nothing to do."""
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
