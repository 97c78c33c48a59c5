"""One transaction for those who want to commit at the same time; each hears of its end before it goes on.

SQLite has one writer at a time, and who finds it busy looks again after milliseconds of sleep. Here the
threads of one process line up instead: while one commits, the others gather, and what they have gathered
is the next transaction, with one sync of the log for all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ra_node.ledger.database.engine import Ledger, LedgerUnavailable

T = TypeVar("T")


class _Change:
    """What one thread wants written, and what became of it: one result, an error, or neither."""

    def __init__(self, act: Callable[[Connection], Any]) -> None:
        self.act = act
        self.woken = threading.Event()
        self.tried = False
        self.result: list[Any] = []
        self.error: Exception | None = None


class GroupCommit:
    """Writes to a ledger for the threads of one process; on a server each by itself, as servers like it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._alone = ledger.engine.dialect.name != "sqlite"
        self._lock = threading.Lock()
        self._busy = False
        self._gathered: list[_Change] = []

    def write(self, act: Callable[[Connection], T]) -> T:
        """Let `act` write, and return what it returned once that is committed.

        An error that it raises undoes what it wrote and nobody else's; it may be called a second time
        after that of another was undone with it. LedgerUnavailable: nothing of this was written.
        """
        if self._alone:
            return self._write_alone(act)
        change = _Change(act)
        if self._line_up(change):
            change.woken.wait()
        if not change.tried:
            self._commit_gathered()
        if change.error is not None:
            raise change.error
        result: T = change.result[0] if change.result else self._write_alone(act)
        return result

    def _write_alone(self, act: Callable[[Connection], T]) -> T:
        with self.ledger.write() as connection:
            return act(connection)

    def _line_up(self, change: _Change) -> bool:
        """Tell whether another thread is committing and will wake this one."""
        with self._lock:
            self._gathered.append(change)
            behind, self._busy = self._busy, True
        return behind

    def _commit_gathered(self) -> None:
        """Commit all who wait, wake them, and let the first of those who came meanwhile do the same."""
        with self._lock:
            batch, self._gathered = self._gathered, []
        try:
            if len(batch) == 1:
                batch[0].result = [self._write_alone(batch[0].act)]
            else:
                self._commit(batch)
        finally:
            with self._lock:
                following = self._gathered[:1]
                self._busy = bool(following)
            for change in batch:
                change.tried = True
            for change in (*batch, *following):
                change.woken.set()

    def _commit(self, batch: list[_Change]) -> None:
        """Commit several changes at once, and note what became of each only then.

        Where one has broken the transaction of all nothing is noted: alone, each hears of its own error.
        """
        try:
            with self.ledger.write() as connection:
                outcomes = [_attempted(connection, change.act) for change in batch]
        except LedgerUnavailable as error:
            outcomes = [([], LedgerUnavailable(str(error))) for _ in batch]
        except Exception:  # noqa: BLE001 - whose it was will be seen
            return
        for change, (result, failure) in zip(batch, outcomes, strict=True):
            change.result, change.error = result, failure


def _attempted(connection: Connection, act: Callable[[Connection], T]) -> tuple[list[T], Exception | None]:
    """Do one change among others; what it raises undoes it alone, but for what the database raises."""
    try:
        with connection.begin_nested():
            return [act(connection)], None
    except DBAPIError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again in the thread that asked
        return [], error
