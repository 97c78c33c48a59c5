"""Tells systemd how a role stands, in the few bytes of sd_notify; without systemd it says nothing."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"
STALLED = "X_RA_NODE_STALLED=1"
"""For `ra-node run`, which need not wait for silence; systemd leaves out what it does not know."""
LONGEST_S = 300.0
"""How long one line of a role may be busy with one step, see [limits] stall_s."""
EVERY_S = 1.0


def tell(state: str) -> None:
    """Send one state to the socket that NOTIFY_SOCKET names; an "@" stands for the abstract ones."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if where:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(0)  # whoever listens may be stopped, with its queue full
            datagrams.sendto(state.encode(), f"\0{where[1:]}" if where.startswith("@") else where)


@dataclass
class Pulse:
    """Says that a role is ready at its first beat, and alive as long as every line that ever beat goes on.

    A line that hangs makes the role stalled whatever the others do, and the watchdog starts it again.
    """

    longest_s: float = LONGEST_S
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = tell
    _beats: dict[str, float] = field(default_factory=dict)
    _told: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def beat(self, line: str = "main") -> None:
        """Note that a line is through with one round; safe from any thread."""
        now = self.clock()
        with self._lock:
            first, self._beats[line] = self._told is None, now
            due = self._told is None or now - self._told >= EVERY_S
            if not due:
                return
            self._told = now
            stalled = any(now - at > self.longest_s for at in self._beats.values())
        self.say(STALLED if stalled else READY if first else ALIVE)
