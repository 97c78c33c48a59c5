"""Reads P-DATA of C-STORE data sets from the socket to the file, without pynetdicom's decoder.

pynetdicom creates eight objects and five copies for each fragment, all under the GIL. Here the data set of a
C-STORE is read in chunks of a megabyte across PDUs, and the fragments are written from the read buffer by
calls that release the GIL; all other PDUs are read by pynetdicom. Uses private names of pynetdicom 3.0.
`event_wait` has the CPU time of an image with and without it.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable
from contextlib import suppress

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import P_DATA

from ra_node.network.pynetdicom_ext.limits import MOST_PDU_BYTES
from ra_node.network.pynetdicom_ext.spool import CHUNK_BYTES, MOST_PARTS, ArrivingFile
from ra_node.network.pynetdicom_ext.tcp_options import acknowledge

READY = "Sta6"
"""Data transfer (PS3.8 9.2.1)."""
_CLOSED = "Evt17"
_PDU_BYTES = 6
_HEADER = struct.Struct(">xxLLBB")
"""Length of a P-DATA-TF PDU; length, context and message control header of its first value."""
_P_DATA_TF, _COMMAND, _LAST = 0x04, 1, 2
_BUFFER_BYTES = CHUNK_BYTES + (MOST_PARTS + 1) * _HEADER.size
"""Buffer size for one file write and the headers between its parts."""
LOOK_UP_S = 0.05
"""Longest time in the fast path before the queues are checked."""


def _room() -> memoryview:
    """Allocate the buffer in anonymous memory, unmapped when it is released."""
    return memoryview(mmap.mmap(-1, _BUFFER_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class Stream:
    """Reader of one accepted connection.

    A PDU has `timeout_s` from its first to its last byte.
    """

    def __init__(self, association: Association, raw: socket.socket, timeout_s: float) -> None:
        self._association = association
        self._dul = association.dul
        self._raw = raw
        self._timeout_s = timeout_s
        self._poll = select.poll()
        self._poll.register(raw, select.POLLIN)
        self._buffer = self._held = memoryview(b"")
        self._end = 0
        wrapped = association.dul.socket
        assert wrapped is not None
        self._library_recv: Callable[[int], bytearray] = wrapped.recv
        wrapped.recv = self._recv  # type: ignore[method-assign, assignment]
        association.bind(evt.EVT_CONN_CLOSE, self._closed)

    def _closed(self, _event: Event) -> None:
        """Release the buffer for the rest of the association."""
        self._buffer = self._held = memoryview(b"")
        self._end = 0

    @property
    def holds(self) -> bool:
        """Whether unprocessed bytes are in the buffer."""
        return len(self._held) > 0

    @property
    def receiving(self) -> bool:
        """Whether the data set of a C-STORE is being received."""
        return self._file() is not None

    def readable(self, wait_s: float) -> bool:
        """Wait for data or end of file."""
        if self.holds or (isinstance(self._raw, ssl.SSLSocket) and self._raw.pending()):
            return True
        try:
            return bool(self._poll.poll(wait_s * 1000))
        except (OSError, ValueError):  # closed: pynetdicom detects it
            return True

    def take(self) -> None:
        """Read until the data set is complete, the peer pauses, or we have something to send."""
        while True:
            if not self._take_one():
                return
            silent = not self.holds and not self.readable(LOOK_UP_S)
            if silent or not self._dul.to_provider_queue.empty() or self._dul._kill_thread:  # noqa: SLF001
                return

    def _take_one(self) -> bool:
        """Read one PDU; return whether another fragment must follow."""
        file = self._file()
        deadline = time.monotonic() + self._timeout_s
        if file is None or (self._hold(_PDU_BYTES, file, deadline) and self._held[0] != _P_DATA_TF):
            self._dul._read_pdu_data()  # noqa: SLF001 - finds what is held by `_recv`
            return False
        if not self._hold(_HEADER.size, file, deadline):
            return self._break_off()
        length, value, context, control = _HEADER.unpack_from(self._held)
        if not 6 <= length == value + 4 <= MOST_PDU_BYTES or control & _COMMAND:
            self._dul._read_pdu_data()  # noqa: SLF001
            return False
        self._held = self._held[_HEADER.size :]
        self._expect_context(context, file)
        if not self._pass_on(length - 6, file, deadline):
            return self._break_off()
        if control & _LAST:
            self._finish(context, control, file)
        return not control & _LAST

    def _expect_context(self, context: int, file: ArrivingFile) -> None:
        """A message has one presentation context (PS3.8 annex E), which determines its encoding."""
        message = self._association.dimse.message
        if message is not None and message.context_id != context:
            file.spoil("on another presentation context than its command")

    def _break_off(self) -> bool:
        """End the connection: the peer closed it within a PDU, or exceeded the time-out."""
        self._dul.event_queue.put(_CLOSED)
        return False

    def _pass_on(self, left: int, file: ArrivingFile, deadline: float) -> bool:
        """Write the next `left` bytes to the file; False where they are incomplete."""
        while left:
            if not self._held and not self._fill(file, deadline):
                return False
            part, self._held = self._held[:left], self._held[left:]
            file.add_received(part)
            left -= len(part)
        return True

    def _finish(self, context: int, control: int, file: ArrivingFile) -> None:
        """Pass an empty last fragment to pynetdicom, which then ends the message."""
        file.flush()
        file.start_writeback()
        self._rewind()
        last = P_DATA()
        last.presentation_data_value_list = [[context, bytes([control])]]  # type: ignore[list-item]  # it insists on lists
        self._association.dimse.receive_primitive(last)

    def _file(self) -> ArrivingFile | None:
        message = self._association.dimse.message
        if message is None or self._dul.state_machine.current_state != READY:
            return None
        file = message._data_set_file  # noqa: SLF001
        return file if isinstance(file, ArrivingFile) else None

    def _hold(self, wanted: int, file: ArrivingFile, deadline: float) -> bool:
        """Fill the buffer to at least that many bytes; False at end of file or time-out."""
        while len(self._held) < wanted:
            if not self._fill(file, deadline):
                return False
        return True

    def _fill(self, file: ArrivingFile, deadline: float) -> bool:
        """Read once into the free part of the buffer; False at end of file or time-out."""
        if file.gathers and self._end + file.room() > len(self._buffer):
            file.flush()
        if not file.gathers:
            self._rewind()
        held = len(self._held)
        got = self._receive(self._buffer[self._end : self._end + file.room()], deadline)
        self._held = self._buffer[self._end - held : self._end + got]
        self._end += got
        return got > 0

    def _rewind(self) -> None:
        """Move the unprocessed bytes to the start of the buffer."""
        held = bytes(self._held)
        self._buffer = self._buffer or _room()
        self._end = len(held)
        self._held = self._buffer[: self._end]
        self._held[:] = held

    def _receive(self, place: memoryview, deadline: float) -> int:
        """Read once; 0 at end of file or time-out."""
        try:
            if isinstance(self._raw, ssl.SSLSocket):
                return self._receive_secured(place, deadline)
            while True:
                with suppress(BlockingIOError):  # a socket with a timeout is non-blocking
                    return os.readv(self._raw.fileno(), [place])
                acknowledge(self._raw)
                if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    return 0
        except (OSError, ValueError):  # ValueError: closed by another thread
            return 0

    def _receive_secured(self, place: memoryview, deadline: float) -> int:
        try:
            self._raw.settimeout(max(0.001, deadline - time.monotonic()))
            return self._raw.recv_into(place)
        finally:
            with suppress(OSError):
                self._raw.settimeout(self._timeout_s)

    def _recv(self, wanted_bytes: int) -> bytearray:
        """Read for pynetdicom: first from the buffer, then from the socket within the limits."""
        if not self._held:
            return self._library_recv(wanted_bytes)
        received = bytearray(self._held[:wanted_bytes])
        self._held = self._held[wanted_bytes:]
        if len(received) < wanted_bytes:
            received += self._library_recv(wanted_bytes - len(received))
        return received
