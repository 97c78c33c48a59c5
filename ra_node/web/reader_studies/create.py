"""The form that creates a reader study, and the form that adds a reader; the worker cuts the hands."""

from __future__ import annotations

from typing import TypeVar

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ra_node.domain.reader_study.plan import DEFAULT_REPEATS, Sampling, SamplingKind, StudyPlan
from ra_node.domain.reader_study.roles import Account, AccountRole
from ra_node.errors import Refused
from ra_node.services.reader_studies.making import add_reader, create_study
from ra_node.services.reader_studies.sources import SourceKind, StudySourceSpec
from ra_node.web.auth import account_of, desk_of
from ra_node.web.reader_studies.lead import lead_page
from ra_node.web.templating import error_page

DEFAULTS = {
    "source": str(SourceKind.HELD),
    "sampling": str(SamplingKind.ALL),
    "count": "0",
    "seed": str(Sampling().seed),
    "repeats": f"{100 * DEFAULT_REPEATS:.0f}",
    "by_joint": "1",
    "threshold": "1",
}
Kind = TypeVar("Kind", SourceKind, SamplingKind)
_FIELDS = ("name", "source", "paths", "uids", "came_from", "side", "sampling", "count", "seed", "repeats",
           "by_joint", "threshold", "reveal", "reader_1", "reader_2", "third")  # fmt: skip


def new_reader_study(request: Request) -> Response:
    """The form with its defaults."""
    return _form(request, DEFAULTS)


def create_reader_study(request: Request, sent: FormData) -> Response:
    """Create it; a refusal shows the form again with the reason and all that was typed."""
    typed = {name: str(sent.get(name, ""))[:16_000].strip() for name in _FIELDS}
    desk, by = desk_of(request), account_of(request)
    try:
        readers = [_reader(request, typed[name]) for name in ("reader_1", "reader_2") if typed[name]]
        third = _reader(request, typed["third"]) if typed["third"] else None
        source, plan = source_from(typed), plan_from(typed)
        study = create_study(desk.ledger, desk.files, typed["name"], source, plan, by.name, readers, third)
    except Refused as error:
        return _form(request, typed, str(error), 400)
    return RedirectResponse(f"/reader-studies/{study.id}", 303)


def add_study_reader(request: Request, sent: FormData) -> Response:
    """Add one of the two readers, or the third one."""
    study = str(request.path_params["study"])
    try:
        account = _reader(request, str(sent.get("account", ""))[:64])
        add_reader(desk_of(request).ledger, study, account, adjudicator=sent.get("duty") == "adjudicator")
    except Refused as error:
        return error_page(request, 400, str(error))
    return RedirectResponse(f"/reader-studies/{study}", 303)


def reader_accounts(request: Request) -> list[str]:
    """Accounts of role reader."""
    roles = desk_of(request).passwords.roles()
    return sorted(name for name, role in roles.items() if role is AccountRole.READER)


def source_from(typed: dict[str, str]) -> StudySourceSpec:
    """The source of a filled form."""
    kind = _known(SourceKind, typed["source"])
    uids = tuple(typed["uids"].split()) if kind in (SourceKind.HELD, SourceKind.PEER) else ()
    lines = [line.strip() for line in typed["paths"].splitlines() if line.strip()]
    paths = tuple(lines) if kind in (SourceKind.FOLDER, SourceKind.RUN) else ()
    came_from = typed["came_from"] if kind is SourceKind.PEER else ""
    return StudySourceSpec(kind, paths, uids, came_from, typed["side"])


def plan_from(typed: dict[str, str]) -> StudyPlan:
    """The plan of a filled form; Refused where a number is none."""
    sampling = Sampling(
        _known(SamplingKind, typed["sampling"]), _whole(typed["count"] or "0"), _whole(typed["seed"])
    )
    return StudyPlan(
        sampling,
        repeats=_whole(typed["repeats"] or "0") / 100,
        by_joint=bool(typed["by_joint"]),
        threshold=2 if typed["threshold"] == "2" else 1,
        reveal=bool(typed["reveal"]),
    )


def _form(request: Request, typed: dict[str, str], error: str = "", status: int = 200) -> Response:
    desk = desk_of(request)
    return lead_page(
        request,
        "reader/new_study.html",
        status,
        typed=dict.fromkeys(_FIELDS, "") | typed,
        error=error,
        sources=[str(kind) for kind in SourceKind],
        samplings=[str(kind) for kind in SamplingKind],
        peers=sorted({source.name for source in desk.sources} | set(desk.destinations)),
        accounts=reader_accounts(request),
    )


def _reader(request: Request, name: str) -> Account:
    roles = desk_of(request).passwords.roles()
    if name not in roles:
        raise Refused(f"expected an account of role reader, found no {name}")
    return Account(name, roles[name])


def _known(kind: type[Kind], text: str) -> Kind:
    try:
        return kind(text)
    except ValueError as error:
        raise Refused(f"expected one of {', '.join(kind)}, found another") from error


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise Refused(f"expected a whole number, found {text[:20]}")
    return int(text)
