"""Authentication and CSRF protection: sessions, the site's proxy, tokens."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ra_node.ledger.clock_trust import SKEW_S
from ra_node.services.monitoring.operator_actions import Operator
from ra_node.web.context import PageContext
from ra_node.web.templating import error_page

Endpoint = Callable[[Request], Awaitable[Response]]
Page = Callable[[Request], Response]
Change = Callable[[Request, FormData], Response]
LOGIN = "/login"


def desk_of(request: Request) -> PageContext:
    """The page context of this process."""
    desk: PageContext = request.app.state.desk
    return desk


def caller_of(request: Request) -> str:
    """Client address, from a trusted proxy's header where there is one."""
    return str(request.scope["state"]["caller"])


def operator_of(request: Request) -> Operator | None:
    """The user signed in here or at the site's proxy; None without one."""
    spoken_for = str(request.scope["state"]["spoken_for"])
    if spoken_for:
        return Operator(spoken_for, caller_of(request))
    desk, name = desk_of(request), str(request.session.get("who", ""))
    age_s = time.time() - float(request.session.get("since", 0))
    if (
        not name or not -SKEW_S <= age_s <= 3600 * desk.table.session_hours
    ):  # otherwise the clock was set back
        return None
    proof = desk.passwords.proof(name)
    if proof is None or not hmac.compare_digest(proof, str(request.session.get("proof", ""))):
        return None
    return Operator(name, caller_of(request))


def begin_session(request: Request, name: str) -> None:
    """Sign a user in with a new session and a new token."""
    proof = desk_of(request).passwords.proof(name)
    request.session.clear()
    request.session.update({"who": name, "since": time.time(), "proof": proof or ""})


def token(request: Request) -> str:
    """The CSRF token of this session, created at first use."""
    return str(request.session.setdefault("csrf", secrets.token_urlsafe(24)))


def is_ours(request: Request, form: FormData) -> bool:
    """Whether a form carries the token of this session."""
    kept, sent = str(request.session.get("csrf", "")), form.get("csrf")
    return bool(kept) and isinstance(sent, str) and hmac.compare_digest(kept.encode(), sent.encode())


def page(show: Page) -> Endpoint:
    """Require a signed-in user; others are redirected to the login."""

    async def endpoint(request: Request) -> Response:
        if await run_in_threadpool(operator_of, request) is None:
            return _to_login(request)
        return await run_in_threadpool(show, request)

    return endpoint


def form(do: Change) -> Endpoint:
    """Require a valid CSRF token."""

    async def endpoint(request: Request) -> Response:
        sent = await request.form()
        if not is_ours(request, sent):
            return error_page(request, 403, "This form has expired. Go back and reload the page.")
        return await run_in_threadpool(do, request, sent)

    return endpoint


def change(do: Change) -> Endpoint:
    """Require a valid CSRF token and a signed-in user."""
    ours = form(do)

    async def endpoint(request: Request) -> Response:
        if await run_in_threadpool(operator_of, request) is None:
            return _to_login(request)
        return await ours(request)

    return endpoint


def _to_login(request: Request) -> Response:
    """A self-refreshing part redirects the whole page."""
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": LOGIN})
    return RedirectResponse(LOGIN, 303)
