"""Checks, while a role runs, that data folder and ledger still belong together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from ra_node.errors import NodeError
from ra_node.ledger.database.engine import Ledger, LedgerLost
from ra_node.ledger.storage.durable_files import Files, FolderUnavailable
from ra_node.ledger.storage.identity import Unbound, keep_mark, problem_of, tell

LOOK_EVERY_S = 2.0
"""Cache time of the check for job claims; the listener checks before each acknowledgement."""
DAMAGE_EVERY_S = 10.0
DAMAGE_SHARE = 0.01
"""Largest share of the time spent on reading the whole ledger."""


class Binding:
    """Data folder and ledger of one process; thread-safe."""

    def __init__(
        self, ledger: Ledger, files: Files, subject: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger, self._files, self._subject, self._clock = ledger, files, subject, clock
        self._lock = threading.Lock()
        self._problem, self._looked_at = "", -float("inf")
        self._damage, self._next_reading = "", -float("inf")
        self._reader: threading.Thread | None = None

    def holds(self) -> bool:
        """Whether jobs may be claimed now. Raises LedgerUnavailable while the ledger is unreachable."""
        with self._lock:
            if self._clock() - self._looked_at >= LOOK_EVERY_S:
                before, self._problem = self._problem, problem_of(self._ledger, self._files)
                self._looked_at = self._clock()
                if self._problem and self._problem != before:
                    structlog.get_logger().error("job_claims_suspended", reason=self._problem)
            return not self._problem

    def look(self) -> None:
        """Update the mark of the folder; Unbound where this process must stop receiving.

        Raises LedgerUnavailable while the ledger is unreachable.
        """
        try:
            problem = problem_of(self._ledger, self._files) or self._damaged()
        except LedgerLost as lost:
            raise Unbound(str(lost)) from lost
        if problem:
            with suppress(NodeError):
                tell(self._ledger, self._subject, problem)
            raise Unbound(problem)
        try:
            keep_mark(self._ledger, self._files)
        except (OSError, FolderUnavailable) as error:
            structlog.get_logger().warning("ledger_mark_not_saved", error=type(error).__name__)

    def expect_sound(self) -> None:
        """Read the whole ledger, where it is a file; Unbound where it is damaged."""
        file = self._ledger.file
        damage = file.damage() if file is not None else ""
        if damage:
            raise Unbound(_words(damage))

    def _damaged(self) -> str:
        """Result of the last check of the whole ledger; starts the next one when it is due."""
        reading = self._reader is not None and self._reader.is_alive()
        if self._ledger.file is not None and not reading and self._clock() >= self._next_reading:
            self._reader = threading.Thread(target=self._read_all, name="ledger check", daemon=True)
            self._reader.start()
        return _words(self._damage) if self._damage else ""

    def _read_all(self) -> None:
        assert self._ledger.file is not None
        began = self._clock()
        try:
            self._damage = self._ledger.file.damage()
        except OSError as error:
            self._damage = f"{error.strerror}"
        took_s = self._clock() - began
        self._next_reading = self._clock() + max(DAMAGE_EVERY_S, took_s / DAMAGE_SHARE)


def _words(damage: str) -> str:
    return (
        f"expected a sound ledger, found {damage}; stop the node, then `ra-node restore` puts a backup back"
    )
