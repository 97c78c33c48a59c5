"""Disk guard with hysteresis: closed below one limit, open again above a higher one."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

LOOK_EVERY_S = 0.5
"""How long a result is cached; at a gigabit a second this admits 60 MB too much."""


def free_bytes(folder: Path) -> int:
    """Free space of the disk that holds a folder, in bytes; OSError where there is none."""
    return shutil.disk_usage(folder).free


class DiskGuard:
    """Free space of one disk with hysteresis, so that a node at the limit does not alternate.

    Closed below `low` bytes, open again from `enough` bytes. Thread-safe. Closed where the free space cannot
    be read.
    """

    def __init__(
        self,
        folder: Path,
        low: int,
        enough: int,
        free: Callable[[Path], int] = free_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if enough < low:
            raise ValueError(f"expected enough >= low, found {enough} < {low}")
        self._folder, self._low, self._enough = folder, low, enough
        self._free, self._clock = free, clock
        self._lock = threading.Lock()
        self._open = True
        self._looked_at = -float("inf")

    def has_room(self) -> bool:
        """Whether something new may be written now."""
        with self._lock:
            if self._clock() - self._looked_at >= LOOK_EVERY_S:
                self._look()
            return self._open

    def _look(self) -> None:
        self._looked_at = self._clock()
        try:
            free = self._free(self._folder)
        except OSError:
            free = 0
        was_open, self._open = self._open, free >= (self._low if self._open else self._enough)
        if was_open != self._open:
            structlog.get_logger().warning(
                "disk_space_recovered" if self._open else "disk_limit_reached",
                free_bytes=free,
                low=self._low,
                enough=self._enough,
            )
