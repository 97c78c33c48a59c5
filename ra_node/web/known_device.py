"""Cookie of a browser in which a user has signed in before.

A name that many outsiders together lock by wrong passwords stays open to such a browser (OWASP: device
cookies).
"""

from __future__ import annotations

import secrets

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

COOKIE = "ra_node_device"
KEPT_S = 365 * 24 * 3600


class KnownDevices:
    """Signs and reads the cookie; `secret` is that of the sessions."""

    def __init__(self, secret: str, *, https: bool) -> None:
        self._serializer = URLSafeSerializer(secret, salt="device")
        self._https = https

    def key(self, request: Request, name: str) -> str | None:
        """The throttle key of this browser for this user; None for a browser that is not known."""
        try:
            kept = self._serializer.loads(request.cookies.get(COOKIE, ""))
        except BadSignature:
            return None
        if not isinstance(kept, list) or len(kept) != 2 or kept[0] != name:
            return None
        return f"device {kept[1]}"

    def remember(self, response: Response, name: str) -> None:
        """Mark the browser after a right password."""
        response.set_cookie(
            COOKIE,
            str(self._serializer.dumps([name, secrets.token_urlsafe(12)])),
            max_age=KEPT_S,
            path="/login",
            httponly=True,
            samesite="strict",
            secure=self._https,
        )
