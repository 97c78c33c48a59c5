"""No packet waits for another one's acknowledgement.

A peer that sends a PDU in two pieces holds the second back until the first is acknowledged (RFC 896), and
the system holds that acknowledgement back for 40 ms, in case there is something to send along with it.
Most toolkits send so: every seventh C-STORE of DCMTK's took five times as long, and each of ours.
"""

from __future__ import annotations

import socket
from contextlib import suppress

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
"""Linux alone has it."""


def send_at_once(raw: socket.socket) -> None:
    """Let nothing of ours wait until the peer has acknowledged what went before."""
    with suppress(OSError):  # no connection yet, or no more
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def acknowledge(raw: socket.socket) -> None:
    """Acknowledge now what has come; whoever waits for more calls this first, for the system forgets it."""
    if _QUICKACK is not None:
        with suppress(OSError):
            raw.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
