"""The pages: each reads its data and renders its template."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from markdown_it import MarkdownIt
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ra_node.domain.job import JobState
from ra_node.domain.reader_study.roles import AccountRole
from ra_node.ledger.alarms import alarms
from ra_node.ledger.database.events import newest_events
from ra_node.ledger.database.schema import DeliveryState, StudyState
from ra_node.ledger.overview import (
    StudyLine,
    buried_jobs,
    jobs_of,
    oldest_unanswered,
    open_delivery_counts,
    open_job_counts,
    studies,
    study_counts,
)
from ra_node.ledger.withdrawals import answered_study
from ra_node.services.delivery.destination_status import complaints, standings
from ra_node.services.guide_pages import ORDER, guide_page, guide_titles
from ra_node.services.models.drift_baseline import reference_of
from ra_node.services.monitoring.overlay_preview import LARGE_PX, SMALL_PX
from ra_node.services.monitoring.overview import study_story
from ra_node.services.reporting.answer_event import AnswerSummary, read_summary
from ra_node.web import charts, time_format
from ra_node.web.auth import desk_of, operator_of
from ra_node.web.templating import show

PAGE = 25
UID_CHARACTERS = frozenset("0123456789.")


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One study of the list with the summary of its newest report, None without one."""

    line: StudyLine
    said: AnswerSummary | None

    @property
    def has_picture(self) -> bool:
        return self.line.answered_version > 0 and self.line.purged_at is None


def list_studies(request: Request) -> Response:
    """The studies, the last received first."""
    ledger = desk_of(request).ledger
    state, uid = _asked_state(request), request.query_params.get("uid", "").strip()[:64]
    offset = _number(request.query_params.get("from", ""))
    known = set(uid) <= UID_CHARACTERS
    lines = studies(ledger, PAGE + 1, offset, state=state, uid=uid) if known else []
    told = newest_events(ledger, [line.study_uid for line in lines[:PAGE]], "study_answered")
    said = {name: read_summary(event.detail) for name, event in told.items()}
    since = oldest_unanswered(ledger)
    return _page(
        request,
        "studies.html",
        rows=[StudyRow(line, said.get(line.study_uid)) for line in lines[:PAGE]],
        more=offset + PAGE if len(lines) > PAGE else None,
        offset=offset,
        counts=study_counts(ledger),
        states=tuple(StudyState),
        state=state,
        uid=uid,
        known=known,
        waits=None if since is None else ledger.clock() - since,
    )


def one_study(request: Request) -> Response:
    """One study: overlay, report, deliveries and timeline."""
    desk, uid = desk_of(request), _uid(request)
    story = study_story(desk.ledger, uid)
    return _page(
        request,
        "study.html",
        story=story,
        row=StudyRow(story.study, None),
        start=story.events[0].at if story.events else 0.0,
        buried=[job for job in jobs_of(desk.ledger, uid) if job.state is JobState.BURIED],
        result=answered_study(desk.ledger, uid),
        patient=desk.shown.patient(uid) if desk.table.show_patient_names else "",
    )


def guide(request: Request) -> Response:
    """One page of the guide, the first one where none is named; 404 for an unknown topic."""
    topic = str(request.path_params.get("topic", ORDER[0]))
    if topic not in ORDER:
        raise HTTPException(404)
    page = MarkdownIt("commonmark", {"html": False}).enable("table").render(guide_page(topic))
    return _page(request, "guide.html", titles=guide_titles(), shown=topic, page=page)


def overlay(request: Request) -> Response:
    """The overlay of the newest report as JPEG; `size=small` for the list."""
    desk, uid = desk_of(request), _uid(request)
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
        steps = {step: (sum(took.counts), took.sum_s) for step, took in tally.steps.items()}
    since = oldest_unanswered(desk.ledger)
    return _page(
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


def peers(request: Request) -> Response:
    """Destinations with their queues, sources with the time of their last image."""
    desk = desk_of(request)
    now = desk.ledger.clock()
    found = [(one, complaints(one, now)) for one in standings(desk.ledger, desk.destinations)]
    with desk.follower.tally() as tally:
        last, images = dict(tally.last_image), dict(tally.images)
    undelivered = open_delivery_counts(desk.ledger)
    configured = {source.ae_title for source in desk.sources}
    return _page(
        request,
        "peers.html",
        destinations=found,
        refused={peer: n for (peer, state), n in undelivered.items() if state is DeliveryState.REFUSED},
        sources=desk.sources,
        strangers=sorted(set(last) - configured),
        last=last,
        images=images,
    )


def buried(request: Request) -> Response:
    """Buried jobs with their reasons and a button to requeue each."""
    return _page(request, "buried.html", jobs=buried_jobs(desk_of(request).ledger))


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
    return _page(
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


def _page(
    request: Request,
    template: str,
    **context: Any,  # noqa: ANN401 - a template takes anything
) -> HTMLResponse:
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


def _uid(request: Request) -> str:
    uid = str(request.path_params["uid"])
    if not is_uid(uid):
        raise HTTPException(404)
    return uid


def is_uid(text: str) -> bool:
    """Whether this is empty or the beginning of a UID (PS3.5 9.1)."""
    return set(text) <= UID_CHARACTERS and len(text) <= 64


def _asked_state(request: Request) -> StudyState | None:
    asked = request.query_params.get("state", "")
    return StudyState(asked) if asked in set(StudyState) else None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0
