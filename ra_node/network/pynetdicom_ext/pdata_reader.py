"""Data sets on the straight way from the socket to the disk, past the library's decoder.

The library makes eight objects and five copies of each fragment, all under the lock of the interpreter.
Here the data set of a C-STORE is read by the megabyte, however many PDUs that is, and what lies between
their headers is written from where it was read, by calls that let other threads run; whatever else
a peer sends the library reads itself. With `engine`, `bounds`,
`guard`, `reactor` and `incoming` the files that reach behind its public face, as of pynetdicom 3.0.
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
"""For one write of a file and all headers between its parts."""
LOOK_UP_S = 0.05
"""How long a thread looks at nothing but its socket."""


def _room() -> memoryview:
    """A buffer of its own pages, which go back to the system with it."""
    return memoryview(mmap.mmap(-1, _BUFFER_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class Stream:
    """What one accepted connection brings.

    A PDU gets `timeout_s` from its first byte to its last, as everywhere.
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
        """Keep no megabyte for what is left of the association."""
        self._buffer = self._held = memoryview(b"")
        self._end = 0

    @property
    def holds(self) -> bool:
        """Something was read that nobody has looked at yet."""
        return len(self._held) > 0

    @property
    def receiving(self) -> bool:
        """The data set of a C-STORE is on its way."""
        return self._file() is not None

    def readable(self, wait_s: float) -> bool:
        """Wait until there is something to read, or the end."""
        if self.holds or (isinstance(self._raw, ssl.SSLSocket) and self._raw.pending()):
            return True
        try:
            return bool(self._poll.poll(wait_s * 1000))
        except (OSError, ValueError):  # closed: the library will find out
            return True

    def take(self) -> None:
        """Read what has come until the data set is whole, the peer pauses, or we have something to say."""
        while True:
            if not self._take_one():
                return
            silent = not self.holds and not self.readable(LOOK_UP_S)
            if silent or not self._dul.to_provider_queue.empty() or self._dul._kill_thread:  # noqa: SLF001
                return

    def _take_one(self) -> bool:
        """Read one PDU; tell whether another fragment must follow."""
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
        """A message has one presentation context (PS3.8 annex E): its data set is encoded as that says."""
        message = self._association.dimse.message
        if message is not None and message.context_id != context:
            file.spoil("on another presentation context than its command")

    def _break_off(self) -> bool:
        """The peer left in the middle of a PDU, or took too long."""
        self._dul.event_queue.put(_CLOSED)
        return False

    def _pass_on(self, left: int, file: ArrivingFile, deadline: float) -> bool:
        """Give that many bytes to the file; False: not all came."""
        while left:
            if not self._held and not self._fill(file, deadline):
                return False
            part, self._held = self._held[:left], self._held[left:]
            file.took(part)
            left -= len(part)
        return True

    def _finish(self, context: int, control: int, file: ArrivingFile) -> None:
        """Let the library end the message, by a last fragment with nothing in it."""
        file.flush()
        file.hasten()
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
        """Have at least that many bytes to look at; False where the peer ends or breaks off."""
        while len(self._held) < wanted:
            if not self._fill(file, deadline):
                return False
        return True

    def _fill(self, file: ArrivingFile, deadline: float) -> bool:
        """Read once behind what is held, never beyond a chunk; False at the end, or when the time is over."""
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
        """Go on at the start of the buffer, of which nothing is needed but what is held."""
        held = bytes(self._held)
        self._buffer = self._buffer or _room()
        self._end = len(held)
        self._held = self._buffer[: self._end]
        self._held[:] = held

    def _receive(self, place: memoryview, deadline: float) -> int:
        """Read once; 0 at the end, or when the time is over."""
        try:
            if isinstance(self._raw, ssl.SSLSocket):
                return self._receive_secured(place, deadline)
            while True:
                with suppress(BlockingIOError):  # a socket with a time limit never blocks by itself
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
        """What the library reads: first what is held, then from the socket within its bounds."""
        if not self._held:
            return self._library_recv(wanted_bytes)
        received = bytearray(self._held[:wanted_bytes])
        self._held = self._held[wanted_bytes:]
        if len(received) < wanted_bytes:
            received += self._library_recv(wanted_bytes - len(received))
        return received
