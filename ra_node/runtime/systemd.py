"""sd_notify: reports the state of a role to systemd; no effect without systemd."""

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
"""State for `ra-node run`, which then need not wait for a time-out; systemd ignores unknown keys."""
LONGEST_S = 300.0
"""Longest time of one step of a role's thread, see [limits] stall_s."""
EVERY_S = 1.0


def tell(state: str) -> None:
    """Send one state to the socket in NOTIFY_SOCKET; a leading "@" means the abstract namespace."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if where:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(0)  # the receiver may be stopped, with its queue full
            datagrams.sendto(state.encode(), f"\0{where[1:]}" if where.startswith("@") else where)


@dataclass
class Heartbeat:
    """Sends READY at the first heartbeat and WATCHDOG while every thread that has ever beaten still does.

    A thread that hangs makes the role stalled whatever the others do, and the watchdog restarts it.
    """

    longest_s: float = LONGEST_S
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = tell
    _beats: dict[str, float] = field(default_factory=dict)
    _told: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def beat(self, thread: str = "main") -> None:
        """Record a heartbeat of the calling thread; thread-safe."""
        now = self.clock()
        with self._lock:
            first, self._beats[thread] = self._told is None, now
            due = self._told is None or now - self._told >= EVERY_S
            if not due:
                return
            self._told = now
            stalled = any(now - at > self.longest_s for at in self._beats.values())
        self.say(STALLED if stalled else READY if first else ALIVE)
