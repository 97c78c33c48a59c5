"""Limits concurrent requests, with places of their own for the health checks, and slow request bodies."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_REQUESTS, MOST_HEALTH = 64, 8
BODY_S = 10.0
"""Time for a request body of at most 16 KiB."""

HEALTH = frozenset({"/healthz", "/readyz"})


@dataclass(slots=True)
class ConcurrencyLimitMiddleware:
    """Answers 503 beyond its limits; a request body that does not arrive in `body_s` ends the request."""

    app: ASGIApp
    most: int = MOST_REQUESTS
    most_health: int = MOST_HEALTH
    body_s: float = BODY_S
    running: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        health = scope["path"] in HEALTH
        if self.running[health] >= (self.most_health if health else self.most):
            await PlainTextResponse("busy", 503, headers={"Retry-After": "2"})(scope, receive, send)
            return
        complete = False

        async def receive_in_time() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self.body_s)
            except TimeoutError:
                return {"type": "http.disconnect"}
            complete = not message.get("more_body", False)
            return message

        self.running[health] += 1
        try:
            await self.app(scope, receive_in_time, send)
        finally:
            self.running[health] -= 1
