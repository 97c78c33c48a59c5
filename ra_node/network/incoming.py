"""The folder in which data sets arrive: it has one owner, and nothing unacknowledged outlives that one."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Self

from pynetdicom import dimse_messages

from ra_node.errors import Fatal

PREFIX, SUFFIX = "arriving-", ".dcm"


class ArrivingFile:
    """The file that one data set is received into, in the place of the library's temporary file.

    An error of the disk in the middle of a transfer is kept in `failure` and not raised: there it
    would end the threads of the association, here it becomes the status of the request. What was
    written is removed at once, since space is what is missing. Without room nothing is written at all.
    """

    def __init__(self, folder: Path, has_room: Callable[[], bool], **_asked: object) -> None:
        self.name = ""
        self.failure: OSError | None = None
        self._writer: IO[bytes] | None = None
        self._noting(lambda: self._open(folder, has_room))

    @property
    def file(self) -> Self:
        """What the library flushes after each fragment."""
        return self

    def write(self, data: bytes) -> int:
        writer = self._writer
        if writer is not None:
            self._noting(lambda: writer.write(data))
        return len(data)

    def flush(self) -> None:
        if self._writer is not None:
            self._noting(self._writer.flush)

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(OSError):  # closing flushes what a full disk has not taken
                writer.close()

    def _open(self, folder: Path, has_room: Callable[[], bool]) -> None:
        if not has_room():
            raise OSError(errno.ENOSPC, "the disk is nearly full")
        self._writer = NamedTemporaryFile("wb", dir=folder, prefix=PREFIX, suffix=SUFFIX, delete=False)  # noqa: SIM115
        self.name = self._writer.name

    def _noting(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self.failure = error
            self.close()
            if self.name:
                Path(self.name).unlink(missing_ok=True)


class IncomingFolder:
    """Owned from `take` to `leave`, by this process alone."""

    def __init__(self, path: Path, has_room: Callable[[], bool] = lambda: True) -> None:
        self.path = path
        self._has_room = has_room
        self._lock: IO[bytes] | None = None
        self._previous: Any = None

    def take(self) -> None:
        """Make the folder, own it, and remove what an earlier owner never acknowledged.

        Raise Fatal when it cannot be written, or when another listener owns it, since its unfinished
        files lie there too. From here to `leave` the library receives into this folder.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".listener").open("wb")
        except OSError as error:
            raise Fatal(f"expected a folder to write to at {self.path}, found: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise Fatal(
                f"expected {self.path} for this listener alone, found another listener in it"
            ) from error
        self._lock = lock
        for left_over in self.path.glob(f"{PREFIX}*{SUFFIX}"):
            left_over.unlink(missing_ok=True)
        # the library offers no other way to say where its files lie, nor to survive a full disk
        self._previous = dimse_messages.NamedTemporaryFile  # type: ignore[attr-defined]
        dimse_messages.NamedTemporaryFile = partial(ArrivingFile, self.path, self._has_room)  # type: ignore[attr-defined, assignment]

    def leave(self) -> None:
        """Give the folder up; safe to repeat."""
        if self._lock is None:
            return
        dimse_messages.NamedTemporaryFile = self._previous  # type: ignore[attr-defined]
        self._lock.close()
        self._lock = None
