"""Opens the ledger; each use is one transaction, committed to disk or rolled back.

SQLite runs in WAL mode with synchronous=FULL, so that commits survive a power cut, and every write takes its
lock at the start (BEGIN IMMEDIATE), so that it waits instead of failing.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Executable,
    Row,
    Table,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ra_node.errors import Fatal, Retryable
from ra_node.filesystem.os_errors import node_error
from ra_node.ledger.database.sqlite_file import SqliteFile, absent, lost
from ra_node.ledger.migrations import HEAD

BUSY_TIMEOUT_S = 30.0
PG_DRIVER = "pg8000"
SETTLING = "settling"
"""Topic of notifications: a study may settle earlier than scheduled."""
_ANNOUNCED = "announced"
AnyRow: TypeAlias = "Row[*tuple[Any, ...]]"
_RETRYABLE_SQLSTATES = ("08", "25006", "40", "53", "55", "57")


class LedgerUnavailable(Retryable):
    """The database is locked, full, restarting or unreachable; nothing of this transaction was written."""


class LedgerLost(LedgerUnavailable):
    """The ledger file was removed, replaced or damaged while open: this process must end."""


class LedgerMissing(Fatal):
    """There is no ledger at the URL, and none may be created."""


def random_id() -> str:
    """A unique name of 32 hexadecimal digits."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open ledger: safe to share among the threads of one process, not across a fork.

    `clock` gives UTC seconds since 1970, `new_id` a new unique name. `ring` is called after each commit with
    its notifications, see `announce`. `file` is that of a SQLite ledger: each use checks that it is still the
    one that was opened, and a write checks it again before it returns.
    """

    engine: Engine
    clock: Callable[[], float] = time.time
    new_id: Callable[[], str] = random_id
    ring: Callable[[Collection[str]], None] = lambda _things: None
    file: SqliteFile | None = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction; commits unless an exception leaves it."""
        self.expect_file()
        with _translated(), self.engine.connect() as connection:
            writing = connection.execution_options(ra_node_writes=True)
            writing.info.pop(_ANNOUNCED, None)
            with writing.begin():
                yield writing
            announced = writing.info.pop(_ANNOUNCED, None)
            self._expect_committed(writing)
        if announced:
            self.ring(announced)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction, which never waits for a writer."""
        self.expect_file()
        with _translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    def expect_file(self) -> None:
        """Raise LedgerLost unless the ledger file is the one that was opened."""
        problem = self.file.problem() if self.file is not None else ""
        if problem:
            raise LedgerLost(f"expected the ledger as it was opened, found: {problem}")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        if self.file is not None:
            self.file.close()

    def _expect_committed(self, connection: Connection) -> None:
        """Raise LedgerLost where the commit went to a file that is no longer at its path."""
        if self.file is None:
            return
        if self.file.problem() or self.file.journal_problem(connection.info):
            with suppress(
                sqlite3.Error
            ):  # the open log still holds the commits: checkpoint them into the file
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
            self.expect_file()


def open_ledger(
    url: str,
    clock: Callable[[], float] = time.time,
    new_id: Callable[[], str] = random_id,
    *,
    may_create: bool = True,
) -> Ledger:
    """Open the ledger at `url` and migrate its tables.

    `sqlite:////var/lib/ra-node/ledger.sqlite` or `postgresql+pg8000://user:secret@host/name`. A file is made
    with mode 0600. Raises Fatal for another kind of database and for a ledger that a newer node has written,
    LedgerUnavailable when the server does not respond, LedgerMissing where there is no ledger and
    `may_create` is false, or where only its journal is left.
    """
    try:
        return _open(_checked(url), clock, new_id, may_create=may_create)
    except OSError as error:
        raise node_error(error, "ledger url: expected a file that this account can read and write") from error
    except (
        TypeError,
        UnicodeError,
    ) as error:  # of the driver, for an option or a host name that it does not know
        raise Fatal(f"ledger url: expected host and options that {PG_DRIVER} knows, found others") from error


def _open(target: URL, clock: Callable[[], float], new_id: Callable[[], str], *, may_create: bool) -> Ledger:
    file = None
    with _translated():
        if target.get_backend_name() == "sqlite":
            file = _sqlite_file(Path(str(target.database)), may_create=may_create)
            engine = _sqlite_engine(target, file)
        else:
            engine = _server_engine(target)
        ledger = Ledger(engine, clock, new_id, file=file)
        try:
            _bring_up_to_date(ledger, target, may_create=may_create)
        except BaseException:
            ledger.close()
            raise
    return ledger


def ledger_version(ledger: Ledger) -> str | None:
    """Name of the last migration applied, None for an empty database."""
    with ledger.read() as connection:
        return _version(connection)


def expect_writable(ledger: Ledger) -> None:
    """Check that a write transaction can begin; LedgerUnavailable otherwise."""
    with ledger.write() as connection:
        server = connection.dialect.name == "postgresql"
        if server and connection.execute(text("SHOW transaction_read_only")).scalar() != "off":
            raise LedgerUnavailable("expected a ledger that takes writes, found a read-only server")


def announce(connection: Connection, thing: str) -> None:
    """Register a notification to send after the commit: a kind of job, or SETTLING."""
    connection.info.setdefault(_ANNOUNCED, set()).add(thing)


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its key exists; return whether it was inserted."""
    return connection.execute(_new_row(connection.dialect.name, table), row).rowcount == 1


@cache
def _new_row(dialect_name: str, table: Table) -> Executable:
    """Cached: building the statement takes longer than its execution."""
    dialect = sqlite if dialect_name == "sqlite" else postgresql
    new: Executable = dialect.insert(table).on_conflict_do_nothing()
    return new


def ledger_address(url: str) -> URL:
    """Parse the URL of a ledger; Fatal, without quoting the URL, for an invalid one."""
    try:
        target = make_url(url)
        unread = "@" in (target.host or "")
    except (ArgumentError, ValueError):
        unread = True
    if unread:
        raise Fatal(
            "ledger url: expected sqlite:////folder/file or postgresql+pg8000://user:password@host/name, with"
            " the special characters of the password percent-encoded; found something else"
        )
    return target


def _checked(url: str) -> URL:
    target = ledger_address(url)
    if target.get_backend_name() == "postgresql":
        if not target.username and "user" not in target.query:
            raise Fatal("ledger url: expected postgresql+pg8000://user@host/name, found no user")
        return target.set(drivername="postgresql+pg8000")
    file = target.database or ""
    if target.get_backend_name() == "sqlite" and file not in ("", ":memory:") and "\0" not in file:
        return target.set(drivername="sqlite")
    expected = "sqlite:////folder/file or postgresql+pg8000://user@host/name"
    raise Fatal(f"ledger url: expected {expected}, found a URL of {target.get_backend_name()}")


def _server_engine(target: URL) -> Engine:
    return create_engine(target, pool_pre_ping=True, pool_size=8, max_overflow=32, hide_parameters=True)


def _sqlite_file(path: Path, *, may_create: bool) -> SqliteFile:
    if lost(path):
        raise LedgerMissing(f"expected a ledger beside its journal {path}-wal, found none at {path}")
    if absent(path):
        if not may_create:
            raise LedgerMissing(f"expected a ledger at {path}, found none")
        _create_private(path)
    return SqliteFile(path)


def _sqlite_engine(target: URL, file: SqliteFile) -> Engine:
    engine = create_engine(target, creator=file.connect, pool_size=8, max_overflow=64, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_private(path: Path) -> None:
    """Make the file with mode 0600; SQLite gives its WAL the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _prepare_sqlite(dbapi_connection: sqlite3.Connection, _record: object) -> None:
    dbapi_connection.isolation_level = None  # disable the driver's implicit BEGIN; see _begin_sqlite
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000)}")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    _use_wal(cursor)
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Switch the file to WAL; the first switch does not wait for other openers, so try again."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("ra_node_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _bring_up_to_date(ledger: Ledger, target: URL, *, may_create: bool) -> None:
    """Run missing migrations in one exclusive transaction."""
    found = ledger_version(ledger)
    if found == HEAD:
        return
    if found is None and not may_create:
        raise LedgerMissing(f"expected a ledger at {target.render_as_string()}, found an empty database")
    from ra_node.ledger.migrations.upgrade import upgrade  # noqa: PLC0415 - Alembic is slow to import

    with ledger.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(723001)"))
        upgrade(connection, _version(connection))


@contextmanager
def _translated() -> Iterator[None]:
    """Raise LedgerUnavailable for transient database errors; other errors pass through."""
    try:
        yield
    except PoolTimeout as error:
        raise LedgerUnavailable(f"expected a free connection, found none: {error}") from error
    except DBAPIError as error:
        if _is_damage(error):
            hint = "see `ra-node check`; `ra-node restore` puts a backup back"
            raise LedgerLost(f"expected a sound ledger, found: {error.orig}; {hint}") from error
        if not _may_pass(error):
            raise
        raise LedgerUnavailable(f"expected a working ledger, found: {error.orig}") from error
    except ConnectionError as error:  # the driver does not wrap all socket errors
        raise LedgerUnavailable(f"expected a working ledger, found: {error.strerror or error}") from error


def _is_damage(error: DBAPIError) -> bool:
    """SQLITE_CORRUPT or SQLITE_NOTADB."""
    code = getattr(error.orig, "sqlite_errorcode", 0) or 0
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _may_pass(error: DBAPIError) -> bool:
    if error.connection_invalidated or type(error).__name__ in ("OperationalError", "InterfaceError"):
        return True
    found = error.orig.args[0] if error.orig is not None and error.orig.args else None
    sqlstate = str(found.get("C", "")) if isinstance(found, dict) else ""
    return sqlstate.startswith(_RETRYABLE_SQLSTATES)
