"""Syslog client: RFC 5424 messages over TLS (RFC 5425) or UDP (RFC 5426)."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urlsplit

from ra_node.errors import Fatal, Retryable
from ra_node.network.tls import secured, why

NOTICE, WARNING = 5, 4
_SECURITY = 10
_PORTS = {"tls": 6514, "udp": 514}
_LONGEST_DATAGRAM = 65_000
TIMEOUT_S = 10.0


class LogServerAway(Retryable):
    """The syslog server cannot be reached; retry later."""


@dataclass(frozen=True, slots=True)
class LogServer:
    """Address and transport of the server: "tls" or "udp"."""

    way: str
    host: str
    port: int

    @classmethod
    def at(cls, url: str) -> Self:
        """Read "tls://log.hospital:6514" or "udp://log.hospital"; Fatal for anything else."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
            raise Fatal("audit.syslog: expected tls://HOST:PORT or udp://HOST:PORT, found something else")
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])


def syslog_message(content: str, at: float, host: str, *, severity: int = NOTICE) -> bytes:
    """Wrap an audit message (PS3.15 A.6); `at` in UTC seconds since 1970."""
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = "".join(sign for sign in host if "!" <= sign <= "~")[:255] or "-"
    header = f"<{_SECURITY * 8 + severity}>1 {when} {name} ra-node {os.getpid()} DICOM+RFC3881 - "
    return header.encode() + b"\xef\xbb\xbf" + content.encode()


@dataclass
class Syslog:
    """A connection to one server, opened at the first message and reopened after a failure."""

    server: LogServer
    tls: ssl.SSLContext | None = None
    _socket: socket.socket | None = field(default=None, repr=False)

    def send(self, message: bytes) -> None:
        """Send one message; LogServerAway where that fails.

        A TLS stream has no acknowledgement: a message lost by a crashing server counts as sent.
        """
        try:
            if self._socket is None or self._left():
                self.close()
                self._socket = self._open()
            if self.server.way == "udp":
                self._socket.send(message[:_LONGEST_DATAGRAM])
            else:
                self._socket.sendall(b"%d " % len(message) + message)
        except OSError as error:
            self.close()
            where = f"{self.server.host}:{self.server.port}"
            raise LogServerAway(f"expected a syslog server at {where}, found: {why(error)}") from error

    def close(self) -> None:
        """End the connection; the next message opens another."""
        held, self._socket = self._socket, None
        if held is not None:
            with suppress(OSError):
                held.close()

    def _left(self) -> bool:
        """A server never sends data, so readable data mean that it closed."""
        if self.server.way == "udp" or self._socket is None:
            return False
        self._socket.settimeout(0.0)
        try:
            return self._socket.recv(1) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        finally:
            self._socket.settimeout(TIMEOUT_S)

    def _open(self) -> socket.socket:
        where = (self.server.host, self.server.port)
        if self.server.way == "udp":
            family, *_, address = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
            datagrams = socket.socket(family, socket.SOCK_DGRAM)
            datagrams.connect(address)
            return datagrams
        if self.tls is None:
            raise Fatal("expected cert, key and ca in [tls] for syslog over TLS, found none")
        raw = socket.create_connection(where, timeout=TIMEOUT_S)
        return secured(raw, self.tls, TIMEOUT_S, self.server.host)
