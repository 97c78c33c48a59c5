"""Sessions that were signed out: their cookies stay valid by signature and are refused by this list."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ra_node.filesystem.durable_write import write_atomically

MOST = 10_000
"""Most sessions kept; the first to expire are dropped."""


class EndedSessions:
    """Session identifiers with the time when their cookies become invalid anyway, in a file of mode 0600."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock, self._lock = path, clock, threading.Lock()
        self._until: dict[str, float] = self._read()

    def end(self, session: str, lifetime_s: float) -> None:
        """Refuse this session from now on, also after a restart."""
        with self._lock:
            now = self._clock()
            kept = {name: until for name, until in self._until.items() if until > now}
            kept[session] = now + lifetime_s
            self._until = dict(sorted(kept.items(), key=lambda entry: entry[1])[-MOST:])
            write_atomically(self._path, json.dumps(self._until).encode())

    def __contains__(self, session: object) -> bool:
        return session in self._until

    def _read(self) -> dict[str, float]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(name): float(until) for name, until in found.items()} if isinstance(found, dict) else {}
