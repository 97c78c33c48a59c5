"""The web application: routes and middleware."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ra_node.domain.report import WithdrawalCause
from ra_node.domain.texts.withdrawal import checked_reason
from ra_node.errors import NodeError, Refused
from ra_node.services.monitoring.health import Sign
from ra_node.services.monitoring.operator_actions import (
    Operator,
    acted,
    sign_in_refused,
    signed_in,
    try_again,
)
from ra_node.services.withdrawal.request import plan_for_study, request_plan
from ra_node.web import metrics, pages
from ra_node.web.auth import (
    EVERYONE,
    OPERATORS,
    begin_session,
    caller_of,
    change,
    desk_of,
    end_session,
    form,
    operator_of,
    page,
    role_of,
    token,
)
from ra_node.web.concurrency import ConcurrencyLimitMiddleware
from ra_node.web.context import PageContext
from ra_node.web.known_device import KnownDevices
from ra_node.web.login_throttle import network_of
from ra_node.web.middleware import (
    BodyLimitMiddleware,
    HostMiddleware,
    ProxyUserMiddleware,
    SecurityHeadersMiddleware,
    is_within,
    known_hosts,
    proxy_secret,
)
from ra_node.web.operator import buried, peers, study_csv, study_list, study_page
from ra_node.web.page_words import DEFAULT, page_language, page_words
from ra_node.web.reader_studies.reading import refusal_text
from ra_node.web.reader_studies.routes import lead_routes, reader_routes
from ra_node.web.templating import error_page, show

STATIC = Path(__file__).parent / "static"
COOKIE = "ra_node_session"


def build_app(desk: PageContext, secret: str) -> Starlette:
    """The application of one node; `secret` signs its sessions."""
    table = desk.table
    app = Starlette(
        routes=_routes(),
        middleware=[
            Middleware(SecurityHeadersMiddleware, https=table.https),
            Middleware(HostMiddleware, hosts=known_hosts(table.hosts, table.host)),
            Middleware(BodyLimitMiddleware),
            Middleware(ConcurrencyLimitMiddleware),
            Middleware(
                ProxyUserMiddleware,
                header=table.proxy_header,
                trusted=table.trusted_proxies,
                secret=proxy_secret(table.proxy_secret_file),
            ),
            Middleware(
                SessionMiddleware,
                secret_key=secret,
                session_cookie=COOKIE,
                max_age=round(3600 * table.session_hours),
                same_site="strict",
                https_only=table.https,
            ),
        ],
        exception_handlers={HTTPException: _http_error, NodeError: _node_error},
    )
    app.state.desk = desk
    app.state.devices = KnownDevices(secret, https=table.https)
    return app


def _routes() -> list[Route | Mount]:
    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", read_metrics),
        Route("/login", login_page, methods=["GET"]),
        Route("/login", form(login), methods=["POST"]),
        Route("/session", session),
        Route("/logout", change(logout, EVERYONE), methods=["POST"]),
        Route("/", page(study_list.list_studies)),
        Route("/studies/{uid}", page(study_page.one_study)),
        Route("/studies/{uid}/{version:int}/overlay.jpg", page(pages.overlay)),
        Route("/studies/{uid}/files/{instance}.dcm", page(study_page.download)),
        Route("/studies/{uid}/resend", change(study_page.resend), methods=["POST"]),
        Route("/studies/{uid}/analyse", change(study_page.analyse), methods=["POST"]),
        Route("/studies.csv", page(study_csv.studies_csv)),
        Route("/not-rated", page(pages.not_rated)),
        Route("/queue", page(pages.queue)),
        Route("/peers", page(peers.peers)),
        Route("/buried", page(buried.buried)),
        Route("/model", page(pages.model)),
        Route("/guide", page(pages.guide, EVERYONE)),
        Route("/guide/{topic}", page(pages.guide, EVERYONE)),
        *reader_routes(),
        *lead_routes(),
        Route("/buried", change(buried.change_group), methods=["POST"]),
        Route("/peers/echo", change(peers.echo), methods=["POST"]),
        Route("/search", change(study_list.search), methods=["POST"]),
        Route("/requeue", change(requeue), methods=["POST"]),
        Route("/studies/{uid}/withdraw", change(withdraw), methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


async def healthz(request: Request) -> Response:
    """200 while this process and the ledger respond."""
    return _signs(await run_in_threadpool(desk_of(request).health.living))


async def readyz(request: Request) -> Response:
    """200 while an arriving study would be analysed, reported and delivered; else 503."""
    return _signs(await run_in_threadpool(desk_of(request).health.ready))


async def read_metrics(request: Request) -> Response:
    """Metrics for a trusted address or a signed-in user."""
    desk = desk_of(request)
    near = request.scope["state"]["direct"] and is_within(caller_of(request), desk.table.metrics_from)
    if not near and await run_in_threadpool(role_of, request) not in OPERATORS:
        return PlainTextResponse("forbidden from this address; see [web] metrics_from\n", 403)
    text = await run_in_threadpool(metrics.exposition, desk)
    return Response(text, media_type=metrics.CONTENT_TYPE)


async def login_page(request: Request) -> Response:
    """The login form."""
    if await run_in_threadpool(operator_of, request) is not None:
        return RedirectResponse("/", 303)
    return await run_in_threadpool(_ask, request, "")


def login(request: Request, sent: FormData) -> Response:
    """Sign in; wrong credentials are refused, and throttled after some attempts.

    A browser in which this user has signed in before is counted by itself; any other by its address, so that
    outsiders at other addresses lock out neither.
    """
    desk, caller = desk_of(request), caller_of(request)
    name, password = (str(sent.get(field, ""))[:1024] for field in ("name", "password"))
    devices: KnownDevices = request.app.state.devices
    known = devices.key(request, name)
    network, shared = network_of(caller), "" if known else f"name {name}"
    keys = (known,) if known else (f"name {name} at {network}", f"address {network}")
    wait_s = desk.throttle.attempt(*keys, name=shared)
    if wait_s > 0:
        answer = _ask(request, "too_many", 429, wait_s)
        answer.headers["Retry-After"] = f"{wait_s:.0f}"
        return answer
    if not desk.passwords.verify(name, password):
        sign_in_refused(desk.ledger, Operator("", caller))
        return _ask(request, "wrong_password", 401)
    desk.throttle.right(*keys, shared)
    begin_session(request, name)
    signed_in(desk.ledger, Operator(name, caller))
    answer = RedirectResponse("/", 303)
    devices.remember(answer, name)
    return answer


async def session(request: Request) -> Response:
    """The signed-in user, "" without one, and the token of his forms: for a page whose session ended."""
    user = await run_in_threadpool(operator_of, request)
    return JSONResponse({"who": user.name if user else "", "csrf": token(request)})


def logout(request: Request, _sent: FormData) -> Response:
    """End the session, also on the server."""
    end_session(request)
    return RedirectResponse("/login", 303)


def requeue(request: Request, sent: FormData) -> Response:
    """Requeue the buried jobs of a study, a job or a destination, and return to the page of the button."""
    operator = operator_of(request)
    assert operator is not None
    name, back = str(sent.get("what", ""))[:128], str(sent.get("back", "/"))
    study = str(sent.get("study", ""))
    if not name or not pages.is_uid(study):
        return error_page(request, 400, "Not found.")
    try_again(desk_of(request).ledger, name, operator, study_uid=study or None)
    is_local = back.startswith("/") and not back.startswith(("//", "/\\"))
    return RedirectResponse(back if is_local else "/", 303)


def withdraw(request: Request, sent: FormData) -> Response:
    """Withdraw the newest result of a study, once the operator has confirmed it."""
    operator, uid = operator_of(request), str(request.path_params["uid"])
    assert operator is not None
    if not uid or not pages.is_uid(uid):
        return error_page(request, 400, "Not found.")
    if sent.get("confirmed") != "yes":
        return error_page(request, 400, "Nothing is withdrawn: tick the confirmation first.")
    ledger, safety = desk_of(request).ledger, sent.get("cause") == WithdrawalCause.PATIENT_SAFETY
    cause = WithdrawalCause.PATIENT_SAFETY if safety else WithdrawalCause.QUALITY
    try:
        reason = checked_reason(str(sent.get("reason", "")))
    except Refused as error:
        return error_page(request, 400, f"Nothing is withdrawn: {error}.")
    count = request_plan(ledger, plan_for_study(ledger, uid), cause, reason, operator.name)
    acted(ledger, operator, "withdrawal_requested", uid, studies=count, cause=cause, reason=reason)
    return RedirectResponse(f"/studies/{uid}", 303)


def _ask(request: Request, key: str, status: int = 200, wait_s: float = 0) -> Response:
    """The sign-in page; `key` names the text of what was wrong, "" for nothing."""
    words = page_words(desk_of(request).language)["page"]
    error = words[key].replace("{seconds}", f"{wait_s:.0f}") if key else ""
    names = desk_of(request).passwords.names()
    return show(request, "login.html", status=status, error=error, someone=bool(names))


def _signs(signs: list[Sign]) -> Response:
    lines = [f"{sign.name} {'ok' if sign.holds else 'FAILED'}" for sign in signs]
    holds = all(sign.holds for sign in signs)
    return PlainTextResponse("\n".join(lines) + "\n", 200 if holds else 503)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = "page_missing" if error.status_code == 404 else error.detail
    return await run_in_threadpool(error_page, request, error.status_code, text)


async def _node_error(request: Request, error: Exception) -> Response:
    status, text = 404 if isinstance(error, Refused) else 503, str(error)
    if page_language(desk_of(request).language) != DEFAULT:
        text = refusal_text(request, error) or text
    return await run_in_threadpool(error_page, request, status, text)
