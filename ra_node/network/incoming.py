"""The folder in which data sets arrive: it has one owner, and nothing unacknowledged outlives that one."""

from __future__ import annotations

import fcntl
import tempfile
from pathlib import Path
from typing import IO

from ra_node.errors import Fatal
from ra_node.network.engine import SPOOLED


class IncomingFolder:
    """Owned from `take` to `leave`, by this process alone.

    The library asks `tempfile` for the file of each data set, so while the folder is owned it is the
    directory for temporary files of this process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[bytes] | None = None
        self._previous: str | None = None

    def take(self) -> None:
        """Make the folder, own it and remove what an earlier owner never acknowledged.

        Raise Fatal when another listener owns it, since its unfinished files lie there too.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / ".listener").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise Fatal(
                f"expected {self.path} for this listener alone, found another listener in it"
            ) from error
        self._lock = lock
        for left_over in self.path.glob(SPOOLED):
            left_over.unlink(missing_ok=True)
        self._previous, tempfile.tempdir = tempfile.tempdir, str(self.path)

    def leave(self) -> None:
        """Give the folder up; safe to repeat."""
        if self._lock is None:
            return
        tempfile.tempdir = self._previous
        self._lock.close()
        self._lock = None
