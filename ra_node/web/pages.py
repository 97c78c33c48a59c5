"""The pages: each reads its data and renders its template."""

from __future__ import annotations

from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from markdown_it import MarkdownIt
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ra_node.domain.reader_study.roles import AccountRole
from ra_node.ledger.alarms import alarms
from ra_node.ledger.overview import (
    oldest_unanswered,
    open_job_counts,
)
from ra_node.ledger.search.not_rated import rooms
from ra_node.services.guide_pages import ORDER, guide_page, guide_titles
from ra_node.services.models.drift_baseline import reference_of
from ra_node.services.monitoring.overlay_preview import LARGE_PX, SMALL_PX
from ra_node.web import charts, time_format
from ra_node.web.auth import desk_of, operator_of
from ra_node.web.templating import show

PAGE = 25
WEEKS = 12
UID_CHARACTERS = frozenset("0123456789.")


def guide(request: Request) -> Response:
    """One page of the guide, the first one where none is named; 404 for an unknown topic."""
    topic = str(request.path_params.get("topic", ORDER[0]))
    if topic not in ORDER:
        raise HTTPException(404)
    page = MarkdownIt("commonmark", {"html": False}).enable("table").render(guide_page(topic))
    return operator_page(request, "guide.html", titles=guide_titles(), shown=topic, page=page)


def overlay(request: Request) -> Response:
    """The overlay of the newest report as JPEG; `size=small` for the list."""
    desk, uid = desk_of(request), uid_of(request)
    version = int(request.path_params["version"])
    longest = SMALL_PX if request.query_params.get("size") == "small" else LARGE_PX
    return Response(desk.shown.overlay(uid, version, longest), media_type="image/jpeg")


def queue(request: Request) -> Response:
    """Queue, throughput, roles and disk."""
    desk = desk_of(request)
    zone = ZoneInfo(desk.table.timezone)
    with desk.follower.tally() as tally:
        chart = charts.throughput(
            tally.hours, desk.ledger.clock(), partial(time_format.clock_time, zone=zone)
        )
        steps = {
            step: (sum(took.counts), took.share(0.5), took.share(0.95)) for step, took in tally.steps.items()
        }
    since = oldest_unanswered(desk.ledger)
    return operator_page(
        request,
        "queue.html",
        chart=chart,
        steps=steps,
        jobs=open_job_counts(desk.ledger),
        waits=None if since is None else desk.ledger.clock() - since,
        disk=desk.disk(),
        roles=desk.health.processes(),
        needed=desk.health.needed,
    )


def not_rated(request: Request) -> Response:
    """Studies without a rated hand by source, device and week, for the radiographers."""
    found = rooms(desk_of(request).ledger, WEEKS)
    return operator_page(request, "not_rated.html", rooms=found, weeks=WEEKS)


def model(request: Request) -> Response:
    """The bundle in use with the figures of its card, and its results week by week."""
    desk = desk_of(request)
    zone = ZoneInfo(desk.table.timezone)
    now, label = desk.ledger.clock(), partial(time_format.day, zone=zone)
    bundle = desk.card()
    reference = reference_of(bundle.manifest, bundle.identity.sha256) if bundle else None
    with desk.follower.tally() as tally:
        drift = [charts.stages_and_card(tally.weeks, now, reference)] if reference else []
        drift.append(charts.positive_rate(tally.weeks, now, label, reference))
        drift.append(charts.refusal_rate(tally.weeks, now, label))
    card = ""
    if bundle is not None:
        path = bundle.folder / "card.md"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        card = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return operator_page(
        request,
        "model.html",
        models=desk.models(),
        workers=desk.health.workers(),
        bundle=bundle,
        card=card,
        drift=drift,
        reference=reference,
        history=desk.history(),
    )


def operator_page(
    request: Request,
    template: str,
    **context: Any,  # noqa: ANN401 - a template takes anything
) -> HTMLResponse:
    """One page for the role of the signed-in user."""
    desk, operator = desk_of(request), operator_of(request)
    name = operator.name if operator else ""
    if request.scope["state"]["role"] is AccountRole.READER:  # nothing of studies, jobs and the model
        return show(request, template, who=name, **context)
    bundle = desk.card()
    return show(
        request,
        template,
        who=name,
        notice=bundle.identity.notice if bundle else "",
        alarms=alarms(desk.ledger),
        given_up=open_job_counts(desk.ledger),
        reading=not desk.follower.caught_up,
        **context,
    )


def uid_of(request: Request) -> str:
    """The UID in the path; 404 for what is none."""
    uid = str(request.path_params["uid"])
    if not is_uid(uid):
        raise HTTPException(404)
    return uid


def is_uid(text: str) -> bool:
    """Whether this is empty or the beginning of a UID (PS3.5 9.1)."""
    return set(text) <= UID_CHARACTERS and len(text) <= 64
