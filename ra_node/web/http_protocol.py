"""HTTP/1.1 connections that must send a request in time.

uvicorn waits without limit for the header of a request, and counts such connections: 300 half-open ones
made every page and /healthz answer 503. Here a connection without a complete header is closed after ten
seconds, and beyond 256 connections the oldest such one gives way.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_S = 10.0
MOST_CONNECTIONS = 256


class HeaderTimeoutProtocol(H11Protocol):
    """h11 with a deadline for the header of each request."""

    header_s = HEADER_S
    most_connections = MOST_CONNECTIONS
    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_header()
        if len(self.connections) > self.most_connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        if self.deadline is None and self._is_between_requests():
            self._await_header()
        super().data_received(data)
        if not self._is_between_requests():
            self._header_arrived()

    def connection_lost(self, exc: Exception | None) -> None:
        self._header_arrived()
        super().connection_lost(exc)

    def _is_between_requests(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def _await_header(self) -> None:
        self.deadline = self.loop.call_later(self.header_s, self._drop)

    def _header_arrived(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _drop(self) -> None:
        self.deadline = None
        if self._is_between_requests():
            self.transport.close()

    def _make_room(self) -> None:
        """Close the connection that has waited longest for its header."""
        waiting = [
            other
            for other in self.connections
            if isinstance(other, HeaderTimeoutProtocol) and other is not self and other.deadline is not None
        ]
        oldest = min(
            waiting, key=lambda other: other.deadline.when() if other.deadline else 0.0, default=self
        )
        oldest.transport.close()
