"""The folder in which data sets arrive: it has one owner, and nothing unacknowledged outlives that one."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import struct
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import IO, Any, Self

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION, dimse_messages

from ra_node.errors import Fatal

PREFIX, SUFFIX = "arriving-", ".dcm"
CHUNK_BYTES = 2**20
"""How much is received for one write. Whole chunks at multiples of their length cost half as much as
fragments as they come: the system keeps them as one, and the disk never holds a page that we go on with."""
MOST_PARTS = 1000
"""How many parts one write takes; the system has a limit of its own (IOV_MAX)."""
HASTEN_BYTES = 2**20
"""How much is written before the disk begins with it."""
_SYNC_FILE_RANGE_WRITE = 2
_REPLACED = ("NamedTemporaryFile", "create_file_meta", "write_file_meta_info")


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """Linux's way to start writing to the disk without waiting for it; None elsewhere."""
    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call


class NotTaken(OSError):
    """A data set that this node does not take: too long, or not on the context of its command."""


class ArrivingFile:
    """The file that one data set is received into, in the place of the library's temporary file.

    An error of the disk in the middle of a transfer is kept in `failure` and not raised: there it
    would end the threads of the association, here it becomes the status of the request. What was
    written is removed at once, since space is what is missing. Without room nothing is written at all. More
    than `most_bytes` are no data set but an attack on the disk: NotTaken. The SHA-256 of the file is
    taken of what is written, not of what the disk gives back: 6 ms for 10 MB, without the interpreter's lock.
    """

    def __init__(
        self, folder: Path, has_room: Callable[[], bool], *, most_bytes: int = sys.maxsize, **_asked: object
    ) -> None:
        self._most_bytes = most_bytes
        self.name = ""
        self.failure: OSError | None = None
        self._handle: int | None = None
        self._written = self._hastened = self._gathered = 0
        self._parts: list[memoryview] = []
        self._sha256 = hashlib.sha256()
        self._noting(lambda: self._open(folder, has_room))

    @property
    def file(self) -> Self:
        """What the library flushes after each fragment."""
        return self

    @property
    def sha256(self) -> str:
        """Of the whole file as far as it was written, in hexadecimal digits."""
        self.flush()
        return self._sha256.hexdigest()

    @property
    def gathers(self) -> bool:
        """Something is held back, which nobody may change before it is written."""
        return bool(self._parts)

    def room(self) -> int:
        """How much may come until a chunk is whole, at least one byte."""
        return CHUNK_BYTES - (self._written + self._gathered) % CHUNK_BYTES

    def took(self, part: memoryview) -> None:
        """Hold back what came, and write it once a chunk is whole."""
        whole = len(part) >= self.room()
        self.write(part)
        if whole or len(self._parts) >= MOST_PARTS:
            self.flush()

    def write(self, data: bytes | memoryview) -> int:
        """Take all of it, for the system or for nowhere after a failure."""
        if self._handle is not None and len(data) > 0:
            self._parts.append(memoryview(data))
            self._gathered += len(data)
        return len(data)

    def spoil(self, found: str) -> None:
        """Keep nothing of a data set that breaks the rules of its message."""

        def refuse() -> None:
            raise NotTaken(errno.EBADMSG, found)

        if self.failure is None:
            self._noting(refuse)

    def flush(self) -> None:
        """Hold nothing back."""
        parts, self._parts = self._parts, []
        self._gathered = 0
        handle = self._handle
        if parts and handle is not None:
            self._noting(lambda: self._write(handle, parts))

    def hasten(self) -> None:
        """Let the disk begin with what was written; whoever syncs the file waits for the rest alone."""
        start = _sync_file_range()
        if self._handle is not None and start is not None:
            start(self._handle, self._hastened, self._written - self._hastened, _SYNC_FILE_RANGE_WRITE)
            self._hastened = self._written

    def close(self) -> None:
        handle, self._handle = self._handle, None
        self._parts, self._gathered = [], 0
        if handle is not None:
            with suppress(OSError):  # closing may tell what a full disk has not taken
                os.close(handle)

    def _open(self, folder: Path, has_room: Callable[[], bool]) -> None:
        if not has_room():
            raise OSError(errno.ENOSPC, "the disk is nearly full")
        name = f"{folder}/{PREFIX}{uuid.uuid4().hex}{SUFFIX}"
        self._handle, self.name = (
            os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600),
            name,
        )

    def _write(self, handle: int, parts: list[memoryview]) -> None:
        if self._written + sum(map(len, parts)) > self._most_bytes:
            raise NotTaken(errno.EFBIG, f"longer than {self._most_bytes} bytes")
        for part in parts:
            self._sha256.update(part)
        while parts:
            done = os.writev(handle, parts)
            self._written += done
            parts = _beyond(parts, done)
        if self._written - self._hastened >= HASTEN_BYTES:
            self.hasten()

    def _noting(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self.failure = error
            self.close()
            if self.name:
                Path(self.name).unlink(missing_ok=True)


def _beyond(parts: list[memoryview], done: int) -> list[memoryview]:
    """What is left of the parts after so many bytes."""
    for number, part in enumerate(parts):
        if done < len(part):
            return [part[done:], *parts[number + 1 :]]
        done -= len(part)
    return []


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What goes before a data set in its file (PS3.10 table 7.1-1); strings as the peer sent them."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str

    def encode(self) -> bytes:
        """The group with its length, in explicit little endian; without the library's fifty objects."""
        uids = (
            (0x02, self.sop_class_uid),
            (0x03, self.sop_instance_uid),
            (0x10, self.transfer_syntax),
            (0x12, PYNETDICOM_IMPLEMENTATION_UID),
        )
        elements = b"".join(
            (
                struct.pack("<HH2sHL2s", 2, 1, b"OB", 0, 2, b"\x00\x01"),
                *(_short_element(element, b"UI", str(uid), b"\0") for element, uid in uids),
                _short_element(0x13, b"SH", PYNETDICOM_IMPLEMENTATION_VERSION, b" "),
            )
        )
        return struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(elements)) + elements


def _short_element(element: int, vr: bytes, value: str, padding: bytes) -> bytes:
    data = value.encode("ascii", "replace")[:0xFFFE]
    data += padding * (len(data) % 2)
    return struct.pack("<HH2sH", 2, element, vr, len(data)) + data


def _write_file_meta(file: ArrivingFile, meta: FileMeta) -> None:
    file.write(meta.encode())


class IncomingFolder:
    """Owned from `take` to `leave`, by this process alone."""

    def __init__(
        self, path: Path, has_room: Callable[[], bool] = lambda: True, most_bytes: int = sys.maxsize
    ) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._has_room = has_room
        self._lock: IO[bytes] | None = None
        self._previous: dict[str, Any] = {}

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
        self._previous = {name: getattr(dimse_messages, name) for name in _REPLACED}
        arriving = partial(ArrivingFile, self.path, self._has_room, most_bytes=self._most_bytes)
        dimse_messages.NamedTemporaryFile = arriving  # type: ignore[attr-defined, assignment]
        dimse_messages.create_file_meta = FileMeta  # type: ignore[attr-defined, assignment]
        dimse_messages.write_file_meta_info = _write_file_meta  # type: ignore[attr-defined, assignment]

    def leave(self) -> None:
        """Give the folder up; safe to repeat."""
        if self._lock is None:
            return
        for name, previous in self._previous.items():
            setattr(dimse_messages, name, previous)
        self._lock.close()
        self._lock = None
