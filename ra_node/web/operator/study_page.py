"""The page of one study: overlay, report, deliveries, files, timeline, and its actions."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ra_node.domain.job import JobState
from ra_node.domain.texts.translations import load_language
from ra_node.ledger.overview import jobs_of
from ra_node.ledger.report_json import report_from_json
from ra_node.ledger.results import latest_result
from ra_node.ledger.search.filter import in_need
from ra_node.ledger.storage.operator_requests import analyse_again, resend_result
from ra_node.ledger.withdrawals import answered_study
from ra_node.services.monitoring.operator_actions import acted
from ra_node.services.monitoring.overview import study_story
from ra_node.services.monitoring.study_files import files_of, read_file
from ra_node.web.auth import desk_of, operator_of
from ra_node.web.operator.report_view import report_view
from ra_node.web.operator.study_list import StudyRow
from ra_node.web.pages import operator_page, uid_of
from ra_node.web.templating import error_page


def one_study(request: Request) -> Response:
    """One study: overlay, report, deliveries, files and timeline."""
    desk, uid = desk_of(request), uid_of(request)
    story, kept = study_story(desk.ledger, uid), latest_result(desk.ledger, uid)
    report = report_view(report_from_json(kept.report_json), load_language(desk.language)) if kept else None
    version = story.study.answered_version
    return operator_page(
        request,
        "study.html",
        story=story,
        report=report,
        row=StudyRow(story.study, None, uid in in_need(desk.ledger, [uid])),
        start=story.events[0].at if story.events else 0.0,
        buried=[job for job in jobs_of(desk.ledger, uid) if job.state is JobState.BURIED],
        result=answered_study(desk.ledger, uid),
        receivers=sorted({one.peer for one in story.deliveries if one.object.version == version}),
        files=files_of(desk.ledger, uid),
        viewer=desk.table.viewer_url.replace("{study_uid}", uid),
        patient=desk.shown.patient(uid) if desk.table.show_patient_names else "",
    )


def resend(request: Request, sent: FormData) -> Response:
    """Queue the newest result for one destination again."""
    desk, operator, uid = desk_of(request), operator_of(request), uid_of(request)
    assert operator is not None
    peer = str(sent.get("peer", ""))[:64]
    count = resend_result(desk.ledger, uid, peer)
    acted(desk.ledger, operator, "resend_requested", uid, peer=peer, objects=count)
    return RedirectResponse(f"/studies/{uid}", 303)


def analyse(request: Request, sent: FormData) -> Response:
    """Queue the images of a study for a new analysis, once the operator has confirmed it."""
    desk, operator, uid = desk_of(request), operator_of(request), uid_of(request)
    assert operator is not None
    if sent.get("confirmed") != "yes":
        return error_page(request, 400, "not_confirmed")
    count = analyse_again(desk.ledger, uid)
    acted(desk.ledger, operator, "analysis_requested", uid, images=count)
    return RedirectResponse(f"/studies/{uid}", 303)


def download(request: Request) -> Response:
    """One DICOM file of a study, recorded with the name of the operator: it names the patient."""
    desk, operator, uid = desk_of(request), operator_of(request), uid_of(request)
    assert operator is not None
    name = str(request.path_params["instance"])
    content = read_file(desk.ledger, desk.files, uid, name)
    acted(desk.ledger, operator, "file_downloaded", uid, sop_instance_uid=name)
    headers = {"Content-Disposition": f'attachment; filename="{name}.dcm"'}
    return Response(content, media_type="application/dicom", headers=headers)
