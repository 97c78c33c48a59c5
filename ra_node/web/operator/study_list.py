"""The list of studies: its filters, and a search that puts no identifier into an address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ra_node.ledger.database.events import newest_events
from ra_node.ledger.database.schema import DeliveryState, StudyState
from ra_node.ledger.overview import StudyLine, oldest_unanswered, studies, study_counts
from ra_node.ledger.search.filter import StudyFilter, in_need, matching_count
from ra_node.ledger.search.terms import IDENTIFIERS, ResultTerm, any_study_has, reasons_found
from ra_node.services.reporting.answer_event import AnswerSummary, read_summary
from ra_node.web.auth import desk_of
from ra_node.web.pages import UID_CHARACTERS, operator_page

PAGE = 25
_Choice = TypeVar("_Choice", bound=StrEnum)
_DIGESTS = 64
"""Most digests in an address: a typed identifier has two, and two more for each merge."""
_FORM = ("since", "until", "result", "reason", "peer", "delivery")
"""Parameters of the form that is folded away while it filters nothing."""
_LONG_DIGITS = 16
"""Digits without a dot from which a text may be part of a UID; a shorter one rather is of a patient."""


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One study of the list with the summary of its newest report, None without one."""

    line: StudyLine
    said: AnswerSummary | None
    needs_operator: bool = False

    @property
    def has_picture(self) -> bool:
        return self.line.answered_version > 0 and self.line.purged_at is None


def list_studies(request: Request) -> Response:
    """The studies, the last received first."""
    ledger, which = desk_of(request).ledger, filter_of(request)
    offset = _number(request.query_params.get("from", ""))
    since = oldest_unanswered(ledger)
    rows, more = rows_of(request, which, PAGE, offset)
    return operator_page(
        request,
        "studies.html",
        rows=rows,
        more=offset + PAGE if more else None,
        offset=offset,
        page_size=PAGE,
        counts=study_counts(ledger),
        needing=matching_count(ledger, StudyFilter(needs_operator=True)),
        states=tuple(StudyState),
        which=which,
        asked={name: value for name, value in request.query_params.items() if value},
        keep=urlencode(_asked(request)),
        filtered=any(name in request.query_params for name in _FORM),
        narrowed=_narrowed(which),
        results=tuple(ResultTerm),
        reasons=reasons_found(ledger),
        destinations=desk_of(request).destinations,
        delivery_states=tuple(DeliveryState),
        waits=None if since is None else ledger.clock() - since,
    )


def rows_of(request: Request, which: StudyFilter, count: int, offset: int) -> tuple[list[StudyRow], bool]:
    """Rows of a filter, and whether there are more."""
    ledger = desk_of(request).ledger
    lines = studies(ledger, count + 1, offset, which=which)
    uids = [line.study_uid for line in lines[:count]]
    needing = in_need(ledger, uids)
    told = newest_events(ledger, uids, "study_answered")
    said = {name: read_summary(event.detail) for name, event in told.items()}
    rows = [StudyRow(line, said.get(line.study_uid), line.study_uid in needing) for line in lines[:count]]
    return rows, len(lines) > count


def search(request: Request, sent: FormData) -> Response:
    """Find by accession number, patient ID or UID: redirects to the list.

    The address then holds keyed hashes of an identifier, or a part of a UID that the ledger has. What was
    typed and not found is in no address, log or event.
    """
    desk, typed = desk_of(request), str(sent.get("find", "")).strip()[:64]
    if not typed:
        return RedirectResponse("/", 303)
    digests = desk.digests(typed)
    known = any_study_has(desk.ledger, IDENTIFIERS, digests)
    by_uid = StudyFilter(uid=typed)
    if not known and may_be_uid(typed) and studies(desk.ledger, 1, which=by_uid):
        return RedirectResponse(f"/?{urlencode({'uid': typed})}", 303)
    return RedirectResponse(f"/?{urlencode({'key': '.'.join(digests) or 'none'})}", 303)


def may_be_uid(text: str) -> bool:
    """Whether a text can be a part of a UID rather than an identifier of a patient."""
    return set(text) <= UID_CHARACTERS and ("." in text or len(text) >= _LONG_DIGITS)


def filter_of(request: Request) -> StudyFilter:
    """The filter in the address; what is unknown there filters nothing."""
    asked, zone = request.query_params, ZoneInfo(desk_of(request).table.timezone)
    uid = asked.get("uid", "").strip()[:64]
    key = asked.get("key", "") if set(uid) <= UID_CHARACTERS else "none"
    return StudyFilter(
        state=_one_of(StudyState, asked.get("state", "")),
        needs_operator=asked.get("needs") == "me",
        uid="" if key == "none" else uid,
        digests=tuple(key.split(".")[:_DIGESTS]) if key else (),
        since=_day(asked.get("since", ""), zone),
        until=_day(asked.get("until", ""), zone, after=1),
        result=_one_of(ResultTerm, asked.get("result", "")),
        reason=asked.get("reason", "")[:64],
        peer=asked.get("peer", "")[:64],
        delivery=_one_of(DeliveryState, asked.get("delivery", "")),
    )


def _asked(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.query_params.items() if value and name != "from"}


def _narrowed(which: StudyFilter) -> bool:
    """Whether a filter other than that of the states is set."""
    return replace(which, state=None, needs_operator=False) != StudyFilter()


def _one_of(kind: type[_Choice], asked: str) -> _Choice | None:
    return kind(asked) if asked in set(kind) else None


def _day(text: str, zone: ZoneInfo, after: int = 0) -> float | None:
    """Start of a day of the site, `after` days later; None for what is no date."""
    try:
        return (datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone) + timedelta(days=after)).timestamp()
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0
