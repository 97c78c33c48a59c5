"""Authentication, roles and CSRF protection: sessions, the site's proxy, tokens."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ra_node.domain.reader_study.roles import Account, AccountRole
from ra_node.ledger.clock_trust import SKEW_S
from ra_node.services.monitoring.operator_actions import Operator
from ra_node.web.context import PageContext
from ra_node.web.templating import error_page

Endpoint = Callable[[Request], Awaitable[Response]]
Page = Callable[[Request], Response]
Change = Callable[[Request, FormData], Response]
JsonChange = Callable[[Request, dict[str, Any]], Response]
LOGIN = "/login"
OPERATORS = (AccountRole.OPERATOR, AccountRole.LEAD)
LEADS = (AccountRole.LEAD,)
READERS = (AccountRole.READER,)
EVERYONE = tuple(AccountRole)
HOME = {AccountRole.OPERATOR: "/", AccountRole.LEAD: "/", AccountRole.READER: "/reading"}


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
    if str(request.session.get("id", "")) in desk.ended:
        return None
    if proof is None or not hmac.compare_digest(proof, str(request.session.get("proof", ""))):
        return None
    return Operator(name, caller_of(request))


def begin_session(request: Request, name: str) -> None:
    """Sign a user in with a new session and a new token."""
    proof = desk_of(request).passwords.proof(name)
    request.session.clear()
    request.session.update(
        {"id": secrets.token_urlsafe(16), "who": name, "since": time.time(), "proof": proof or ""}
    )


def end_session(request: Request) -> None:
    """Sign a user out: a copy of the cookie signs nobody in again."""
    desk, session = desk_of(request), str(request.session.get("id", ""))
    if session:
        desk.ended.end(session, 3600 * desk.table.session_hours + SKEW_S)
    request.session.clear()


def token(request: Request) -> str:
    """The CSRF token of this session, created at first use."""
    return str(request.session.setdefault("csrf", secrets.token_urlsafe(24)))


def is_ours(request: Request, form: FormData) -> bool:
    """Whether a form carries the token of this session."""
    return _is_token(request, form.get("csrf"))


def _is_token(request: Request, sent: object) -> bool:
    kept = str(request.session.get("csrf", ""))
    return bool(kept) and isinstance(sent, str) and hmac.compare_digest(kept.encode(), sent.encode())


def page(show: Page, roles: Collection[AccountRole] = OPERATORS) -> Endpoint:
    """Require a signed-in user of one of these roles; strangers are redirected to the login."""

    async def endpoint(request: Request) -> Response:
        denied = await run_in_threadpool(_denied, request, roles)
        return await run_in_threadpool(show, request) if denied is None else denied

    return endpoint


def data(answer: Page, roles: Collection[AccountRole]) -> Endpoint:
    """The same for a request of a script: 401 or 403 with JSON."""

    async def endpoint(request: Request) -> Response:
        denied = await run_in_threadpool(_denied_script, request, roles)
        return await run_in_threadpool(answer, request) if denied is None else denied

    return endpoint


def json_change(do: JsonChange, roles: Collection[AccountRole]) -> Endpoint:
    """Require a user of one of these roles, the token of his session in a header, and a JSON object."""

    async def endpoint(request: Request) -> Response:
        denied = await run_in_threadpool(_denied_script, request, roles)
        if denied is None and not _is_token(request, request.headers.get("x-csrf-token")):
            denied = JSONResponse({"expired": True}, 401)
        if denied is not None:
            return denied
        try:
            sent = json.loads(await request.body())
        except (ValueError, RecursionError):
            sent = None
        if not isinstance(sent, dict):
            return JSONResponse({"text": "expected a JSON object"}, 400)
        return await run_in_threadpool(do, request, sent)

    return endpoint


def role_of(request: Request) -> AccountRole | None:
    """Role of the signed-in user; None without one."""
    operator = operator_of(request)
    return None if operator is None else desk_of(request).passwords.role(operator.name)


def account_of(request: Request) -> Account:
    """The signed-in account of an endpoint that requires one."""
    operator = operator_of(request)
    assert operator is not None
    return Account(operator.name, desk_of(request).passwords.role(operator.name))


def _denied(request: Request, roles: Collection[AccountRole]) -> Response | None:
    role = role_of(request)
    request.scope["state"]["role"] = role
    if role is None:
        return _to_login(request)
    if role in roles:
        return None
    if request.url.path == "/":
        return RedirectResponse(HOME[role], 303)
    return error_page(request, 403, "not_for_account")


def _denied_script(request: Request, roles: Collection[AccountRole]) -> Response | None:
    role = role_of(request)
    if role is None:
        return JSONResponse({"expired": True}, 401)
    return None if role in roles else JSONResponse({"text": "not for your account"}, 403)


def form(do: Change) -> Endpoint:
    """Require a valid CSRF token."""

    async def endpoint(request: Request) -> Response:
        sent = await request.form()
        if not is_ours(request, sent):
            return error_page(request, 403, "form_expired")
        return await run_in_threadpool(do, request, sent)

    return endpoint


def change(do: Change, roles: Collection[AccountRole] = OPERATORS) -> Endpoint:
    """Require a valid CSRF token and a signed-in user of one of these roles."""
    ours = form(do)

    async def endpoint(request: Request) -> Response:
        denied = await run_in_threadpool(_denied, request, roles)
        return await ours(request) if denied is None else denied

    return endpoint


def _to_login(request: Request) -> Response:
    """A self-refreshing part redirects the whole page."""
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": LOGIN})
    return RedirectResponse(LOGIN, 303)
