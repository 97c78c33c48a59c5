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
LONGEST_S = 3600.0
"""How long one line of a role may be busy with one thing: sixteen studies to a PACS that takes its time."""
EVERY_S = 1.0


def tell(state: str) -> None:
    """Send one state to the socket that NOTIFY_SOCKET names; an "@" stands for the abstract ones."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if where:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(state.encode(), f"\0{where[1:]}" if where.startswith("@") else where)


@dataclass
class Pulse:
    """Says that a role is ready at its first beat, and alive as long as every line that ever beat goes on.

    A line that hangs keeps the others' beats from being told, and the watchdog starts the role again.
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
            if not due or any(now - at > self.longest_s for at in self._beats.values()):
                return
            self._told = now
        self.say(READY if first else ALIVE)
