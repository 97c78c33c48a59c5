"""Limits of one connection: memory, and time for a PDU.

pynetdicom accepts every stated length, queues commands without limit, and restarts its time-out with every
byte.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

import structlog
from pynetdicom import evt
from pynetdicom.association import Association

from ra_node.network.pynetdicom_ext.association_guard import cut
from ra_node.network.pynetdicom_ext.tcp_options import acknowledge

MOST_PDU_BYTES = 4 * 2**20
"""Longest PDU, many times the negotiated length; the length field allows 4 GiB (PS3.8 9.3)."""
MOST_MESSAGE_BYTES = 2**20
"""Longest command set, or data set of a service other than C-STORE, which goes directly to a file."""
MOST_WAITING = 32
"""Most requests before the first response; the standard allows one (PS3.7 D.3.3.3)."""
SPARE_CONNECTIONS = 64
"""Most connections without an association, e.g. from port scans and half-open peers."""

_READ_BYTES = 65_536


def bound(association: Association, timeout_s: float) -> None:
    """Apply the limits above to an accepted connection, and `timeout_s` to every PDU from its first byte.

    A connection that violates one is closed without A-ABORT, which a peer with wrong lengths could not parse.
    """
    wrapped = association.dul.socket
    raw = None if wrapped is None else wrapped.socket
    if wrapped is None or raw is None:
        return
    wrapped.recv = partial(_received, raw, timeout_s)  # type: ignore[method-assign]
    association.bind(evt.EVT_PDU_RECV, lambda event: _watch(event.assoc, raw))
    association.bind(evt.EVT_CONN_CLOSE, lambda event: _wake(event.assoc))


def turn_away(association: Association) -> None:
    """Close a connection without any received data."""
    wrapped = association.dul.socket
    if wrapped is not None and wrapped.socket is not None:
        _cut(wrapped.socket, "more connections than can be served")


def open_connections(associations: Iterable[Association]) -> int:
    """Count the open connections; a thread may end slightly after its connection."""
    return sum(association.dul.is_alive() for association in associations)


def _wake(association: Association) -> None:
    """Stop the thread of a connection that closed without a request.

    After a port scan or a load balancer's probe it would wait for the whole association time-out.
    """
    if association.requestor.primitive is None:
        association.dul.to_user_queue.put(None)  # interpreted as a time-out


def _received(raw: socket.socket, timeout_s: float, wanted_bytes: int) -> bytearray:
    """Read that many bytes, fewer where the peer has closed; OSError for too many or too slow."""
    if wanted_bytes > MOST_PDU_BYTES:
        _cut(raw, f"a PDU of {wanted_bytes} bytes")
        raise OSError(f"expected a PDU of at most {MOST_PDU_BYTES} bytes, found {wanted_bytes}")
    deadline = time.monotonic() + timeout_s
    received = bytearray()
    try:
        while len(received) < wanted_bytes:
            raw.settimeout(max(0.001, deadline - time.monotonic()))
            acknowledge(raw)
            part = raw.recv(min(_READ_BYTES, wanted_bytes - len(received)))
            if not part:
                break
            received += part
    finally:
        with suppress(OSError):
            raw.settimeout(timeout_s)
    return received


def _watch(association: Association, raw: socket.socket) -> None:
    """Check the collected data before one more PDU is added."""
    message = association.dimse.message
    gathered = 0
    if message is not None:
        gathered = message.encoded_command_set.tell() + (message.data_set.tell() if message.data_set else 0)
    if gathered > MOST_MESSAGE_BYTES:
        _cut(raw, f"a message of more than {MOST_MESSAGE_BYTES} bytes in memory")
    if association.dimse.msg_queue.qsize() > MOST_WAITING:
        _cut(raw, f"more than {MOST_WAITING} requests without waiting for a response")


def _cut(raw: socket.socket, reason: str) -> None:
    structlog.get_logger().warning("connection_dropped", reason=reason)
    cut(raw)
