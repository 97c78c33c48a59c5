"""Login throttling: after a few wrong passwords an address must wait; a name only after many addresses.

An attempt counts before its password is hashed: 44 of 100 parallel wrong ones were judged when it counted
afterwards. One address adds at most `ALLOWED` attempts to those of a name, however long it goes on, so that
it cannot lock out the user of that name at another address.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

ALLOWED = 5
"""Wrong passwords in a row before the first wait."""
ALLOWED_BY_NAME = 100
"""Wrong passwords for a name from all addresses together (at least 20 of them) before that name must wait."""
FIRST_WAIT_S = 15.0
LONGEST_WAIT_S = 900.0
IPV6_PREFIX = 64
"""One subscriber has at least a /64: its addresses count as one."""
KEPT = 10_000
"""Most stored names and addresses; the oldest are dropped."""


class Throttle:
    """Counts wrong passwords by key; safe to share among threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def must_wait(self, *keys: str) -> bool:
        """Whether an attempt would have to wait now."""
        with self._lock:
            return any(self._wrong[key][1] > self._clock() for key in keys if key in self._wrong)

    def attempt(self, *keys: str, name: str = "") -> float:
        """Count an attempt as wrong until `right`; seconds to wait instead where any of these must, 0: go on.

        Each attempt from the fifth on doubles the wait, to a quarter of an hour. `name` is the key that all
        addresses share; an address whose own keys are used up adds nothing to it.
        """
        with self._lock:
            now = self._clock()
            every = (*keys, name) if name else keys
            until = max((self._wrong[key][1] for key in every if key in self._wrong), default=0.0)
            if until > now:
                return until - now
            used_up = any(self._wrong[key][0] >= ALLOWED for key in keys if key in self._wrong)
            for key in keys:
                self._count(key, ALLOWED, now)
            if name and not used_up:
                self._count(name, ALLOWED_BY_NAME, now)
            while len(self._wrong) > KEPT:
                self._wrong.popitem(last=False)
            return 0.0

    def _count(self, key: str, allowed: int, now: float) -> None:
        """Add one attempt, and the wait after it."""
        count = self._wrong.pop(key, (0, 0.0))[0] + 1
        over = count - allowed
        wait = min(FIRST_WAIT_S * 2.0 ** min(over, 30), LONGEST_WAIT_S) if over >= 0 else 0.0
        self._wrong[key] = (count, now + wait)

    def right(self, *keys: str) -> None:
        """The right password: reset the count."""
        with self._lock:
            for key in keys:
                self._wrong.pop(key, None)


def network_of(caller: str) -> str:
    """The address that attempts are counted by: an IPv4 address, the /64 of an IPv6 one."""
    try:
        address = ipaddress.ip_address(caller.partition("%")[0])
    except ValueError:
        return caller
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)
