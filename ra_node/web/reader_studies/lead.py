"""The lead's pages: reader studies with progress, agreement, drift and the hands that nobody agrees on."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ra_node.domain.joints import JOINTS
from ra_node.domain.reader_study.labels import NOT_GRADABLE
from ra_node.domain.reader_study.roles import AccountRole
from ra_node.domain.statistics.agreement import Agreement, Estimate, shown_estimate
from ra_node.ledger.alarms import alarms
from ra_node.ledger.overview import open_job_counts
from ra_node.services.reader_studies.lead_view import ReaderProgress, lead_studies, lead_view
from ra_node.web.auth import account_of, desk_of
from ra_node.web.reader_studies.reading import texts
from ra_node.web.templating import show


def list_reader_studies(request: Request) -> Response:
    """Every reader study, the newest first."""
    entries = lead_studies(desk_of(request).ledger, account_of(request))
    return lead_page(request, "reader/lead_studies.html", entries=entries)


def one_reader_study(request: Request) -> Response:
    """Progress and agreement of one reader study."""
    study = str(request.path_params["study"])
    view = lead_view(desk_of(request).ledger, study, account_of(request))
    largest = max((max(row) for row in view.matrix), default=0)
    return lead_page(
        request,
        "reader/lead_study.html",
        view=view,
        plan=view.study.plan,
        largest=largest,
        estimate=estimate_text,
        percent=percent_text,
        drift=drift_text,
        label=lambda value: label_text(request, value),
        joint=lambda name: joint_text(request, name),
        hint=_not_yet(request, view.readers),
        accounts=_other_readers(request, view.readers),
    )


def estimate_text(found: Estimate) -> str:
    """A value with its 95 % interval; a dash where kappa is undefined."""
    return shown_estimate(found)


def percent_text(found: Agreement) -> str:
    """Share of equal labels with its counts."""
    return f"{100 * found.equal / found.count:.0f} % ({found.equal}/{found.count})"


def drift_text(reader: ReaderProgress) -> str:
    """Slope of the stage over the reading with its interval, "" before there is enough."""
    if reader.drift is None:
        return ""
    slope, low, high = reader.drift
    return f"{slope:+.2f} ({low:+.2f} to {high:+.2f})"


def label_text(request: Request, value: int | None) -> str:
    """A label in words."""
    words = texts(request, "task")
    if value is None:
        return "-"
    return words["unjudged"] if value == NOT_GRADABLE else words["stage"].replace("{stage}", str(value))


def joint_text(request: Request, name: str) -> str:
    """The name of a joint, or of the whole hand."""
    return texts(request, "task")[f"joint_{name}" if name in JOINTS else "hand"]


def lead_page(
    request: Request,
    template: str,
    status: int = 200,
    **context: Any,  # noqa: ANN401 - a template takes anything
) -> HTMLResponse:
    """Render a page of the lead."""
    name, ledger = account_of(request).name, desk_of(request).ledger
    whole = {"alarms": alarms(ledger), "given_up": open_job_counts(ledger), "t": texts(request, "lead")}
    return show(request, template, status=status, who=name, **whole, **context)


def _not_yet(request: Request, readers: tuple[ReaderProgress, ...]) -> str:
    """What hinders the reader study: too few readers, or a reader who has no account."""
    words, known = texts(request, "lead"), desk_of(request).passwords.roles()
    reading = [one for one in readers if one.duty == "reader"]
    if len(reading) < 2:
        return words["one_reader"] if reading else words["no_reader"]
    missing = [one.account for one in readers if one.account not in known]
    return words["no_account"].replace("{name}", ", ".join(missing)) if missing else ""


def _other_readers(request: Request, readers: tuple[ReaderProgress, ...]) -> list[str]:
    """Accounts of role reader that are not of this reader study."""
    known = {one.account for one in readers}
    roles = desk_of(request).passwords.roles()
    return sorted(name for name, role in roles.items() if role is AccountRole.READER and name not in known)
