"""The page of one study: overlay, report, deliveries and timeline."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ra_node.domain.job import JobState
from ra_node.ledger.overview import jobs_of
from ra_node.ledger.withdrawals import answered_study
from ra_node.services.monitoring.overview import study_story
from ra_node.web.auth import desk_of
from ra_node.web.operator.study_list import StudyRow
from ra_node.web.pages import operator_page, uid_of


def one_study(request: Request) -> Response:
    """One study: overlay, report, deliveries and timeline."""
    desk, uid = desk_of(request), uid_of(request)
    story = study_story(desk.ledger, uid)
    return operator_page(
        request,
        "study.html",
        story=story,
        row=StudyRow(story.study, None),
        start=story.events[0].at if story.events else 0.0,
        buried=[job for job in jobs_of(desk.ledger, uid) if job.state is JobState.BURIED],
        result=answered_study(desk.ledger, uid),
        patient=desk.shown.patient(uid) if desk.table.show_patient_names else "",
    )
