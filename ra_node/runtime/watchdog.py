"""Watches the roles under `ra-node run` as systemd does under its units: by what each says of itself.

A role says READY, then ALIVE every second, by the datagrams of sd_notify. That its process lives proves
nothing: it may stand stopped, or a line of it may hang.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

from ra_node.runtime.supervisor import STOPPED_S, Frozen
from ra_node.runtime.systemd import LONGEST_S, STALLED

START_S = 600.0
"""How long a role may take to say anything: a worker loads networks, and a ledger may be upgraded."""


class Watchdog:
    """A socket for each role, and when each was last heard of."""

    def __init__(
        self,
        roles: Collection[str],
        longest_s: float = LONGEST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ra-node-"))
        self._longest_s, self._clock = longest_s, clock
        self._frozen = Frozen(clock)
        self._process: dict[str, int] = {}
        self._heard: dict[str, float] = {}
        self._ready: set[str] = set()
        self._sockets = {role: self._listen(role) for role in roles}

    def environment(self, role: str) -> dict[str, str]:
        """Where a role says how it is."""
        return {"NOTIFY_SOCKET": str(self._folder / role)}

    def fault(self, role: str, pid: int) -> str | None:
        """Why a role must be killed, in words; None: it comes further."""
        if self._process.get(role) != pid:
            self._process[role], self._heard[role] = pid, self._clock()
            self._ready.discard(role)
        said = self._said(role)
        if said:
            self._heard[role] = self._clock()
            self._ready.add(role)
        if said and said[-1] == STALLED:
            return f"no progress for {self._longest_s:.0f} s"
        if self._frozen(pid):
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
        """Everything that has arrived, in its order."""
        said = []
        while True:
            try:
                said.append(self._sockets[role].recv(256).decode("ascii", "replace"))
            except OSError:
                return said
