"""Detects that the file of an open SQLite ledger was removed, replaced, truncated or overwritten.

An open connection continues to write to an unlinked file, and cached pages hide an overwritten one: both
would acknowledge images that are lost at the next start. A check takes five system calls, 0.05 ms for a
write.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

MAGIC = b"SQLite format 3\0"
_Inode = tuple[int, int]


class SqliteFile:
    """The file at `path` as it was when it was opened; safe to share among threads, usable after a fork.

    Holds one descriptor. Closing any descriptor of a file drops all POSIX locks of the process on it,
    including those of SQLite, so it is shared by the whole process and closed with the last user.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._path, self._wal = str(path), f"{path}-wal"
        self._inode = _inode(path.stat())
        self._size_bytes = 0
        self._problem = ""
        self._held = False

    def connect(self) -> sqlite3.Connection:
        """Open a connection; sqlite3.OperationalError where the file is missing: none is created."""
        uri = f"file:{quote(str(self.path))}?mode=rw"
        return sqlite3.connect(uri, uri=True, check_same_thread=False)

    def problem(self) -> str:
        """Description of a change of the file, "" without one. A detected change is remembered."""
        if not self._problem:
            try:
                self._problem = self._looked_at()
            except OSError as error:
                self._problem = f"{self.path}: {error.strerror}"
        return self._problem

    def journal_problem(self, seen: dict[str, _Inode]) -> str:
        """The same for the write-ahead log, after a commit; `seen` belongs to the connection.

        SQLite removes the log only with the last connection: while one is open it stays the same file.
        """
        try:
            found = _inode(os.stat(self._wal))  # noqa: PTH116 - a Path costs as much again
        except OSError:
            found = None
        if found is None or seen.setdefault("wal", found) != found:
            self._problem = self._problem or f"{self._wal} was removed or replaced while the node ran"
        return self._problem

    def damage(self) -> str:
        """Read the whole file by a new connection; give the first fault, "" for none. 0.3 s for 100 MB."""
        try:
            with closing(self.connect()) as fresh:
                found = str(fresh.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError as error:
            return "" if "locked" in str(error) else f"{self.path}: {error}"
        except sqlite3.DatabaseError as error:
            return f"{self.path}: {error}"
        return "" if found == "ok" else f"{self.path}: {found.splitlines()[0]}"

    def close(self) -> None:
        """Release the descriptor; the next check opens one again."""
        if self._held:
            self._held = False
            _DESCRIPTORS.release(self._inode)

    def _looked_at(self) -> str:
        try:
            found = _inode(os.stat(self._path))  # noqa: PTH116 - as above
        except FileNotFoundError:
            return f"{self.path} was removed while the node ran"
        if found != self._inode:
            return f"{self.path} was replaced by another file while the node ran"
        descriptor = _DESCRIPTORS.of(self._inode, self.path, take=not self._held)
        self._held = True
        size = os.fstat(descriptor).st_size
        if size < self._size_bytes:
            return f"{self.path} was truncated while the node ran: {self._size_bytes} bytes -> {size}"
        self._size_bytes = size
        if size and os.pread(descriptor, len(MAGIC), 0) != MAGIC:
            return f"{self.path} was overwritten while the node ran: it is no SQLite file any more"
        return ""


class _Descriptors:
    """One descriptor for each open file of this process, with a use count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[_Inode, tuple[int, int]] = {}

    def of(self, inode: _Inode, path: Path, *, take: bool) -> int:
        with self._lock:
            descriptor, users = self._open.get(inode) or (_opened(path, inode), 0)
            self._open[inode] = (descriptor, users + take)
            return descriptor

    def release(self, inode: _Inode) -> None:
        with self._lock:
            descriptor, users = self._open.pop(inode)
            if users > 1:
                self._open[inode] = (descriptor, users - 1)
            else:
                os.close(descriptor)


_DESCRIPTORS = _Descriptors()


def lost(path: Path) -> bool:
    """Whether only the journal of a ledger is left: no file or an empty one beside it."""
    journal = Path(f"{path}-wal")
    with suppress(OSError):
        return journal.stat().st_size > 0 and not (path.exists() and path.stat().st_size > 0)
    return False


def absent(path: Path) -> bool:
    """Whether there is nothing to open: no file, or one without a byte."""
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True


def _inode(found: os.stat_result) -> _Inode:
    return found.st_dev, found.st_ino


def _opened(path: Path, inode: _Inode) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if _inode(os.fstat(descriptor)) != inode:
        os.close(descriptor)
        raise FileNotFoundError(2, "was replaced while the node ran", str(path))
    return descriptor
