"""The journal of an archive run: files and finished studies, in one SQLite file.

A study is recorded as finished after its files are synced, so a run that is killed at any point continues.
One run at a time: the journal is locked.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from ra_node.errors import Refused, Retryable
from ra_node.services.archive_run.result_rows import Cells

_TABLES = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS file (
    number INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
    scan INTEGER NOT NULL, study_uid TEXT NOT NULL, series_uid TEXT NOT NULL, sop_uid TEXT NOT NULL,
    instance_number INTEGER NOT NULL, reason TEXT NOT NULL, broken INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS file_of_study ON file (study_uid, path);
CREATE TABLE IF NOT EXISTS study (
    number INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, scan INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    state TEXT NOT NULL, rows TEXT NOT NULL
) STRICT;
"""
_FILE = "path, size, changed_ns, study_uid, series_uid, sop_uid, instance_number, reason, broken"
_ENTERED_AT_ONCE = 500
_PATIENCE_S = 5.0


class RunStudyState(StrEnum):
    """State of a study of the run; a failed one is retried at the next start."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file of the archive: its instance, or the reason why it is none.

    `broken`: it may be one, but could not be read.
    """

    path: Path
    size: int
    changed_ns: int
    study_uid: str = ""
    series_uid: str = ""
    sop_uid: str = ""
    instance_number: int = 0
    reason: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class QueuedStudies:
    """How many studies this start found, and how many of them are finished already."""

    studies: int
    done: int


class Journal:
    """An open journal. Changes are on the disk when a method returns."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
        self._scan = 0
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("BEGIN EXCLUSIVE")
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise Refused(f"expected a journal that no other run uses at {path}, found: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._db.close()

    def begin(self, facts: Mapping[str, str], started_at: str) -> str:
        """Begin a start of the run; return the time of its first start.

        `facts` are the parameters common to all results of a run. Raises Refused, with expected and found,
        where existing results were made with others.
        """
        with self._transaction():
            for name, value in {**facts, "started_at": started_at, "scan": "0"}.items():
                self._db.execute("INSERT OR IGNORE INTO fact VALUES (?, ?)", (name, value))
            kept = dict(self._db.execute("SELECT name, value FROM fact").fetchall())
            for name, value in facts.items():
                if kept[name] != value:
                    raise Refused(
                        f"expected {name} {kept[name]}, of the results that are there, found {value}; "
                        "results of two kinds are not mixed, so name another --out"
                    )
            self._scan = int(kept["scan"]) + 1
            self._db.execute("UPDATE fact SET value = ? WHERE name = 'scan'", (str(self._scan),))
        return str(kept["started_at"])

    def see(self, paths: Iterable[Path], read: Callable[[Path, os.stat_result], SeenFile]) -> Generator[None]:
        """Record files in order; `read` reads new and changed ones. Yields after each file."""
        entered = 0
        self._db.execute("BEGIN")
        try:
            for path in paths:
                self._see(path, read)
                entered += 1
                if entered % _ENTERED_AT_ONCE == 0:
                    self._db.execute("COMMIT")
                    self._db.execute("BEGIN")
                yield
        finally:
            self._db.execute("COMMIT")

    def line_up(self) -> QueuedStudies:
        """Group the files to studies, in order; a study with changed files waits again."""
        firsts = (
            "SELECT study_uid FROM file WHERE scan = ? AND study_uid <> '' "
            "GROUP BY study_uid ORDER BY min(number)"
        )
        with self._transaction():
            for (uid,) in self._db.execute(firsts, (self._scan,)).fetchall():
                self._line_up(uid, self._fingerprint(uid))
        return self._lined_up()

    def line_up_named(self, uids: Iterable[str]) -> QueuedStudies:
        """Record studies by UID, without files."""
        with self._transaction():
            for uid in uids:
                self._line_up(uid, "")
        return self._lined_up()

    def unfinished(self) -> Iterator[tuple[int, str]]:
        """Number and UID of each unfinished study of this start, each once."""
        number = 0
        query = (
            "SELECT number, uid FROM study WHERE scan = ? AND state <> 'done' AND number > ? "
            "ORDER BY number LIMIT 1"
        )
        while (found := self._db.execute(query, (self._scan, number)).fetchone()) is not None:
            number = found[0]
            yield number, found[1]

    def files_of(self, uid: str) -> list[SeenFile]:
        """The files of a study that this start has seen, by series, instance number and UID."""
        order = "series_uid, instance_number, sop_uid, path"
        query = f"SELECT {_FILE} FROM file WHERE study_uid = ? AND scan = ? ORDER BY {order}"  # noqa: S608 - constants
        return [_file(row) for row in self._db.execute(query, (uid, self._scan))]

    def finish(self, number: int, state: RunStudyState, rows: list[Cells]) -> None:
        """Record the outcome of a study."""
        with self._transaction():
            self._db.execute(
                "UPDATE study SET state = ?, rows = ? WHERE number = ?", (state, json.dumps(rows), number)
            )

    def rows(self) -> Iterator[list[Cells]]:
        """The rows of every study that was worked on, at this start or an earlier one, in order."""
        query = "SELECT rows FROM study WHERE state <> 'waiting' ORDER BY number"
        for (rows,) in self._db.execute(query):
            yield json.loads(rows)

    def skipped(self) -> Iterator[SeenFile]:
        """The files of this start that are no instances, in the order of the archive."""
        query = f"SELECT {_FILE} FROM file WHERE scan = ? AND reason <> '' ORDER BY number"  # noqa: S608 - constants
        for row in self._db.execute(query, (self._scan,)):
            yield _file(row)

    def _see(self, path: Path, read: Callable[[Path, os.stat_result], SeenFile]) -> None:
        key = os.fsencode(path)
        try:
            stat = path.stat()
        except OSError:
            stat = path.lstat()  # a broken link; `read` reports it
        known = self._db.execute(
            "UPDATE file SET scan = ? WHERE path = ? AND size = ? AND changed_ns = ? AND NOT broken",
            (self._scan, key, stat.st_size, stat.st_mtime_ns),
        )
        if known.rowcount:
            return
        one = read(path, stat)
        values = (
            *(one.size, one.changed_ns, self._scan, one.study_uid, one.series_uid, one.sop_uid),
            *(one.instance_number, one.reason, one.broken),
        )
        self._db.execute(
            "INSERT INTO file (path, size, changed_ns, scan, study_uid, series_uid, sop_uid, "
            "instance_number, reason, broken) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (path) DO UPDATE SET size = excluded.size, "
            "changed_ns = excluded.changed_ns, scan = excluded.scan, "
            "study_uid = excluded.study_uid, series_uid = excluded.series_uid, sop_uid = excluded.sop_uid, "
            "instance_number = excluded.instance_number, reason = excluded.reason, broken = excluded.broken",
            (key, *values),
        )

    def _fingerprint(self, uid: str) -> str:
        digest = sha256()
        query = "SELECT path, size, changed_ns FROM file WHERE study_uid = ? AND scan = ? ORDER BY path"
        for path, size, changed_ns in self._db.execute(query, (uid, self._scan)):
            digest.update(f"{path.hex()} {size} {changed_ns}\n".encode())
        return digest.hexdigest()

    def _line_up(self, uid: str, fingerprint: str) -> None:
        self._db.execute(
            "INSERT INTO study (uid, scan, fingerprint, state, rows) VALUES (?, ?, ?, 'waiting', '[]') "
            "ON CONFLICT (uid) DO UPDATE SET scan = excluded.scan, fingerprint = excluded.fingerprint, "
            "state = CASE WHEN fingerprint = excluded.fingerprint THEN state ELSE 'waiting' END",
            (uid, self._scan, fingerprint),
        )

    def _lined_up(self) -> QueuedStudies:
        query = "SELECT count(*), coalesce(sum(state = 'done'), 0) FROM study WHERE scan = ?"
        return QueuedStudies(*self._db.execute(query, (self._scan,)).fetchone())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise Retryable(f"the journal cannot be written: {error}") from error
            raise


def _file(row: tuple[Any, ...]) -> SeenFile:
    path, *others, broken = row
    return replace(SeenFile(Path(os.fsdecode(path)), *others), broken=bool(broken))
