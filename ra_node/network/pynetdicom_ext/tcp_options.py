"""Sets TCP_NODELAY and TCP_QUICKACK on every association: Nagle plus delayed ACK cost 40 ms a C-STORE.

A peer that sends a PDU in two segments delays the second until the first is acknowledged (RFC 896), and the
kernel delays that acknowledgement by up to 40 ms. Most toolkits send this way: every seventh C-STORE of DCMTK
took five times as long, and each of ours.
"""

from __future__ import annotations

import socket
from contextlib import suppress

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
"""Linux only."""


def send_at_once(raw: socket.socket) -> None:
    """Set TCP_NODELAY."""
    with suppress(OSError):  # not connected yet, or no longer
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def acknowledge(raw: socket.socket) -> None:
    """Set TCP_QUICKACK; repeated before each wait, because the kernel resets it."""
    if _QUICKACK is not None:
        with suppress(OSError):
            raw.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
