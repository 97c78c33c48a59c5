"""Group commit: concurrent writes of threads share a transaction; each waits for its commit.

SQLite has one writer at a time, and a busy connection polls after milliseconds of sleep. Here the threads of
one process queue instead: while one commits, the writes of the others are collected, and form the next
transaction with one sync of the log.
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
    """A write of one thread and its outcome: a result, an error, or neither yet."""

    def __init__(self, act: Callable[[Connection], Any]) -> None:
        self.act = act
        self.woken = threading.Event()
        self.tried = False
        self.result: list[Any] = []
        self.error: Exception | None = None


class GroupCommit:
    """Writes of the threads of one process; on PostgreSQL each in its own transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._alone = ledger.engine.dialect.name != "sqlite"
        self._lock = threading.Lock()
        self._busy = False
        self._gathered: list[_Change] = []

    def write(self, act: Callable[[Connection], T]) -> T:
        """Run `act` in a transaction, and return its result after the commit.

        An exception rolls back its own writes only; it may be called a second time after a rollback of
        another. LedgerUnavailable: nothing of it was written.
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
        """Whether another thread is committing and will wake this one."""
        with self._lock:
            self._gathered.append(change)
            behind, self._busy = self._busy, True
        return behind

    def _commit_gathered(self) -> None:
        """Commit all queued writes, wake their threads, and hand over to the first of the new ones."""
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
        """Commit several writes at once, and set their outcomes afterwards.

        Where one has broken the shared transaction no outcome is set: each is then run alone.
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
    """Run one write in a savepoint; its exceptions undo it alone, except for those of the database."""
    try:
        with connection.begin_nested():
            return [act(connection)], None
    except DBAPIError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again in the thread that asked
        return [], error
