"""Middleware: security headers, trusted proxies, request size limit."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")


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
    name in the proxy's header, "" without one).
    """

    app: ASGIApp
    header: str
    trusted: Collection[Network]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            peer = scope["client"][0] if scope.get("client") else ""
            trusted = is_within(peer, self.trusted)
            named = headers.get(self.header, "") if self.header and trusted else ""
            state = scope.setdefault("state", {})
            state["caller"] = self._origin(peer, headers.get("x-forwarded-for", "")) if trusted else peer
            state["direct"] = not any(name in headers for name in FORWARDED)
            state["spoken_for"] = named.strip()[:64] if named.isprintable() else ""
        await self.app(scope, receive, send)

    def _origin(self, peer: str, forwarded: str) -> str:
        """Last forwarded address that is not one of our proxies."""
        hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
        for hop in reversed(hops):
            if not is_within(hop, self.trusted):
                return hop
        return hops[0] if hops else peer
