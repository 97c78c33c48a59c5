"""A result that is taken back: once, audited, in every destination, and it does not come back by itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydicom import dcmread

from ra_node.dicom.plain_text import report_text
from ra_node.dicom.sop_common import series_uid_of
from ra_node.domain.job import JobKind
from ra_node.domain.refusal import Reason
from ra_node.domain.report import WithdrawalCause
from ra_node.domain.result_objects import ObjectKind
from ra_node.domain.texts.withdrawal import checked_reason, withdrawal_refusal
from ra_node.errors import Refused
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import deliveries_of
from ra_node.ledger.overview import jobs_of
from ra_node.ledger.results import latest_result, objects_of, prior_result
from ra_node.ledger.withdrawals import LIVE_FIRST_S, begin_withdrawal, next_withdrawals, waiting_withdrawals
from ra_node.network.scp.loopback_archive import LoopbackArchive
from ra_node.services.reporting.answer import Destination
from ra_node.services.reporting.rebuild import Rebuilder
from ra_node.services.withdrawal.begin import LONGEST_PAUSE_S, WithdrawalStarter
from ra_node.services.withdrawal.request import plan_for_bundle, plan_for_study, request_plan
from tests.dicom.builders import PRODUCER, report, source
from tests.services.delivery.test_deliver import deliver
from tests.services.reporting.test_answer import answer, examine
from tests.services.reporting.test_prior_report import comments

STUDY = str(source().StudyInstanceUID)
BUNDLE = report().bundle.sha256
BOTH = (ObjectKind.SR, ObjectKind.OVERLAY)
SAFETY = WithdrawalCause.PATIENT_SAFETY
PLAIN = Destination("pacs", BOTH)
NOTED = Destination("pacs", BOTH, rejection_note=True)


def answered(bench, destination=PLAIN, image=None):
    bench.keep(image or source())
    bench.settle()
    examine(bench)
    return answer(bench, destination)


def ask(bench, cause=SAFETY, reason="sides exchanged"):
    return request_plan(bench.ledger, plan_for_study(bench.ledger, STUDY), cause, reason, "alice@host")


def begin(bench):
    WithdrawalStarter(bench.ledger).step()
    bench.clock.advance(LIVE_FIRST_S)


def events(bench, what):
    return [one for one in timeline(bench.ledger, STUDY) if one.what == what]


def test_a_withdrawn_result_is_a_new_version_whose_first_word_says_so(bench, tmp_path):
    """SR, overlay and text; the predecessor is named, and no hand has a result."""
    first = answered(bench)
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port)
        assert ask(bench) == 1
        begin(bench)
        made = answer(bench, PLAIN)
        deliver(bench, archive.port)
    assert first.hands
    assert (made.version, made.hands, made.refusal.reason) == (2, (), Reason.WITHDRAWN)
    assert made.refusal.text.startswith("Withdrawn on ")
    assert made.refusal.text.endswith("for patient safety: sides exchanged")
    assert made.predecessor_sr_uid
    objects = {one.kind: dcmread(bench.files.path(one.path)) for one in objects_of(bench.ledger, STUDY, 2)}
    assert any(made.refusal.text in text for text in comments(objects["sr"]))
    assert objects["overlay"].ImageComments == f"{made.refusal.text}."
    assert made.refusal.text in " ".join(report_text(made).split())
    assert {d.state for d in deliveries_of(bench.ledger, STUDY)} == {DeliveryState.ACCEPTED}
    (event,) = events(bench, "study_withdrawn")
    assert event.detail["by"] == "alice@host"


@pytest.mark.parametrize(("cause", "code"), [(SAFETY, "113037"), (WithdrawalCause.QUALITY, "113001")])
def test_a_rejection_note_names_exactly_what_the_destination_holds(bench, tmp_path, cause, code):
    """In place of a new version; both versions that it holds are named, and the note itself never is."""
    answered(bench, NOTED)
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port)
        bench.keep(source(SOPInstanceUID="2.25.78"))
        bench.settle()
        examine(bench)
        answer(bench, NOTED)
        deliver(bench, archive.port)
        held = {d.object.sop_instance_uid for d in deliveries_of(bench.ledger, STUDY)}
        ask(bench, cause)
        begin(bench)
        answer(bench, NOTED)
        deliver(bench, archive.port)
    (sent,) = deliveries_of(bench.ledger, STUDY, version=3)
    assert (sent.object.kind, sent.state) == (ObjectKind.REJECTION_NOTE, DeliveryState.ACCEPTED)
    note = dcmread(bench.files.path(sent.object.path))
    assert note.ConceptNameCodeSequence[0].CodeValue == code
    (study,) = note.CurrentRequestedProcedureEvidenceSequence
    named = {
        (series.SeriesInstanceUID, item.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert named == {(series_uid_of(uid), uid) for uid in held}
    assert len(held) == 4


def test_a_destination_that_holds_nothing_gets_no_note(bench):
    """What waits for it is dropped: there is nothing to reject."""
    answered(bench, NOTED)
    ask(bench)
    begin(bench)
    answer(bench, NOTED)
    assert {d.state for d in deliveries_of(bench.ledger, STUDY)} == {DeliveryState.DROPPED}
    assert bench.claim(JobKind.DELIVER) == []


def test_a_note_is_rebuilt_with_the_same_bytes(bench, tmp_path):
    answered(bench, NOTED)
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port)
    ask(bench)
    begin(bench)
    answer(bench, NOTED)
    (note,) = [one for one in objects_of(bench.ledger, STUDY, 2) if one.kind == ObjectKind.REJECTION_NOTE]
    bench.files.path(note.path).unlink()
    rebuilder = Rebuilder(bench.ledger, bench.files, PRODUCER)
    assert rebuilder.rebuild(STUDY, 2, {note.sop_instance_uid}) == {note.sop_instance_uid}


def test_a_later_image_does_not_bring_a_withdrawn_result_back(bench):
    """Its own hands are rated; the withdrawn image keeps the reason."""
    answered(bench)
    ask(bench)
    begin(bench)
    answer(bench, PLAIN)
    bench.keep(source(SOPInstanceUID="2.25.78"))
    bench.settle()
    examine(bench)
    made = answer(bench, PLAIN)
    reasons = [image.refusal and image.refusal.reason for image in made.images]
    assert reasons == [Reason.WITHDRAWN, None]
    assert made.withdrawal is None


def test_a_corrected_image_is_analysed_again_after_the_withdrawal(bench):
    """The side is corrected at the source: its new result is right."""
    answered(bench)
    ask(bench)
    begin(bench)
    answer(bench, PLAIN)
    bench.keep(source(ImageLaterality="L"))
    bench.settle()
    examine(bench)
    assert answer(bench, PLAIN).hands


def test_each_result_is_withdrawn_once_however_often_it_is_asked(bench):
    answered(bench)
    assert (ask(bench), ask(bench)) == (1, 0)
    begin(bench)
    begin(bench)
    assert waiting_withdrawals(bench.ledger) == 0
    answer(bench, PLAIN)
    with pytest.raises(Refused, match="withdrawn already"):
        plan_for_study(bench.ledger, STUDY)
    assert len(events(bench, "study_withdrawn")) == len(events(bench, "withdrawal_requested")) == 1
    assert latest_result(bench.ledger, STUDY).version == 2


def test_a_study_in_the_making_is_withdrawn_when_its_version_is_there(bench):
    """A request while a late image is analysed waits, and takes the newest version back."""
    answered(bench)
    ask(bench)
    bench.keep(source(SOPInstanceUID="2.25.78"))
    begin(bench)
    assert waiting_withdrawals(bench.ledger) == 1
    bench.settle()
    examine(bench)
    answer(bench, PLAIN)
    begin(bench)
    assert answer(bench, PLAIN).refusal.reason is Reason.WITHDRAWN
    assert latest_result(bench.ledger, STUDY).version == 3


def test_an_object_on_its_way_is_waited_for(bench):
    """Accepted after the note was made, it would never be rejected."""
    answered(bench)
    (job,) = bench.claim(JobKind.DELIVER)
    ask(bench)
    begin(bench)
    assert next_withdrawals(bench.ledger, 1) == []
    assert job.peer == "pacs"


def test_live_work_goes_first_but_not_for_ever(bench):
    answered(bench)
    ask(bench)
    starter = WithdrawalStarter(bench.ledger)
    bench.keep(source(StudyInstanceUID="2.25.5", SOPInstanceUID="2.25.6"))
    starter._last = bench.ledger.clock()
    starter.step()
    assert waiting_withdrawals(bench.ledger) == 1
    bench.clock.advance(LONGEST_PAUSE_S + 1)
    starter.step()
    assert waiting_withdrawals(bench.ledger) == 0


def test_a_study_that_arrives_is_reported_before_a_withdrawal_that_has_begun(bench):
    answered(bench)
    ask(bench)
    WithdrawalStarter(bench.ledger).step()
    bench.keep(source(StudyInstanceUID="2.25.5", SOPInstanceUID="2.25.6"))
    (job,) = bench.claim(JobKind.EXAMINE)
    assert job.study_uid == "2.25.5"
    assert bench.claim(JobKind.REPORT) == []


def test_a_bundle_is_recalled_since_a_day(bench):
    """By the beginning of its hash; an older result and another bundle's stay."""
    answered(bench)
    now = bench.ledger.clock()
    assert len(plan_for_bundle(bench.ledger, BUNDLE[:12], now - 1000).results) == 1
    with pytest.raises(Refused, match="found none"):
        plan_for_bundle(bench.ledger, BUNDLE, now + 1000)
    with pytest.raises(Refused, match="found none"):
        plan_for_bundle(bench.ledger, "0" * 64, 0)
    for text in ("abc", "not a hash", "%" * 12, ""):
        with pytest.raises(Refused, match="hexadecimal"):
            plan_for_bundle(bench.ledger, text, 0)


def test_a_newer_result_of_another_bundle_ends_the_request(bench):
    answered(bench)
    plan = plan_for_bundle(bench.ledger, BUNDLE, 0)
    request_plan(bench.ledger, plan, SAFETY, "faulty", "bob")
    (request,) = next_withdrawals(bench.ledger, 1)
    other = type(request)(**{**{n: getattr(request, n) for n in request.__slots__}, "bundle": "0" * 12})
    refusal = withdrawal_refusal(SAFETY, "faulty", datetime.now(UTC))
    assert begin_withdrawal(bench.ledger, other, refusal) is None
    assert events(bench, "withdrawal_superseded")
    assert waiting_withdrawals(bench.ledger) == 0


def test_a_study_without_a_report_and_an_unknown_one_are_refused(bench):
    with pytest.raises(Refused, match=r"none with UID 2\.25\.404"):
        plan_for_study(bench.ledger, "2.25.404")
    bench.keep(source())
    with pytest.raises(Refused, match="none yet"):
        plan_for_study(bench.ledger, STUDY)
    assert jobs_of(bench.ledger, STUDY)


@pytest.mark.parametrize("text", ["", "   ", "x" * 201, "a\x00b", "a\x1bb"])
def test_a_reason_that_cannot_be_printed_is_refused(text):
    with pytest.raises(Refused, match="1 to 200 printable"):
        checked_reason(text)


def test_a_withdrawn_study_is_no_prior_study(bench):
    """The comparison goes on with the study before it."""
    answered(bench)
    ask(bench)
    begin(bench)
    answer(bench, PLAIN)
    result = latest_result(bench.ledger, STUDY)
    assert result.patient_key is None
    assert prior_result(bench.ledger, "2.25.9", "key", "99991231") is None
