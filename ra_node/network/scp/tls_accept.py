"""A connection before its first PDU: TLS handshake, plain DICOM, or close.

Runs in the connection's own thread and within a time limit, so that a silent client blocks no other.
"""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from pynetdicom.association import Association

from ra_node.network.pynetdicom_ext.association_guard import cut
from ra_node.network.tls import secured, why

HANDSHAKE_S = 10.0
MOST_WAITING = 64
"""Most silent connections at once; one more closes the oldest."""
_HELLO = b"\x16"
"""First byte of a TLS handshake (RFC 8446 5.1); that of an A-ASSOCIATE-RQ is 1 (PS3.8 9.3.2)."""

log = structlog.get_logger(__name__)


class _LeftError(OSError):
    """The caller closed without sending data, as port scans and probes do; or we closed the connection."""


class TlsAcceptor:
    """Applies `tls` to connections; accepts plain ones where `plain` is true."""

    def __init__(
        self,
        tls: ssl.SSLContext,
        *,
        plain: bool,
        timeout_s: float = HANDSHAKE_S,
        refused: Callable[[str, str], object] = lambda _address, _reason: None,
    ) -> None:
        self._tls = tls
        self._refused = refused
        self._plain = plain
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._silent: list[socket.socket] = []
        self._closed = False

    def cross(self, association: Association, address: str) -> None:
        """Perform the TLS handshake of a new connection, or close it."""
        wrapped = association.dul.socket
        raw = None if wrapped is None else wrapped.socket
        if wrapped is None or raw is None:
            return
        with self._counted(raw):
            try:
                opened = self._opened(raw)
            except _LeftError:
                return
            except OSError as error:
                log.warning("connection_refused", address=address, reason=why(error))
                self._refused(address, why(error))
                cut(raw)
                return
        if opened is not raw:
            wrapped.socket = opened
            raw.close()

    def close(self) -> None:
        """Close every pending connection, and accept none from now on."""
        with self._lock:
            self._closed = True
            for raw in self._silent:
                cut(raw)

    @contextmanager
    def _counted(self, raw: socket.socket) -> Iterator[None]:
        """Register a silent connection; with too many, close the oldest."""
        with self._lock:
            if len(self._silent) >= MOST_WAITING:
                log.warning("idle_connection_dropped", silent=len(self._silent))
                cut(self._silent[0])
            if self._closed:
                cut(raw)
            self._silent.append(raw)
        try:
            yield
        finally:
            with self._lock:
                self._silent.remove(raw)

    def _opened(self, raw: socket.socket) -> socket.socket:
        started = time.monotonic()
        raw.settimeout(self._timeout_s)
        first = raw.recv(1, socket.MSG_PEEK)
        if first == _HELLO:
            left_s = max(0.1, self._timeout_s - (time.monotonic() - started))
            # the handshake detaches the socket; this duplicate can still be shut down
            return secured(raw.dup(), self._tls, left_s)
        if not first:
            raise _LeftError
        if not self._plain:
            raise ConnectionRefusedError(errno.EPROTO, "expected TLS, found a request in plain")
        return raw
