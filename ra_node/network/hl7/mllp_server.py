"""Receives HL7 messages in MLLP frames (HL7 "Transport Specification: MLLP, Release 1").

Bounded: callers at once, bytes of a frame, seconds of a frame and between two. A broken frame ends its
connection; an answer is sent only after `take` has returned.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

START, END, CARRIAGE_RETURN = b"\x0b", b"\x1c", b"\r"
MOST_BYTES = 2**18
MOST_CALLERS = 8
FRAME_S = 15.0
"""From the first to the last byte of a message, and for the TLS handshake."""
IDLE_S = 600.0
"""Between two messages of one connection."""

Take = Callable[[bytes], bytes]
"""Handles one message and returns its acknowledgement; never raises for a message."""


class MllpServer:
    """The listener of HL7 messages; TLS with certificates on both sides where `tls` is given."""

    def __init__(self, host: str, port: int, take: Take, tls: ssl.SSLContext | None = None) -> None:
        self._take, self._tls = take, tls
        self._slots = threading.BoundedSemaphore(MOST_CALLERS)
        self._socket = socket.create_server((host, port), backlog=MOST_CALLERS)
        self.port = int(self._socket.getsockname()[1])

    def serve(self, stop: threading.Event, beat: Callable[[], object] = lambda: None) -> None:
        """Accept callers until stopped; each has a thread of its own."""
        self._socket.settimeout(0.5)
        with self._socket:
            while not stop.is_set():
                beat()
                try:
                    raw, _ = self._socket.accept()
                except TimeoutError:
                    continue
                except OSError:
                    stop.wait(0.5)
                    continue
                if not self._slots.acquire(blocking=False):
                    structlog.get_logger().warning("hl7_caller_refused", reason="too many connections")
                    raw.close()
                    continue
                threading.Thread(target=self._talk, args=(raw, stop), name="mllp", daemon=True).start()

    def _talk(self, raw: socket.socket, stop: threading.Event) -> None:
        try:
            with suppress(OSError), self._secured(raw) as connection:
                while not stop.is_set():
                    message = read_frame(connection)
                    if message is None:
                        return
                    connection.settimeout(FRAME_S)
                    connection.sendall(START + self._take(message) + END + CARRIAGE_RETURN)
        except Exception as error:  # noqa: BLE001 - one caller must not end the server; no value is logged
            structlog.get_logger().warning("hl7_connection_failed", error=type(error).__name__)
        finally:
            raw.close()
            self._slots.release()

    def _secured(self, raw: socket.socket) -> socket.socket:
        raw.settimeout(FRAME_S)
        return raw if self._tls is None else self._tls.wrap_socket(raw, server_side=True)


def read_frame(connection: socket.socket) -> bytes | None:
    """The content of the next frame; None where the connection ended or what came is no frame.

    What is no frame is logged with its reason and length, never with a byte of it.
    """
    connection.settimeout(IDLE_S)
    first = connection.recv(1)
    if not first:
        return None
    if first != START:
        _refuse_frame("expected 0x0B at the beginning, found another byte", 1)
        return None
    content, until = bytearray(), time.monotonic() + FRAME_S
    while not content.endswith(END + CARRIAGE_RETURN):
        left_s = until - time.monotonic()
        if left_s <= 0 or len(content) > MOST_BYTES:
            _refuse_frame("expected the end of the frame within its limits of size and time", len(content))
            return None
        connection.settimeout(left_s)
        part = connection.recv(4096)
        if not part:
            _refuse_frame("expected 0x1C 0x0D at the end, found the end of the connection", len(content))
            return None
        content += part
    return bytes(content[: -len(END + CARRIAGE_RETURN)])


def _refuse_frame(reason: str, size_bytes: int) -> None:
    structlog.get_logger().warning("hl7_frame_refused", reason=reason, bytes=size_bytes)
