"""Buried jobs by cause: what to do, retry all, drop all."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ra_node.ledger.overview import buried_jobs
from ra_node.services.monitoring.buried_causes import BuriedGroup, grouped
from ra_node.services.monitoring.operator_actions import drop_jobs, retry_jobs
from ra_node.web.auth import desk_of, operator_of
from ra_node.web.pages import operator_page
from ra_node.web.templating import error_page

MOST = 10_000
"""Most buried jobs that are grouped; further ones appear once these are done."""


def buried(request: Request) -> Response:
    """Buried jobs grouped by cause, each group with advice and its buttons."""
    return operator_page(request, "buried.html", groups=_groups(request))


def change_group(request: Request, sent: FormData) -> Response:
    """Retry or drop all jobs of a group; a group that is gone changes nothing."""
    operator = operator_of(request)
    assert operator is not None
    desk = desk_of(request)
    asked, drop = str(sent.get("group", "")), sent.get("do") == "drop"
    if drop and sent.get("confirmed") != "yes":
        return error_page(request, 400, "not_confirmed")
    ids = [job.id for group in _groups(request) if group.id == asked for job in group.jobs]
    (drop_jobs if drop else retry_jobs)(desk.ledger, ids, operator)
    return RedirectResponse("/buried", 303)


def _groups(request: Request) -> list[BuriedGroup]:
    return grouped(buried_jobs(desk_of(request).ledger, MOST))
