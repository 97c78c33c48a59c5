"""The folder for incoming data sets, locked by one process; files without a response are removed at start."""

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

from ra_node.errors import NotReady
from ra_node.filesystem.os_errors import node_error

PREFIX, SUFFIX = "arriving-", ".dcm"
CHUNK_BYTES = 2**20
"""Bytes received for one write. Whole chunks at multiples of their length cost half as much as single
fragments: the kernel keeps each as one piece, and no write extends a page under write-back."""
MOST_PARTS = 1000
"""Most buffers of one writev call; the system's limit is IOV_MAX."""
WRITEBACK_BYTES = 2**20
"""Bytes written before write-back to the disk is started."""
_SYNC_FILE_RANGE_WRITE = 2
_REPLACED = ("NamedTemporaryFile", "create_file_meta", "write_file_meta_info")


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """sync_file_range(2), which starts write-back without waiting for its end (Linux); None elsewhere."""
    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call


class DataSetRefused(OSError):
    """A data set that is refused: too long, or not in the presentation context of its command."""


class ArrivingFile:
    """The file that one data set is received into; replaces pynetdicom's temporary file.

    A disk error during a transfer is stored in `failure` and not raised: raised, it would end the threads of
    the association; stored, it becomes the status of the response. The incomplete file is removed at once,
    because the disk is usually full. Without free space nothing is written. More than `most_bytes` give
    DataSetRefused, which protects the disk from endless data sets. The SHA-256 is computed from the written
    bytes, not read back from the disk: 6 ms for 10 MB, without the GIL.
    """

    def __init__(
        self, folder: Path, has_room: Callable[[], bool], *, most_bytes: int = sys.maxsize, **_asked: object
    ) -> None:
        self._most_bytes = most_bytes
        self.name = ""
        self.failure: OSError | None = None
        self._handle: int | None = None
        self._written = self._writeback_started = self._gathered = 0
        self._parts: list[memoryview] = []
        self._sha256 = hashlib.sha256()
        self._record_failure(lambda: self._open(folder, has_room))

    @property
    def file(self) -> Self:
        """The object that pynetdicom flushes after each fragment."""
        return self

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes written so far, hexadecimal."""
        self.flush()
        return self._sha256.hexdigest()

    @property
    def gathers(self) -> bool:
        """Whether received parts are not written yet; their buffer must not change before."""
        return bool(self._parts)

    def room(self) -> int:
        """Bytes missing to a whole chunk, at least one."""
        return CHUNK_BYTES - (self._written + self._gathered) % CHUNK_BYTES

    def add_received(self, part: memoryview) -> None:
        """Collect a received part; write all collected parts when a chunk is complete."""
        whole = len(part) >= self.room()
        self.write(part)
        if whole or len(self._parts) >= MOST_PARTS:
            self.flush()

    def write(self, data: bytes | memoryview) -> int:
        """Collect data for the next write; data after a failure are discarded. Returns the full length."""
        if self._handle is not None and len(data) > 0:
            self._parts.append(memoryview(data))
            self._gathered += len(data)
        return len(data)

    def spoil(self, found: str) -> None:
        """Discard a data set that violates the rules of its message; `found` is the text of `failure`."""

        def refuse() -> None:
            raise DataSetRefused(errno.EBADMSG, found)

        if self.failure is None:
            self._record_failure(refuse)

    def flush(self) -> None:
        """Write all collected parts."""
        parts, self._parts = self._parts, []
        self._gathered = 0
        handle = self._handle
        if parts and handle is not None:
            self._record_failure(lambda: self._write(handle, parts))

    def start_writeback(self) -> None:
        """Start write-back of the written bytes; a later fsync waits only for the rest."""
        start = _sync_file_range()
        if self._handle is not None and start is not None:
            start(
                self._handle,
                self._writeback_started,
                self._written - self._writeback_started,
                _SYNC_FILE_RANGE_WRITE,
            )
            self._writeback_started = self._written

    def close(self) -> None:
        handle, self._handle = self._handle, None
        self._parts, self._gathered = [], 0
        if handle is not None:
            with suppress(OSError):  # close may report a delayed write error
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
            raise DataSetRefused(errno.EFBIG, f"longer than {self._most_bytes} bytes")
        for part in parts:
            self._sha256.update(part)
        while parts:
            done = os.writev(handle, parts)
            self._written += done
            parts = _unwritten(parts, done)
        if self._written - self._writeback_started >= WRITEBACK_BYTES:
            self.start_writeback()

    def _record_failure(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self.failure = error
            self.close()
            if self.name:
                Path(self.name).unlink(missing_ok=True)


def _unwritten(parts: list[memoryview], done: int) -> list[memoryview]:
    """The parts without their first `done` bytes."""
    for number, part in enumerate(parts):
        if done < len(part):
            return [part[done:], *parts[number + 1 :]]
        done -= len(part)
    return []


@dataclass(frozen=True, slots=True)
class FileMeta:
    """File Meta Information (PS3.10 table 7.1-1); strings as the peer sent them."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str

    def encode(self) -> bytes:
        """Encode group 0002 with its length, explicit VR little endian; pynetdicom creates fifty objects."""
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
    """The folder for incoming files; locked for this process from `take` to `leave`."""

    def __init__(
        self, path: Path, has_room: Callable[[], bool] = lambda: True, most_bytes: int = sys.maxsize
    ) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._has_room = has_room
        self._lock: IO[bytes] | None = None
        self._previous: dict[str, Any] = {}

    def take(self) -> None:
        """Create and lock the folder, and remove files without a response from an earlier process.

        Raises Fatal where it cannot be written, or is locked by another listener, whose incomplete files
        are in it. Until `leave` pynetdicom receives into this folder.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".listener").open("wb")
        except OSError as error:
            raise node_error(error, "expected a folder to write to") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise NotReady(
                f"expected {self.path} for this listener alone, found another listener in it"
            ) from error
        self._lock = lock
        for left_over in self.path.glob(f"{PREFIX}*{SUFFIX}"):
            left_over.unlink(missing_ok=True)
        # pynetdicom has no setting for the folder of its files, and does not handle a full disk
        self._previous = {name: getattr(dimse_messages, name) for name in _REPLACED}
        arriving = partial(ArrivingFile, self.path, self._has_room, most_bytes=self._most_bytes)
        dimse_messages.NamedTemporaryFile = arriving  # type: ignore[attr-defined, assignment]
        dimse_messages.create_file_meta = FileMeta  # type: ignore[attr-defined, assignment]
        dimse_messages.write_file_meta_info = _write_file_meta  # type: ignore[attr-defined, assignment]

    def leave(self) -> None:
        """Unlock the folder and restore pynetdicom's own functions; idempotent."""
        if self._lock is None:
            return
        for name, previous in self._previous.items():
            setattr(dimse_messages, name, previous)
        self._lock.close()
        self._lock = None
