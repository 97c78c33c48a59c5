"""Middleware: security headers, trusted proxies, request size limit."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ra_node.errors import Fatal

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
BODY_BYTES = 16 * 1024
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-real-ip", "via")
PROOF_HEADER = "x-proxy-secret"
"""Header in which a proxy proves that a request comes through it: any local account can reach the port."""
LEAST_SECRET = 16
WITHOUT_HOST = frozenset({"/healthz", "/readyz"})
"""Asked by monitors under any name; they set no cookie and tell nothing of a study."""


def is_within(address: str, networks: Collection[Network]) -> bool:
    """Whether an address belongs to one of these networks; False for invalid addresses."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)


@dataclass(frozen=True, slots=True)
class SecurityHeadersMiddleware:
    """Adds security headers to every response; browsers may cache static files only."""

    app: ASGIApp
    https: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                if self.https:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        await self.app(scope, receive, send_hardened)


@dataclass(frozen=True, slots=True)
class BodyLimitMiddleware:
    """Refuses a request with a large body, or without Content-Length."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        said = headers.get("content-length", "0")
        too_large = not said.isdigit() or int(said) > BODY_BYTES
        if scope["type"] == "http" and (too_large or "transfer-encoding" in headers):
            await PlainTextResponse("too large", 413)(scope, receive, send)
            return
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class ProxyUserMiddleware:
    """Accepts forwarded headers from trusted proxies only.

    Leaves in the scope's state: `caller` (address), `direct` (no proxy in between), `spoken_for` (the
    name in the proxy's header, "" without one, or without the `secret` that the proxy shares).
    """

    app: ASGIApp
    header: str
    trusted: Collection[Network]
    secret: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            peer = scope["client"][0] if scope.get("client") else ""
            trusted = is_within(peer, self.trusted)
            proven = not self.secret or hmac.compare_digest(
                headers.get(PROOF_HEADER, "").encode(), self.secret.encode()
            )
            named = headers.get(self.header, "") if self.header and trusted and proven else ""
            state = scope.setdefault("state", {})
            state["caller"] = self._origin(peer, headers.get("x-forwarded-for", "")) if trusted else peer
            state["direct"] = not trusted and not any(name in headers for name in FORWARDED)
            state["spoken_for"] = named.strip()[:64] if named.isprintable() else ""
        await self.app(scope, receive, send)

    def _origin(self, peer: str, forwarded: str) -> str:
        """Last forwarded address that is not one of our proxies."""
        hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
        for hop in reversed(hops):
            if not is_within(hop, self.trusted):
                return hop
        return hops[0] if hops else peer


@dataclass(frozen=True, slots=True)
class HostMiddleware:
    """Refuses a Host that is not this page: a foreign name that resolves to this address (DNS rebinding)."""

    app: ASGIApp
    hosts: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in WITHOUT_HOST:
            host = host_name(Headers(scope=scope).get("host", ""))
            if host not in self.hosts and not _is_address(host):
                await PlainTextResponse("unknown host; see [web] hosts\n", 400)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def known_hosts(configured: Iterable[str], listening: str) -> frozenset[str]:
    """The names of this page: the configured ones, where it listens, and those of this machine."""
    own = ("localhost", listening, socket.gethostname(), socket.getfqdn())
    return frozenset(name.lower().rstrip(".") for name in (*configured, *own) if name)


def host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0].rstrip(".") if name.count(":") == 1 else name.rstrip(".")


def _is_address(host: str) -> bool:
    """An address is no name that somebody else could point here."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def proxy_secret(path: Path | None) -> str:
    """The secret that the site's proxy sends; Fatal for a file without one."""
    if path is None:
        return ""
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(f"[web] proxy_secret_file: expected a secret, found {error}") from error
    if len(found) < LEAST_SECRET:
        raise Fatal(
            f"[web] proxy_secret_file: expected {LEAST_SECRET} characters or more, found {len(found)}"
        )
    return found
