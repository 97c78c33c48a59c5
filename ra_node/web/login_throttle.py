"""Login throttling: after a few wrong passwords a name or an address must wait.

An attempt counts before its password is hashed: 44 of 100 parallel wrong ones were judged when it counted
afterwards.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

ALLOWED = 5
"""Wrong passwords in a row before the first wait."""
FIRST_WAIT_S = 15.0
LONGEST_WAIT_S = 900.0
KEPT = 10_000
"""Most stored names and addresses; the oldest are dropped."""


class Throttle:
    """Counts wrong passwords by name and by address, each on its own; safe to share among threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def must_wait(self, *keys: str) -> bool:
        """Whether an attempt would have to wait now."""
        with self._lock:
            return any(self._wrong[key][1] > self._clock() for key in keys if key in self._wrong)

    def attempt(self, *keys: str) -> float:
        """Count an attempt as wrong until `right`; seconds to wait instead where any of these must, 0: go on.

        Each attempt from the fifth on doubles the wait, to a quarter of an hour.
        """
        with self._lock:
            now = self._clock()
            until = max((self._wrong[key][1] for key in keys if key in self._wrong), default=0.0)
            if until > now:
                return until - now
            for key in keys:
                count = self._wrong.pop(key, (0, 0.0))[0] + 1
                over = count - ALLOWED
                wait = min(FIRST_WAIT_S * 2.0 ** min(over, 30), LONGEST_WAIT_S) if over >= 0 else 0.0
                self._wrong[key] = (count, now + wait)
            while len(self._wrong) > KEPT:
                self._wrong.popitem(last=False)
            return 0.0

    def right(self, *keys: str) -> None:
        """The right password: reset the count."""
        with self._lock:
            for key in keys:
                self._wrong.pop(key, None)
