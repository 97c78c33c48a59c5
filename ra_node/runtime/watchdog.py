"""Watchdog of the roles under `ra-node run`, by sd_notify datagrams as systemd does for its units.

A role sends READY, then ALIVE every second. A living process proves nothing: it may be stopped, or one of
its threads may hang.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

from ra_node.runtime.supervisor import STOPPED_S, StoppedTooLong
from ra_node.runtime.systemd import LONGEST_S, STALLED

START_S = 600.0
"""How long a role may take until its first datagram: a worker loads networks, a ledger may be migrated."""


class Watchdog:
    """A socket for each role, and the time of its last datagram."""

    def __init__(
        self,
        roles: Collection[str],
        longest_s: float = LONGEST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ra-node-"))
        self._longest_s, self._clock = longest_s, clock
        self._stopped_too_long = StoppedTooLong(clock)
        self._process: dict[str, int] = {}
        self._heard: dict[str, float] = {}
        self._ready: set[str] = set()
        self._sockets = {role: self._listen(role) for role in roles}

    def environment(self, role: str) -> dict[str, str]:
        """Address of the notification socket of a role."""
        return {"NOTIFY_SOCKET": str(self._folder / role)}

    def fault(self, role: str, pid: int) -> str | None:
        """Reason to kill a role; None while it makes progress."""
        if self._process.get(role) != pid:
            self._process[role], self._heard[role] = pid, self._clock()
            self._ready.discard(role)
        said = self._said(role)
        if said:
            self._heard[role] = self._clock()
            self._ready.add(role)
        if said and said[-1] == STALLED:
            return f"no progress for {self._longest_s:.0f} s"
        if self._stopped_too_long(pid):
            return f"stopped for {STOPPED_S:.0f} s"
        most_s = self._longest_s if role in self._ready else max(START_S, self._longest_s)
        silent_s = self._clock() - self._heard[role]
        return f"not heard of for {silent_s:.0f} s" if silent_s > most_s else None

    def close(self) -> None:
        for one in self._sockets.values():
            one.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _listen(self, role: str) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.bind(str(self._folder / role))
        made.settimeout(0)
        return made

    def _said(self, role: str) -> list[str]:
        """All pending datagrams, in order."""
        said = []
        while True:
            try:
                said.append(self._sockets[role].recv(256).decode("ascii", "replace"))
            except OSError:
                return said
