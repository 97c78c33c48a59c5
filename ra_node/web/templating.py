"""Renders the templates with the context that every page needs."""

from __future__ import annotations

import secrets
import time
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from ra_node import __version__
from ra_node.domain.reader_study.roles import AccountRole
from ra_node.web import labels as words
from ra_node.web import time_format
from ra_node.web.page_words import page_language, page_words

HERE = Path(__file__).parent
_GUIDE = ("/guide", "nav_guide")
_OPERATOR = (
    ("/", "nav_studies"),
    ("/queue", "nav_queue"),
    ("/peers", "nav_peers"),
    ("/buried", "nav_buried"),
    ("/not-rated", "nav_not_rated"),
    ("/model", "nav_model"),
)
NAVIGATION = {
    AccountRole.OPERATOR: (*_OPERATOR, _GUIDE),
    AccountRole.LEAD: (*_OPERATOR, ("/reader-studies", "nav_reader_studies"), _GUIDE),
    AccountRole.READER: (("/reading", "nav_reading"), _GUIDE),
}
"""Pages of a role: path, and key of the name in the texts of pages."""


@cache
def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(words=words, version=__version__)
    return made


def show(
    request: Request,
    template: str,
    *,
    status: int = 200,
    who: str = "",
    **context: Any,  # noqa: ANN401 - a template takes anything
) -> HTMLResponse:
    """Render one page; `who` is the signed-in user, "" without one."""
    desk, now = request.app.state.desk, time.time()
    zone = ZoneInfo(desk.table.timezone)
    told = {
        "p": page_words(desk.language)["page"],
        "o": page_words(desk.language)["operator"],
        "site_lang": page_language(desk.language),
        "path": request.url.path,
        "here": str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""),
        "who": who,
        "navigation": NAVIGATION[request.scope["state"].get("role") or AccountRole.OPERATOR],
        "by_proxy": bool(request.scope["state"]["spoken_for"]),
        "csrf": str(request.session.setdefault("csrf", secrets.token_urlsafe(24))),
        "node": desk.node,
        "now": now,
        "zone": time_format.zone_words(zone, now),
        "moment": lambda at: time_format.moment(at, zone),
        "clock_time": lambda at: time_format.clock_time(at, zone),
        "day": lambda at: time_format.day(at, zone),
        "span": time_format.span,
        "iso": time_format.iso,
    }
    return HTMLResponse(_templates().get_template(template).render(**told, **context), status)


def error_page(request: Request, status: int, text: str) -> HTMLResponse:
    """An error page with one sentence: a key of the texts of pages, or the sentence itself."""
    texts = page_words(request.app.state.desk.language)
    text = {**texts["operator"], **texts["page"]}.get(text, text)
    return show(request, "error.html", status=status, text=text)
